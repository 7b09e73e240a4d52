"""Contract of the ports `TimeStamper` and `FrozenNotes`: one suite on the fakes and on the real ones."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from hashlib import sha256

import aiohttp
import pytest

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.timestamping import BYTES_MAX, FOREIGN, HttpTimeStamper
from gateway.errors import EvidenceRefused, Unavailable
from gateway.ledger.authority import Authority
from gateway.ledger.timestamp import make_request
from tests.counterparts import tsa
from tests.counterparts.ports import free_port
from tests.fakes.frozen import MemoryFrozen
from tests.fakes.time_stamper import FakeTimeStamper

NOTE = b"acme.example/basel/gw-01\n18\n0dHWjePL1SBpMK7uaiuHE4ZJQ2OqXPNWm1D7Vra/PFI=\n\n"
IMPRINT = sha256(NOTE).digest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return tsa.Authority(tmp_path_factory.mktemp("tsa"), curve=True)


@asynccontextmanager
async def fake(authority):
    yield (made := FakeTimeStamper(authority)), made


@asynccontextmanager
async def real(authority):
    with tsa.TsaServer(authority) as server:
        async with HttpTimeStamper(server.url) as made:
            yield made, server


both = pytest.mark.parametrize("opened", [fake, real])


@both
async def test_ac_03_an_answer_comes_back_byte_for_byte_and_holds(authority, opened):
    async with opened(authority) as (stamper, _):
        answer = await stamper.stamp(make_request(IMPRINT, 7))
    assert Authority(authority.ca.read_bytes()).open(answer, IMPRINT, 7).nonce == 7
    assert authority.accepts(NOTE, answer)
    assert stamper.url.endswith("/tsr")


@both
async def test_a_closed_authority_is_unavailable_and_asked_only_once(authority, opened):
    async with opened(authority) as (stamper, server):
        server.mode = "down"
        with pytest.raises(Unavailable, match="HTTP 503"):
            await stamper.stamp(make_request(IMPRINT, 7))
        assert len(server.queries) == 1
        server.mode = "ok"
        assert await stamper.stamp(make_request(IMPRINT, 8))


@both
@pytest.mark.parametrize("mode", ["junk", "refuse", "other_imprint", "other_nonce"])
async def test_what_it_says_is_not_judged_here(authority, opened, mode):
    async with opened(authority) as (stamper, server):
        server.mode = mode
        answer = await stamper.stamp(make_request(IMPRINT, 99))
    with pytest.raises(EvidenceRefused):
        Authority(authority.ca.read_bytes()).open(answer, IMPRINT, 99)


async def test_nobody_there_another_type_and_too_much_are_unavailable(authority, monkeypatch):
    async with HttpTimeStamper(f"http://127.0.0.1:{free_port()}/tsr") as nobody:
        with pytest.raises(Unavailable, match="time stamping at"):
            await nobody.stamp(b"0")
    async with real(authority) as (stamper, server):
        monkeypatch.setattr(tsa, "REPLY", "text/html")
        with pytest.raises(Unavailable, match="text/html came back"):
            await stamper.stamp(make_request(IMPRINT, 1))
        monkeypatch.undo()
        monkeypatch.setattr(server, "take", lambda _: (200, b"x" * (BYTES_MAX + 1)))
        with pytest.raises(Unavailable, match="answer over"):
            await stamper.stamp(make_request(IMPRINT, 1))
        monkeypatch.setattr(server, "take", lambda _: (302, b""))
        with pytest.raises(Unavailable, match="HTTP 302"):
            await stamper.stamp(make_request(IMPRINT, 1))


def test_every_foreign_exception_is_one_of_those_mapped():
    raised = {one for one in vars(aiohttp).values() if isinstance(one, type) and issubclass(one, Exception)}
    others = {one.__name__ for one in [*raised, ssl.SSLError] if not issubclass(one, FOREIGN)}
    sockets = {"WSMessageTypeError", "WebSocketError"}
    assert others <= {"BadContentDispositionHeader", "BadContentDispositionParam", "EofStream", *sockets}


@pytest.fixture(params=["memory", "disk"])
def notes(request, tmp_path):
    if request.param == "memory":
        return MemoryFrozen()
    for name in ("cp", "quarantine", "blob"):
        (tmp_path / name).mkdir()
    return FrozenFolder(Disk(), Layout(tmp_path))


def test_a_note_is_frozen_and_its_answer_kept(notes):
    assert notes.newest() == 0
    assert notes.note(18) is notes.token(18) is None
    assert notes.freeze(18, NOTE) == NOTE
    notes.save_token(18, b"answer")
    assert (notes.note(18), notes.token(18)) == (NOTE, b"answer")
    assert notes.freeze(1_234_067, NOTE) == NOTE
    assert notes.newest() == 1_234_067


def test_a_side_object_is_kept_ahead_of_its_record(notes):
    notes.keep(b"a list")
    notes.keep(b"a list")
    digest = sha256(b"a list").hexdigest()
    if isinstance(notes, MemoryFrozen):
        assert notes.blobs == {digest: b"a list"}
    else:
        assert Layout(notes.path(1).parents[1]).blob_of(digest).read_bytes() == b"a list"


def test_a_note_with_an_answer_is_never_replaced_one_without_is(notes):
    assert notes.freeze(18, b"one") == b"one"
    assert notes.freeze(18, b"two") == b"two"
    notes.save_token(18, b"answer")
    assert notes.freeze(18, b"three") == b"two"
    assert notes.note(18) == b"two"


def test_what_is_set_aside_counts_no_more(notes):
    notes.freeze(17, NOTE)
    notes.save_token(17, b"good")
    for answer in (b"junk", None):
        notes.freeze(18, NOTE)
        if answer is not None:
            notes.save_token(18, answer)
        notes.set_aside(18)
        assert notes.note(18) is notes.token(18) is None
        assert notes.newest() == 17
    notes.set_aside(19)


def test_files_lie_where_the_format_says_and_an_answer_set_aside_is_kept(tmp_path):
    for name in ("cp", "quarantine"):
        (tmp_path / name).mkdir()
    notes = FrozenFolder(Disk(), Layout(tmp_path))
    notes.freeze(1_234_067, NOTE)
    notes.save_token(1_234_067, b"junk")
    assert (tmp_path / "cp/x001/x234/067").read_bytes() == NOTE
    assert (tmp_path / "cp/x001/x234/067.tsr").stat().st_mode & 0o777 == 0o440
    notes.set_aside(1_234_067)
    digest = sha256(b"junk").hexdigest()[:8]
    assert (tmp_path / f"quarantine/1234067-{digest}.tsr").read_bytes() == b"junk"
