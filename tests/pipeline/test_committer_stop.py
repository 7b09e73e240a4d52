"""A gateway that stops while its disk is full: it ends, acknowledges nothing, and the next life begins whole."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gateway.ports import Outcome
from tests.fakes.store import Medium, MemoryStore
from tests.fakes.virtual_loop import run_virtually
from tests.pipeline.test_committer import committer, notice


class FullStore(MemoryStore):
    def commit(self, frames, side_objects=()):
        self.fail_next = "full"
        super().commit(frames, side_objects)


def test_eu_17_a_stop_does_not_wait_for_space():
    medium = Medium()
    outcomes: list[Outcome] = []

    async def story() -> None:
        store = FullStore(medium)
        subject = committer(store)
        task = asyncio.get_running_loop().create_task(subject.run())
        subject.append([notice("a")], settle=outcomes.append)
        await asyncio.sleep(60)
        assert not task.done()
        assert outcomes == []
        subject.append([notice("b")], settle=outcomes.append)
        await subject.close()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done
        assert task.exception() is None
        assert subject.halted is None
        store.close()

    with capture_logs() as logs:
        run_virtually(story())
    assert outcomes == [Outcome.DISCARDED] * 2
    assert [one["event"] for one in logs] == ["commit.abandoned"]
    assert MemoryStore(medium).open().tree.size == 0
