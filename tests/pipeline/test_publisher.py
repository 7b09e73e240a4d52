"""The publisher: the newest head, only forward; a full disk is told and tried again; it ends when it is told to."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gateway.errors import DiskFull
from gateway.pipeline.publisher import EVERY_S, GAP_S, Publisher
from tests.fakes.virtual_loop import run_virtually


class Head:
    size, checkpoint = 0, b""

    def grow(self, size: int) -> None:
        self.size, self.checkpoint = size, b"note %d" % size


class Shelf:
    """The store as far as a publisher needs it."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, bytes]] = []
        self.full = 0

    def publish(self, note: bytes, size: int) -> None:
        if self.full:
            self.full -= 1
            raise DiskFull("no space left for the checkpoint")
        self.notes.append((size, note))


async def _running(publisher: Publisher, seconds: float) -> None:
    task = asyncio.get_running_loop().create_task(publisher.run())
    await asyncio.sleep(seconds)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=1)
    assert done, "a cancelled publisher must end"


def test_di_06_publishes_what_grew_each_ten_seconds():
    head, shelf = Head(), Shelf()
    publisher = Publisher(head, shelf)

    async def story() -> None:
        head.grow(7)
        await _running(publisher, EVERY_S * 3)
        head.grow(9)
        await _running(publisher, EVERY_S)

    run_virtually(story())
    assert shelf.notes == [(7, b"note 7"), (9, b"note 9")]


def test_di_05_a_full_disk_is_told_and_the_head_is_published_when_there_is_space():
    head, shelf = Head(), Shelf()
    shelf.full = 2
    publisher = Publisher(head, shelf)
    told: list[int] = []
    publisher.on_published = lambda size, _note, _urgent: told.append(size)

    async def story() -> None:
        head.grow(7)
        await publisher.now()
        assert publisher.published == 0
        await _running(publisher, EVERY_S * 2.5)

    with capture_logs() as logs:
        run_virtually(story())
    assert shelf.notes == [(7, b"note 7")]
    assert told == [7]
    assert [one["event"] for one in logs] == ["checkpoint.not_published"] * 2
    assert all(one["remedy"] for one in logs)


def test_a_publisher_that_is_woken_and_told_to_end_at_once_ends():
    publisher = Publisher(Head(), Shelf())

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(publisher.run())
        await asyncio.sleep(GAP_S)
        publisher._soon.set()
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=1)
        assert done

    run_virtually(story())
