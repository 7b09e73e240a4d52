"""The OPC UA source against a real node-opcua server, through a proxy that breaks the link on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.counterparts.node_opcua import NodeOpcua
from tests.fakes.inlet import FakeInlet
from tests.integration.opcua_plant import counted, lost, make_plan, running, secure_link

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

RAMPS = [{"name": "A", "index": 1, "period_ms": 50}, {"name": "B", "index": 2, "period_ms": 70}]
VARIABLES = [{"name": "A", "history": True}, {"name": "B", "history": True}]


async def test_di_02_values_of_a_secured_session_arrive_in_order_and_are_acknowledged(tmp_path: Path) -> None:
    with NodeOpcua(tmp_path, VARIABLES, ramps=RAMPS) as server:
        inlet = FakeInlet()
        async with running(secure_link(server.url, server.identity), make_plan(["A", "B"]), inlet) as source:
            await inlet.until_values(60)
            assert source.state == "recording"
        ks = counted(inlet, "A")
        assert ks == sorted(set(ks))
        assert not lost(ks)
        assert inlet.samples[0].flags == ("initial",)
        assert not [fact for fact in inlet.facts if fact.kind.startswith("gap")]
