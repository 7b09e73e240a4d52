"""Scenes of the plant: the links come up, the batch starts, the door opens, the cable is cut."""

from __future__ import annotations

import asyncio
from functools import partial
from time import CLOCK_REALTIME, clock_gettime_ns

from gateway.cli.demo_story.acts import (
    BATCH,
    CUT_S,
    DOOR,
    ROOM_TEMPERATURE,
    TEMPERATURE,
    Held,
    NotHeld,
    is_batch_event,
    is_door_open,
    is_good,
)
from gateway.cli.demo_story.context import Context, is_temperature, source_ns


async def ready(told: Context) -> Held:
    """Every source has given a good reading, and the gateway says that it is ready."""
    last = 0
    for signal in (TEMPERATURE, DOOR, ROOM_TEMPERATURE):
        found = await told.find(f"a good reading of {signal}", partial(is_good, signal=signal))
        last = max(last, found.index)
    told.first_ns = source_ns(told.stage.watch.select(is_temperature)[0].record)
    health = await told.ask("/api/v1/health")
    if not health.get("ready"):
        raise NotHeld(f"the gateway says it is not ready: {health.get('reasons')}")
    took_s = told.stage.pace.age_s
    return Held(
        last, f"ready in {took_s:.1f} s: {health['status']}; {told.stage.broker.title}; {told.stage.plant.origin}"
    )


async def batch(told: Context) -> Held:
    """The batch runs on the freezer, by a record of its own."""
    node = {"node": "FRZ-01", "use": "storage", "room": "R-1"}
    entry = await told.tell({"event": "start", "nodes": [node]})
    if not is_batch_event(entry.record, "start"):
        raise NotHeld(f"record {entry.index} is not the start of {BATCH}")
    shown = await told.ask(f"/api/v1/batches/{BATCH}")
    if shown["state"] != "running":
        raise NotHeld(f"{BATCH} is {shown['state']}, not running")
    return Held(entry.index, f"batch {BATCH} running, ledger {entry.index:,}")


async def door(told: Context) -> Held:
    """The switch says that the door is open."""
    told.stage.freezer.chamber.door_open = True
    told.stage.room.move_door(is_open=True)
    found = await told.find(f"{DOOR} open", is_door_open)
    told.opened_ns = source_ns(found.record)
    return Held(found.index, f"{DOOR} open")


async def cut(told: Context) -> Held:
    """Nothing the freezer measured while its cable was cut is lost or doubled."""
    cut_ns = clock_gettime_ns(CLOCK_REALTIME)
    told.stage.cable.cut()
    await asyncio.sleep(told.stage.pace.real_s(CUT_S))
    mended_ns = clock_gettime_ns(CLOCK_REALTIME)
    told.stage.cable.mend()
    fresh = await told.settle()
    verdict = told.judge()
    found = told.stage.watch.select(is_temperature)
    back = sum(1 for entry in found if cut_ns <= source_ns(entry.record) <= mended_ns)
    if not back:
        raise NotHeld("no value of the time of the cut stands in the ledger")
    return Held(fresh.index, f"back: {back} readings of the cut, {verdict.lost} lost, {verdict.doubled} duplicates")
