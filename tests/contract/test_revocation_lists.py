"""Contract of the port `RevocationLists`: one suite on the fake and on the real one."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from gateway.adapters import revocation_lists
from gateway.adapters.revocation_lists import WebRevocationLists
from gateway.errors import Unavailable
from tests.counterparts import tsa
from tests.counterparts.ports import free_port
from tests.fakes.revocation_lists import FakeRevocationLists

CONTENT = bytes(range(256)) * 40


@asynccontextmanager
async def fake(_):
    yield FakeRevocationLists(there=CONTENT), "there", "gone"


@asynccontextmanager
async def real(folder):
    with tsa.TsaServer(tsa.Authority(folder, curve=True)) as server:
        server.lists = (200, CONTENT)
        gone = f"http://127.0.0.1:{free_port()}/tsa.crl"
        yield WebRevocationLists(lambda name: folder / name), f"http://127.0.0.1:{server.port}/tsa.crl", gone


@asynccontextmanager
async def of_a_file(folder):
    (folder / "tsa.crl").write_bytes(CONTENT)
    yield WebRevocationLists(lambda name: folder / name), "tsa.crl", "other.crl"


@pytest.mark.parametrize("opened", [fake, real, of_a_file])
async def test_a_list_comes_back_byte_for_byte_and_a_missing_one_is_unavailable(tmp_path, opened):
    async with opened(tmp_path) as (lists, there, gone):
        assert await lists.fetch(there) == CONTENT
        with pytest.raises(Unavailable, match="revocation list"):
            await lists.fetch(gone)


async def test_what_is_no_list_of_a_size_we_take_is_unavailable(tmp_path, monkeypatch):
    with tsa.TsaServer(tsa.Authority(tmp_path, curve=True)) as server:
        lists, address = WebRevocationLists(lambda name: tmp_path / name), f"http://127.0.0.1:{server.port}/tsa.crl"
        for answer, why in (((404, b""), "HTTP 404"), ((302, b""), "HTTP 302"), ((200, CONTENT), "over 100 bytes")):
            server.lists = answer
            monkeypatch.setattr(revocation_lists, "BYTES_MAX", 100)
            with pytest.raises(Unavailable, match=why):
                await lists.fetch(address)
