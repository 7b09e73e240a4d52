"""`gateway check` at a real OPC UA server: a session of its own, nodes that are there, types that are others."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.adapters.opcua.check import opcua_checks
from gateway.adapters.system_clock import OsClock
from gateway.config.environment import run_checks
from tests.counterparts.opcua_asyncua import NAMESPACE, AsyncuaServer
from tests.integration.opcua_plant import address, make_plan, open_link

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


async def ask(url, plan):
    questions = opcua_checks(plan, open_link(url), name="gw-01-check", wall_ns=OsClock().now().wall_ns)
    return {one.id: (one.state, one.detail) for one in await run_checks(list(questions), seconds_each=60)}


async def test_nodes_and_types_are_told_by_their_addresses(tmp_path):
    here, gone = address("temp", NAMESPACE), address("none", NAMESPACE)
    with AsyncuaServer(tmp_path, {"temp": 21.5}) as server:
        good = await ask(server.url, make_plan([here]))
        bad = await ask(server.url, make_plan([here, gone, "path:/temp"]))
        plan = make_plan([here])
        other = await ask(server.url, replace(plan, items=(replace(plan.items[0], type="int32"),)))
    assert good["opcua-session"][0] == "ok"
    assert good["opcua-nodes"] == ("ok", "1 of 1 are there")
    assert good["opcua-types"] == ("ok", "1 of 1 have a value, of the type their profile says")
    assert bad["opcua-nodes"][0] == "failed"
    assert f"{gone} (BadNodeIdUnknown)" in bad["opcua-nodes"][1]
    assert bad["opcua-nodes"][1].endswith("Next: gateway opcua browse line1")
    assert other["opcua-types"][1].startswith(f"{here} is double, the profile says int32. Next")


async def test_a_server_that_is_not_there_is_told_once(tmp_path):
    with AsyncuaServer(tmp_path, {"temp": 21.5}) as server:
        url = server.url
    found = await ask(url, make_plan([address("temp", NAMESPACE)]))
    assert found["opcua-session"][1].startswith("no connection: connection refused. Next: is the server on")
    assert {found["opcua-nodes"], found["opcua-types"]} == {("skipped", "no session")}
