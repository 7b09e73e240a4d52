"""Scenes of the proof: the batch ends, its bundle verifies twice, and a copy with one byte changed is refused twice."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.cli.demo_story.acts import BATCH, Held, NotHeld, is_batch_event
from gateway.cli.demo_story.context import Context
from gateway.cli.demo_story.proof import Said, change_one_byte, content_root, verify_alone, verify_with_ours

WITNESSED: Final = ", 1 witness"
"""In the line of a verification whose newest note the demo's witness has cosigned."""


async def sealed(told: Context) -> Held:
    """The batch has ended, its content has one root, and every value the freezer measured stands in the ledger once."""
    entry = await told.tell({"event": "end"})
    if not is_batch_event(entry.record, "end"):
        raise NotHeld(f"record {entry.index} is not the end of {BATCH}")
    shown = await told.ask(f"/api/v1/batches/{BATCH}")
    if shown["state"] != "ended":
        raise NotHeld(f"{BATCH} is {shown['state']}, not ended")
    await told.settle()
    told.judge()
    bundle = await asyncio.to_thread(told.stage.control.get_bytes, f"/api/v1/batches/{BATCH}/bundle.zip")
    await asyncio.to_thread(told.bundle.write_bytes, bundle)
    root, count = content_root(bundle)
    return Held(entry.index, f"{BATCH} ended, content root {root[:8]} {root[8:16]} … over {count:,} records")


async def verified(told: Context) -> Held:
    """`gateway verify` and the bundle's own verify.py, alone in a bare interpreter, say VERIFIED in the same words.

    Both count the witness: its line over the bundle's head is in the bundle, and its key in the policy beside it.
    """
    ours = await verify_with_ours(told.bundle)
    alone = await verify_alone(told.bundle, told.bundle.with_name("bundle"))
    for who, said in _both(ours, alone):
        if said.code != 0 or not said.line.startswith("VERIFIED"):
            raise NotHeld(f"{who} ended with {said.code}: {said.line}")
    if ours.line != alone.line:
        raise NotHeld(f"two verifiers, two answers: {ours.line!r} and {alone.line!r}")
    if WITNESSED not in ours.line:
        raise NotHeld(f"the witness has not cosigned the bundle: {ours.line}")
    return Held(told.stage.watch.size - 1, ours.line)


async def refused(told: Context) -> Held:
    """Both refuse a copy in which one digit of one temperature is another one."""
    changed = told.bundle.with_name(f"{BATCH}-changed.zip")
    content = change_one_byte(await asyncio.to_thread(told.bundle.read_bytes))
    await asyncio.to_thread(changed.write_bytes, content)
    ours = await verify_with_ours(changed)
    alone = await verify_alone(changed, changed.with_name("bundle-changed"))
    for who, said in _both(ours, alone):
        if said.code != 1 or not said.line.startswith("FAILED"):
            raise NotHeld(f"{who} took a changed byte: it ended with {said.code}: {said.line}")
    return Held(told.stage.watch.size - 1, f"{ours.line}  as it should")


async def ended(told: Context) -> Held:
    """The gateway stops in order when asked to; every record it ever wrote is then verified from its files."""
    code = await told.stage.gateway.stop()
    if code != 0:
        raise NotHeld(f"the gateway ended with {code}: {told.stage.gateway.last_words()}")
    said = await verify_with_ours(told.stage.plant.ledger)
    if said.code != 0 or not said.line.startswith("VERIFIED"):
        raise NotHeld(f"the ledger folder: gateway verify ended with {said.code}: {said.line}")
    if WITNESSED not in said.line:
        raise NotHeld(f"the witness has not cosigned the last head: {said.line}")
    return Held(told.stage.watch.size - 1, f"stopped in order; the whole ledger: {said.line}")


def _both(ours: Said, alone: Said) -> tuple[tuple[str, Said], tuple[str, Said]]:
    return ("gateway verify", ours), ("the bundle's verify.py", alone)
