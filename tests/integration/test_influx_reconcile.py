"""`influx status --reconcile`: what InfluxDB says it holds against the ledger, by signal and day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.adapters.cursor_file import CursorFile
from gateway.adapters.influx import InfluxSink, InfluxTarget
from gateway.adapters.influx_counts import count_readings
from gateway.adapters.system_clock import OsClock
from gateway.cli.influx_reconcile import count_ledger, reconcile
from gateway.cli.influx_replay import replay_range
from gateway.errors import Unavailable
from tests.counterparts.fault_server import Fault, FaultServer
from tests.counterparts.gateway_process import GatewayProcess
from tests.counterparts.influxd import Influxd
from tests.fakes.log import NOON_NS
from tests.integration.test_influx import ORIGIN, story
from tests.integration.test_influx_replay import tags, write_ledger

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

DAY = "2026-10-25"
SPAN = (NOON_NS, NOON_NS + 86_400_000_000_000)


async def test_di_19_influxd_holds_what_the_ledger_has_and_a_lost_point_is_named_by_signal_and_day(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "ledger"
    write_ledger(ledger, story(120))
    with Influxd(tmp_path / "server", user="gw", password="word") as server:
        server.create_database("plant")
        target = InfluxTarget(url=server.url, api="v1", bucket="plant/autogen", user="gw", password="word")
        async with InfluxSink(target, OsClock()) as sink:
            store = CursorFile(tmp_path, "main")
            await replay_range("main", sink, store, ledger, ORIGIN, "gw-01", tags)
        ours = count_ledger(ledger, 120)
        held = await count_readings(target, None, "gw-01", ours.from_ns, ours.to_ns)
        same = reconcile("main", ours.counts, ours.counts, held)
        assert same.lines() == ["main  ledger 120, InfluxDB 120"]
        assert await count_readings(target, None, "other", ours.from_ns, ours.to_ns) == {}
        (signal, day), count = next(iter(sorted(held.items())))
        held[signal, day] -= 1
        found = reconcile("main", ours.counts, ours.counts, held)
        assert found.lines() == [
            "main  ledger 120, InfluxDB 119",
            f"  {day}  {signal}  ledger {count:,}, InfluxDB {count - 1:,}",
            "  fix: gateway influx replay main",
        ]
        wrong = InfluxTarget(url=server.url, api="v1", bucket="plant", user="gw", password="other")
        with pytest.raises(Unavailable, match="answers 401"):
            await count_readings(wrong, None, "gw-01", *SPAN)
        missing = InfluxTarget(url=server.url, api="v1", bucket="none", user="gw", password="word")
        with pytest.raises(Unavailable, match="database not found"):
            await count_readings(missing, None, "gw-01", *SPAN)


async def test_v2_is_asked_in_flux_and_v3_in_sql() -> None:
    rows = [{"signal": "A/t", "day": f"{DAY}T00:00:00", "n": 3}, {"signal": "B/t", "day": f"{DAY}T00:00:00", "n": 0}]
    flux = (
        f",result,table,_time,_value,signal\r\n,_result,0,{DAY}T00:00:00Z,2,A/t\r\n\r\n"
        f",result,table,_time,_value,signal\r\n,_result,1,{DAY}T12:00:00Z,1,A/t\r\n,_result,1,{DAY}T12:00:00Z,4,B/t\r\n"
    )
    async with FaultServer(Fault(200, flux.encode()), Fault(200, json.dumps(rows).encode())) as server:
        v2 = InfluxTarget(url=server.url, api="v2", bucket='b"${x}', org="o", token="t")
        assert await count_readings(v2, None, "gw-01", *SPAN) == {("A/t", DAY): 3, ("B/t", DAY): 4}
        v3 = InfluxTarget(url=server.url, api="v3", bucket="plant", token="t")
        assert await count_readings(v3, None, "gw-01", *SPAN) == {("A/t", DAY): 3}
        first, second = server.heads
        assert parse_qs(urlsplit(first.split(" ")[1]).query) == {"org": ["o"]}
        assert server.bodies[0].startswith(b'from(bucket: "b\\"\\${x}") |> range(start: 2026-10-25T00:30:00Z, stop: ')
        assert "authorization: token t" in first.lower()
        assert "authorization: bearer t" in second.lower()
        assert json.loads(server.bodies[1])["db"] == "plant"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(403, b"no"), "answers 403: no"),
        (Fault(200, b"<html>"), "in no form of InfluxDB v3"),
        (Fault(200, b"[", cut=True), "payload is not completed"),
    ],
)
async def test_a_target_that_cannot_say_is_no_difference(fault: Fault, says: str) -> None:
    async with FaultServer(fault) as server:
        target = InfluxTarget(url=server.url, api="v3", bucket="plant", token="t")
        with pytest.raises(Unavailable, match=says) as refused:
            await count_readings(target, None, "gw-01", *SPAN)
    assert refused.value.exit_code == 69


def test_a_target_that_is_being_written_to_differs_from_neither_end() -> None:
    before, after = {("A", DAY): 10}, {("A", DAY): 12, ("B", DAY): 1}
    assert reconcile("m", before, after, {("A", DAY): 11}).differences == ()
    assert reconcile("m", before, after, {("A", DAY): 13}).differences[0].influxdb == 13
    strange = reconcile("m", before, after, {("A", DAY): 12, ("C", DAY): 5})
    assert [(one.signal, one.ledger, one.influxdb) for one in strange.differences] == [("C", 0, 5)]
    many = reconcile("m", {}, {}, {("A", f"d{n:02}"): 1 for n in range(25)})
    assert "  and 5 more days" in many.lines()


def test_the_command_says_both_sides_and_ends_with_69_when_nobody_answers(tmp_path: Path) -> None:
    with Influxd(tmp_path / "server") as server:
        server.create_database("plant")
        sink = {"influxdb": {"url": server.url, "api": "v1", "bucket": "plant"}}
        gateway = GatewayProcess(tmp_path / "gw", connections={}, devices={}, sinks={"trends": sink})
        gateway.set_up()
        words = ("influx", "status", "trends", "--reconcile", "--config", str(gateway.config))
        assert gateway.run(*words).splitlines()[1] == "trends  ledger 0, InfluxDB 0"
        told = json.loads(gateway.run(*words, "--json"))
        assert told["reconciled"] == {"ledger": 0, "influxdb": 0, "differences": []}
        assert "there are trends" in gateway.run("influx", "status", "trend", "--config", str(gateway.config), code=2)
    assert f"error: {server.url}: connection refused\nfix: is it on" in gateway.run(*words, code=69)
