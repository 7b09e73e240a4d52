"""A witness under an authority of one's own: cosigns where `ca` names it; without it, or with another, nothing is asked."""

from __future__ import annotations

import asyncio
from time import CLOCK_REALTIME, clock_gettime_ns

import pytest

from gateway.adapters.http.server import bind, serve
from gateway.adapters.webhook.sender import make_tls
from gateway.adapters.witness.book import WitnessBook
from gateway.adapters.witness.caller import Caller
from gateway.adapters.witness.check import WitnessCheck
from gateway.adapters.witness.client import WitnessClient
from gateway.adapters.witness.server import WitnessDesk
from gateway.cli.demo_story.certificates import Authority
from gateway.errors import ConfigurationRefused
from gateway.ledger.note import format_vkey
from tests.fakes.clock import StillClock
from tests.fakes.grown_log import GrownLog
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.witness import FakeWitness

KEY = FakeWitness().key


@pytest.fixture
def authority(tmp_path):
    made = Authority(clock_gettime_ns(CLOCK_REALTIME))
    made.write_pem(tmp_path / "ca.pem")
    Authority(clock_gettime_ns(CLOCK_REALTIME)).write_pem(tmp_path / "other.pem")
    return made


@pytest.fixture
async def url(tmp_path, authority):
    book = WitnessBook(tmp_path / "w", {ORIGIN: [SEALER.key]}, KEY, bytes([0x80]) * 32)
    caller = Caller(book, tmp_path / "w", str(KEY), StillClock(), None, lambda _: None)
    desk, listening = WitnessDesk(book, caller, StillClock(), lambda _: None), bind("127.0.0.1:0")
    leaf = authority.leaf("witness").write_pem(tmp_path, "witness")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(desk.application(), listening, leaf))
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        serving.cancel()


async def ask(url, tls):
    async with WitnessClient(url, KEY, tls) as client:
        return await client.add_checkpoint(0, [], GrownLog(3).note)


async def test_ac_03_a_witness_under_our_own_authority_cosigns(url, tmp_path):
    assert (await ask(url, make_tls(tmp_path / "ca.pem"))).cosignature is not None


@pytest.mark.parametrize("ca", [None, "other.pem"])
async def test_a_witness_of_another_authority_is_asked_nothing(url, tmp_path, ca):
    answer = await ask(url, None if ca is None else make_tls(tmp_path / ca))
    assert (answer.status, answer.cosignature) == (None, None)
    assert "certificate is not trusted" in answer.cause


async def test_gateway_check_asks_with_the_same_authority(url, tmp_path):
    (tmp_path / "w.vkey").write_text(format_vkey(KEY))
    knows = WitnessCheck("hq", url, tmp_path / "w.vkey", ORIGIN, tmp_path / "ca.pem")
    assert (await knows.ask()).state == "ok"
    assert (await WitnessCheck("hq", url, tmp_path / "w.vkey", ORIGIN).ask()).state == "failed"


async def test_an_authority_that_cannot_be_read_is_named_with_its_witness(tmp_path):
    with pytest.raises(ConfigurationRefused, match=r"witnesses\.hq") as refused:
        make_tls(tmp_path / "none.pem", who="witnesses.hq")
    assert "ca" in refused.value.remedy
