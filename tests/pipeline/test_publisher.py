"""The publisher: the newest head, only forward; a full disk is told and tried again; it ends when it is told to."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from gateway.errors import DiskFull, LedgerDoubt, Unavailable
from gateway.pipeline.publisher import EVERY_S, GAP_S, SIGN_S, Publisher
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


class Token:
    """A publish key that may be away, slow or broken."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.asked = 0
        self.release = threading.Event()
        self.release.set()

    def sign(self, note: bytes) -> bytes:
        self.asked += 1
        self.release.wait(5)
        if self.trouble is not None:
            raise self.trouble
        return note + b" +line"


def test_ac_03_every_published_head_bears_the_line_of_the_publish_key():
    head, shelf, token = Head(), Shelf(), Token()
    publisher = Publisher(head, shelf, token.sign)

    async def story() -> None:
        head.grow(7)
        await publisher.now()
        await publisher.replace(7, b"note 7 +line +cosigned")

    run_virtually(story())
    assert shelf.notes == [(7, b"note 7 +line"), (7, b"note 7 +line +cosigned")]
    assert (publisher.note, publisher.problem) == (b"note 7 +line +cosigned", "")


def test_ac_03_while_the_token_is_away_nothing_is_published_and_it_is_tried_again():
    head, shelf, token = Head(), Shelf(), Token()
    publisher = Publisher(head, shelf, token.sign)
    token.trouble = Unavailable("token gw-01: DeviceRemoved", remedy="plug it in")

    async def story() -> None:
        head.grow(7)
        await _running(publisher, EVERY_S * 2.5)
        assert (publisher.published, publisher.problem) == (0, "token gw-01: DeviceRemoved")
        token.trouble = None
        await _running(publisher, EVERY_S)

    with capture_logs() as logs:
        run_virtually(story())
    assert shelf.notes == [(7, b"note 7 +line")]
    assert publisher.problem == ""
    assert {(one["event"], one["error"]) for one in logs} == {
        ("checkpoint.not_published", "token gw-01: DeviceRemoved")
    }
    assert all(one["remedy"].startswith("plug it in; it is tried again") for one in logs)


async def test_ac_03_a_token_that_does_not_answer_holds_nobody_up(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.publisher.SIGN_S", 0.05)
    head, shelf, token = Head(), Shelf(), Token()
    token.release.clear()
    publisher = Publisher(head, shelf, token.sign)
    head.grow(7)
    with capture_logs() as logs:
        await publisher.now()
    token.release.set()
    assert shelf.notes == []
    assert "gave no line in" in logs[0]["error"]
    assert SIGN_S == 10


def test_ac_03_a_publish_key_that_fails_halts_the_ledger():
    head, shelf, token = Head(), Shelf(), Token()
    token.trouble = LedgerDoubt("a signature does not hold", remedy="look at the token")
    halted: list[LedgerDoubt] = []

    async def halt(doubt: LedgerDoubt) -> None:
        halted.append(doubt)

    async def story() -> None:
        head.grow(7)
        await Publisher(head, shelf, token.sign, halt).now()
        with pytest.raises(LedgerDoubt):
            await Publisher(head, shelf, token.sign).now()

    run_virtually(story())
    assert (halted, shelf.notes) == ([token.trouble], [])
