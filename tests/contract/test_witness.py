"""Contract of the port `Witness`, one suite on the fake and on our client with our server behind a socket."""

from __future__ import annotations

import asyncio

import pytest

from gateway.adapters.http.server import bind, serve
from gateway.adapters.witness.book import WitnessBook
from gateway.adapters.witness.caller import Caller
from gateway.adapters.witness.client import WitnessClient
from gateway.adapters.witness.server import WitnessDesk
from gateway.ledger.crypto import cosigner, seal_key, sealer, verify_line
from gateway.ledger.note import Line, format_line, parse_note, sign_note
from tests.fakes.clock import StillClock
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.witness import FakeWitness

SEED = bytes([0x80]) * 32


class FakeCase:
    def __init__(self):
        self.witness = FakeWitness()
        self.key = self.witness.key

    def lose_next(self):
        self.witness.fail_next.append("lost")

    def foreign_next(self):
        self.witness.fail_next.append("foreign")

    def stop(self):
        self.witness.down = True


class ServerCase:
    """The server's application with a wire in front that can lose an answer or change its body."""

    def __init__(self, folder):
        self.key = FakeWitness().key
        clock = StillClock()
        self._book = WitnessBook(folder, {ORIGIN: [SEALER.key]}, self.key, SEED)
        caller = Caller(self._book, folder, str(self.key), clock, None, lambda _: None)
        self._application = WitnessDesk(self._book, caller, clock, lambda _: None).application()
        self._how = ""
        self.listening = bind("127.0.0.1:0")
        port = self.listening.getsockname()[1]
        self.witness = WitnessClient(f"http://127.0.0.1:{port}/", self.key, total_s=0.5)

    async def __call__(self, scope, receive, send):
        how, self._how = self._how, ""

        async def told(message):
            if how == "foreign" and message["type"] == "http.response.body":
                foreign = Line("x.example/y", b"abcd", cosigner(bytes(32), 5)(b"x\n"))
                message["body"] = format_line(foreign).ljust(len(message["body"]))[: len(message["body"])]
            if how != "lost":
                await send(message)

        await self._application(scope, receive, told)
        if how == "lost":
            await asyncio.sleep(1)

    def lose_next(self):
        self._how = "lost"

    def foreign_next(self):
        self._how = "foreign"

    def stop(self):
        self.serving.cancel()


@pytest.fixture(params=["fake", "server"])
async def case(request, tmp_path):
    if request.param == "fake":
        yield FakeCase()
        return
    made = ServerCase(tmp_path / "w")
    async with asyncio.TaskGroup() as tasks, made.witness:
        made.serving = tasks.create_task(serve(made, made.listening))
        yield made
        made.serving.cancel()


async def test_a_first_checkpoint_is_cosigned_with_the_configured_key(case):
    log = GrownLog(3)
    answer = await case.witness.add_checkpoint(0, [], log.note)
    assert (answer.status, answer.size, answer.cause) == (200, None, None)
    assert answer.cosignature.name == case.key.name
    assert verify_line(case.key, parse_note(log.note).text, answer.cosignature.signature)


async def test_growth_is_cosigned_with_its_proof_and_an_older_size_is_named(case):
    log = GrownLog(3, 4, 5)
    await case.witness.add_checkpoint(0, [], log.notes[3])
    assert (await case.witness.add_checkpoint(3, log.proof(3), log.note)).status == 200
    late = await case.witness.add_checkpoint(3, log.proof(3), log.note)
    assert (late.status, late.size, late.cosignature) == (409, 12, None)


async def test_what_was_taken_stays_taken_when_its_answer_is_lost(case):
    log = GrownLog(3)
    case.lose_next()
    lost = await case.witness.add_checkpoint(0, [], log.note)
    assert (lost.status, lost.cosignature) == (None, None)
    assert lost.cause
    again = await case.witness.add_checkpoint(0, [], log.note)
    assert (again.status, again.size) == (409, 3)
    assert (await case.witness.add_checkpoint(3, [], log.note)).cosignature is not None


async def test_a_line_of_another_key_is_no_cosignature(case):
    case.foreign_next()
    answer = await case.witness.add_checkpoint(0, [], GrownLog(3).note)
    assert (answer.status, answer.cosignature) == (200, None)


async def test_ac_03_a_rewritten_log_is_refused(case):
    log, fork = GrownLog(3, 4), GrownLog(3, 4, 5, first=100)
    await case.witness.add_checkpoint(0, [], log.note)
    assert (await case.witness.add_checkpoint(0, [], fork.note)).size == 7
    assert (await case.witness.add_checkpoint(7, fork.proof(7), fork.note)).status == 422
    assert (await case.witness.add_checkpoint(0, [], fork.notes[7])).status == 409
    assert (await case.witness.add_checkpoint(0, [], fork.notes[3])).size == 7, "smaller"


async def test_foreign_keys_and_foreign_logs_are_refused(case):
    text = parse_note(GrownLog(3).note).text
    thief, stranger = seal_key(ORIGIN, bytes(32)), seal_key("other.example/log", bytes(32))
    assert (await case.witness.add_checkpoint(0, [], sign_note(text, [(thief, sealer(bytes(32)))]))).status == 403
    other = b"other.example/log\n" + text.partition(b"\n")[2]
    assert (await case.witness.add_checkpoint(0, [], sign_note(other, [(stranger, sealer(bytes(32)))]))).status == 404
    answer = await case.witness.add_checkpoint(9, [], GrownLog(3).note)
    assert (answer.status, bool(answer.text)) == (400, True)


async def test_a_witness_that_is_gone_is_an_answer_too(case):
    case.stop()
    answer = await case.witness.add_checkpoint(0, [], GrownLog(3).note)
    assert (answer.status, answer.cosignature) == (None, None)
    assert answer.cause
