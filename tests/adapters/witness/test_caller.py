"""Calls: rollback, fork and silence reach a person once each, also over a restart and a receiver that was down."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.server import bind, serve
from gateway.adapters.witness.caller import Caller
from tests.adapters.witness.test_book import KEY, NOW_S, book, question
from tests.fakes.clock import StillClock
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import ORIGIN

S = 1_000_000_000


class Desk:
    """A person's pager on loopback; answers with `status`."""

    def __init__(self):
        self.calls: list[dict] = []
        self.status = 204
        self.tried = 0

    async def take(self, request: Request) -> Response:
        self.tried += 1
        if self.status == 204:
            self.calls.append(json.loads(await request.body()))
        return Response(status_code=self.status)

    @property
    def kinds(self) -> list[str]:
        return [call["kind"] for call in self.calls]


@asynccontextmanager
async def on_duty(folder, clock: StillClock, desk: Desk):
    """A running caller and its desk."""
    listening = bind("127.0.0.1:0")
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/call"
    told: list[str] = []
    subject = book(folder)
    caller = Caller(subject, folder, str(KEY), clock, url, told.append, retry_s=0.05)
    application = Starlette(routes=[Route("/call", desk.take, methods=["POST"])])
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(serve(application, listening)), tasks.create_task(caller.run())]
        yield subject, caller, told
        for one in running:
            one.cancel()


async def until(true, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


async def test_ac_03_a_fork_and_a_rollback_call_once_each(tmp_path):
    log, fork, desk = GrownLog(3, 4), GrownLog(3, 4, first=100), Desk()
    async with on_duty(tmp_path, StillClock(), desk) as (subject, caller, told):
        subject.answer(question(log, 0), NOW_S)
        for _ in range(3):
            for body in (question(fork, 0), question(log, 0, 3)):
                answer = subject.answer(body, NOW_S)
                if answer.conflict is not None:
                    caller.conflict(answer.conflict)
        await until(lambda: len(desk.calls) == 2)
        await asyncio.sleep(0.2)
        assert sorted(desk.kinds) == ["FORK", "ROLLBACK"]
        first = next(call for call in desk.calls if call["kind"] == "FORK")
        assert first["format"] == "witness-call/1"
        assert (first["origin"], first["witness"]) == (ORIGIN, str(KEY))
        assert first["kept"] == {"size": 7, "root": log.checkpoint().root.hex()}
        assert first["sent"] == {"size": 7, "root": fork.checkpoint().root.hex()}
        assert any(line.startswith("FORK acme.example/basel/gw-01: size 7 root ") for line in told)
    async with on_duty(tmp_path, StillClock(), desk):
        await asyncio.sleep(0.3)
    assert len(desk.calls) == 2, "a restart repeats nothing"


async def test_a_call_that_nobody_took_is_made_again_until_somebody_does(tmp_path):
    log, fork, desk = GrownLog(3, 4), GrownLog(3, 4, first=100), Desk()
    desk.status = 503
    async with on_duty(tmp_path, StillClock(), desk) as (subject, caller, _):
        subject.answer(question(log, 0), NOW_S)
        caller.conflict(subject.answer(question(fork, 0), NOW_S).conflict)
        await until(lambda: desk.tried >= 2)
    desk.status = 204
    async with on_duty(tmp_path, StillClock(), desk):
        await until(lambda: bool(desk.calls))
        await asyncio.sleep(0.2)
    assert desk.kinds == ["FORK"]


async def test_ac_03_silence_of_300_s_calls_once_and_is_over_with_the_next_valid_checkpoint(tmp_path):
    log, clock, desk = GrownLog(3, 4), StillClock(), Desk()
    async with on_duty(tmp_path, clock, desk) as (subject, caller, told):
        subject.answer(question(log, 0, 3), NOW_S)
        caller.valid(ORIGIN)
        clock.advance(299 * S)
        caller.look()
        assert told == []
        clock.advance(S)
        caller.look()
        await until(lambda: desk.kinds == ["SILENT"])
        assert desk.calls[0]["kept"]["size"] == 3
        clock.advance(900 * S)
        caller.look()
        await asyncio.sleep(0.2)
        assert desk.kinds == ["SILENT"]
        caller.valid(ORIGIN)
        assert told[-1] == f"{ORIGIN} is heard again"
        clock.advance(300 * S)
        caller.look()
        await until(lambda: desk.kinds == ["SILENT", "SILENT"])
    async with on_duty(tmp_path, clock, desk):
        await asyncio.sleep(0.2)
    assert len(desk.calls) == 2
