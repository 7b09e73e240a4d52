"""Context: what the scenes share: the stage, what was found so far, and the ways to ask and to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import CLOCK_REALTIME, clock_gettime_ns
from typing import Any, Final

from gateway.cli.demo_story.acts import BATCH, TEMPERATURE, NotHeld, is_good
from gateway.cli.demo_story.oracle import Verdict, judge
from gateway.cli.demo_story.stage import Stage
from gateway.cli.demo_story.watch import Entry
from gateway.ledger.records import Deviation, Excursion, Reading

GRACE_S: Final = 30.0
"""Real seconds an act may take beyond the plant's own time: start, publishing interval, commit, delivery."""


class Context:
    """Shared by the scenes of one telling."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.raised: dict[str, Entry] = {}
        self.deviation: Entry | None = None
        self.record_id = ""
        self.opened_ns = 0
        self.first_ns = 0
        self.last_ns = 0
        self.bundle = stage.plant.root / f"{BATCH}.zip"

    async def find(self, what: str, fits: Callable[[Any], bool], *, after: int = 0, demo_s: float = 0.0) -> Entry:
        """Wait for the first record from ``after`` on that fits; ``demo_s`` is how long the plant itself may need."""
        seconds = GRACE_S + self.stage.pace.real_s(demo_s)
        return await self.stage.watch.find(what, fits, after=after, seconds=seconds)

    async def tell(self, body: dict[str, Any]) -> Entry:
        """Tell the gateway a batch event, as the plant's MES would; its answer must be what the ledger says."""
        path = f"/api/v1/batches/{BATCH}/events"
        told = await asyncio.to_thread(self.stage.control.post, path, body)
        index = int(told["ledger_index"])
        entry = await self.find(f"record {index}", lambda _: True, after=index)
        if told["effect"] != "applied":
            raise NotHeld(f"{body['event']} of {BATCH} is {told['effect']}: {told.get('remark', 'no remark')}")
        return entry

    async def ask(self, path: str) -> dict[str, Any]:
        """Return what the gateway answers."""
        said: dict[str, Any] = await asyncio.to_thread(self.stage.control.get, path)
        return said

    async def settle(self) -> Entry:
        """Wait until everything the freezer has written before this moment must stand in the ledger."""
        now_ns = clock_gettime_ns(CLOCK_REALTIME)
        fresh = await self.find(
            f"a reading of {TEMPERATURE} written after this moment",
            lambda record: is_good(record, TEMPERATURE) and source_ns(record) > now_ns,
            after=self.stage.watch.size,
        )
        self.last_ns = source_ns(fresh.record)
        return fresh

    def judge(self) -> Verdict:
        """Hold the freezer's own log against the ledger; raise `NotHeld` when a value is not there once, as written."""
        found = [entry.record for entry in self.stage.watch.select(is_temperature)]
        readings = [record for record in found if isinstance(record, Reading)]
        verdict = judge(self.stage.freezer.space.written, readings, self.first_ns, self.last_ns)
        if not verdict.clean:
            raise NotHeld(f"the freezer's values: {verdict.lost} lost, {verdict.doubled} twice, {verdict.wrong} wrong")
        return verdict


def is_temperature(record: object) -> bool:
    """Tell whether a record is a reading of the freezer's temperature."""
    return isinstance(record, Reading) and record.signal == TEMPERATURE


def source_ns(record: object) -> int:
    """Return the source time of a reading; the simulators send one with every value."""
    found = record.source_ns if isinstance(record, Reading) else None
    assert isinstance(found, int), "the simulators send source times"
    return found


def as_excursion(entry: Entry) -> Excursion:
    """Return the excursion that was found by its kind."""
    assert isinstance(entry.record, Excursion), "found by its kind"
    return entry.record


def as_deviation(entry: Entry | None) -> Deviation:
    """Return the deviation that an earlier act found by its kind."""
    assert entry is not None, "an earlier act found it"
    assert isinstance(entry.record, Deviation), "found by its kind"
    return entry.record
