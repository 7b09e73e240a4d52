"""The OPC UA source against an asyncua server: a second opinion, never the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.counterparts.opcua_asyncua import NAMESPACE, AsyncuaServer
from tests.fakes.inlet import FakeInlet
from tests.integration.opcua_plant import address, make_plan, number, open_link, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


async def test_di_02_values_of_another_makers_server_arrive_in_order(tmp_path: Path) -> None:
    with AsyncuaServer(tmp_path, {"T": 100.0}, bump_ms=50) as server:
        inlet = FakeInlet()
        name = address("T", NAMESPACE)
        async with running(open_link(server.url), make_plan([name], sampling_ms=10), inlet) as source:
            await inlet.until_values(40)
            assert source.state == "recording"
        values = [number(sample.raw.value) for sample in inlet.samples]
        assert values == sorted(set(values))
        assert values[-1] - values[0] == len(values) - 1
        assert not [fact for fact in inlet.facts if fact.kind.startswith("gap")]


@pytest.mark.fault
async def test_di_19_another_makers_server_killed_is_a_gap_without_history(tmp_path: Path) -> None:
    with AsyncuaServer(tmp_path, {"T": 100.0}, bump_ms=50) as server:
        inlet = FakeInlet()
        name = address("T", NAMESPACE)
        async with running(open_link(server.url), make_plan([name], sampling_ms=10), inlet):
            await inlet.until_values(20)
            server.kill()
            server.start()
            opened = await inlet.until_fact("gap_opened", "server_restart", 40)
            closed = await inlet.until_fact("gap_closed", "server_restart", 40)
            before = len(inlet.samples)
            await inlet.until_values(before + 10)
        assert (closed.key, closed.recovery) == (opened.key, "none")
