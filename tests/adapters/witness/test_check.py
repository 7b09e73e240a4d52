"""`gateway check` asks a witness without changing anything there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.server import bind, serve
from gateway.adapters.witness.caller import Caller
from gateway.adapters.witness.check import WitnessCheck
from gateway.adapters.witness.server import WitnessDesk
from gateway.ledger.note import format_vkey
from tests.adapters.witness.test_book import KEY, NOW_S, book, question
from tests.fakes.clock import StillClock
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import ORIGIN, SEALER


@asynccontextmanager
async def served(application):
    listening = bind("127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(application, listening))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.cancel()


def check(folder, url: str, origin: str = ORIGIN, vkey: str = format_vkey(KEY)) -> WitnessCheck:
    (folder / "hq.vkey").write_text(vkey + "\n")
    return WitnessCheck("hq", url, folder / "hq.vkey", origin)


async def test_a_witness_that_knows_the_log_is_asked_and_nothing_is_changed(tmp_path):
    subject = book(tmp_path / "w")
    log = GrownLog(3)
    subject.answer(question(log, 0), NOW_S)
    before = subject.kept(ORIGIN)
    caller = Caller(subject, tmp_path / "w", str(KEY), StillClock(), None, lambda _: None)
    async with served(WitnessDesk(subject, caller, StillClock(), lambda _: None).application()) as url:
        known = await check(tmp_path, url).ask()
        unknown = await check(tmp_path, url, "other.example/log").ask()
    assert known == ("ok", f"{KEY} answers and knows {ORIGIN}")
    assert (unknown.state, unknown.detail.split(".")[0]) == ("failed", "does not know other")
    assert subject.kept(ORIGIN) == before
    assert subject.uncalled() == []


async def test_something_else_at_the_address_is_no_witness(tmp_path):
    async def page(_: object) -> Response:
        return Response("<h1>Hello</h1>", 200)

    async with served(Starlette(routes=[Route("/add-checkpoint", page, methods=["POST"])])) as url:
        assert (await check(tmp_path, url).ask()).detail.startswith("answers 200 <h1>Hello")
    assert (await check(tmp_path, url).ask()).detail.startswith("connection refused. Next")


@pytest.mark.parametrize(
    ("vkey", "says"), [("nonsense", "is not name+id+key"), (SEALER.vkey, "holds the key of a log"), ("", "is not name")]
)
async def test_a_key_file_that_is_none_is_found_before_anybody_is_asked(tmp_path, vkey, says):
    answer = await check(tmp_path, "http://127.0.0.1:1", vkey=vkey).ask()
    assert answer.state == "failed"
    assert says in answer.detail


async def test_a_missing_key_file_says_where_the_line_comes_from(tmp_path):
    answer = await WitnessCheck("hq", "http://127.0.0.1:1", tmp_path / "none", ORIGIN).ask()
    assert answer.detail.endswith("No such file or directory. Next: put the line there that the witness prints")
