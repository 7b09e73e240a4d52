"""Sealing in the background: never in a burst while patience lasts, one at a time, half a core at most; damage is told once."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.errors import DiskFull, LedgerDoubt
from gateway.pipeline.committer import CommitFigures
from gateway.pipeline.sealing import CALM_LEAVES, LOOK_S, PATIENCE_S, RETRY_S, Sealing
from gateway.ports import PackedSegment
from tests.fakes.virtual_loop import run_virtually


class FakePacker:
    """Packs what is ready, each in ``seconds``; ``errors`` are raised first."""

    def __init__(self, ready=0, seconds=0.0, errors=()):
        self.ready, self.seconds, self.errors = ready, seconds, list(errors)
        self.at: list[float] = []
        self.running = 0

    async def pack_next(self):
        assert not self.running, "one at a time"
        self.running += 1
        self.at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        self.running -= 1
        if self.errors:
            raise self.errors.pop(0)
        if len(self.at) > self.ready:
            return None
        return PackedSegment(first=65_536 * (len(self.at) - 1), bytes_before=1_000, bytes_after=60)


def run(packer, seconds, load=lambda _s: 0, on_damage=lambda _d: None):
    """Run for some seconds under a load (leaves committed in each second); return the sealing."""
    figures = CommitFigures()

    async def story():
        sealing = Sealing(packer, figures, on_damage)
        task = asyncio.get_running_loop().create_task(sealing.run())
        for second in range(seconds):
            figures.leaves += load(second)
            await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return sealing

    return run_virtually(story())


def test_segments_are_packed_one_after_the_other_with_a_pause_as_long_as_the_work():
    packer = FakePacker(ready=3, seconds=10.0)
    sealing = run(packer, 100)
    starts = packer.at[:4]
    assert [after - before for before, after in pairwise(starts)] == [20.0 + LOOK_S] * 3
    assert (sealing.standing.packed, sealing.standing.bytes_before, sealing.standing.bytes_after) == (3, 3_000, 180)


def test_a_burst_is_not_disturbed_but_steady_load_does_not_fill_the_disk():
    burst = FakePacker(ready=1)
    run(burst, 60, load=lambda second: 2 * CALM_LEAVES if second < 30 else 0)
    assert 29.0 <= burst.at[0] <= 34.0
    steady = FakePacker(ready=1)
    run(steady, 200, load=lambda _s: 20_000)
    assert steady.at[0] == PATIENCE_S


def test_damage_is_told_and_the_next_segment_follows():
    told = []
    packer = FakePacker(ready=2, errors=[LedgerDoubt("damaged: 00000000000000000000.seg offset 5: CRC differs")])
    sealing = run(packer, 20, on_damage=told.append)
    assert [doubt.text for doubt in told] == ["damaged: 00000000000000000000.seg offset 5: CRC differs"]
    assert sealing.standing.packed == 1


def test_without_room_it_is_tried_again_later():
    packer = FakePacker(ready=1, errors=[DiskFull("no room to pack segment 0")])
    sealing = run(packer, 20)
    assert sealing.standing.problem == "no room to pack segment 0"
    packer = FakePacker(ready=2, errors=[DiskFull("no room to pack segment 0")])
    sealing = run(packer, int(RETRY_S) + 20)
    assert (sealing.standing.problem, sealing.standing.packed) == ("", 1)
