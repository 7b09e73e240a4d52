"""InfluxDB targets: real servers and a fault server; down then up loses nothing, a replay gives equal counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from gateway.adapters.cursor_file import CursorFile
from gateway.adapters.influx import InfluxSink, InfluxTarget, named_lines
from gateway.adapters.system_clock import OsClock
from gateway.pipeline.influx_lines import LineWriter
from gateway.pipeline.influx_syntax import SignalTags
from gateway.pipeline.line_sender import LineSender
from gateway.pipeline.projector import Projector
from tests.counterparts.fault_server import Fault, FaultServer
from tests.counterparts.influxd import Influxd
from tests.counterparts.victoria import Victoria
from tests.fakes.journal import FakeJournal
from tests.fakes.projection import CountedReadings
from tests.pipeline.test_influx_lines import reading

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.ledger.records import Record
    from tests.fakes.projection import FakeTarget

pytestmark = pytest.mark.integration

ORIGIN = "acme.example/basel/gw-01"
T0 = 1_795_316_480_000_000_000
LINES = [b"reading,signal=A value=1 1", b"reading,signal=A value=2 2", b"reading,signal=A value=3 3"]


def story(count: int) -> list[Record]:
    """Readings of two signals, each tenth at a time that was there before."""
    records = []
    for n in range(count):
        at = n - 1 if n % 10 == 9 else n
        signal = "FRZ-01/temp" if n % 2 else "FRZ-01/door open, left"
        value = n / 8 if n % 2 else bool(n % 3)
        records.append(reading(signal=signal, source_ns=T0 + at * 1_000_000_000, value=value, n=n + 1))
    return records


class Line:
    """A projector of a story into a target, with its cursor in a folder; time passes a hundred times as fast."""

    def __init__(self, sink: InfluxSink | FakeTarget, folder: Path, records: list[Record]) -> None:
        self.journal = FakeJournal(records)
        self.file = CursorFile(folder, "main")
        times = [(one.signal, one.source_ns) for one in records]
        writer = LineWriter(
            "gw-01", lambda _s, _c: SignalTags("FRZ-01", "R 1", "Cel"), CountedReadings(times), lambda _: 1
        )
        self.sender = LineSender("main", sink, self.file, OsClock(), lambda: 0.5, _fast)
        self.projector = Projector("main", ORIGIN, sink, writer, self.journal, self.file, self.sender, _fast)

    async def run(self) -> None:
        """Until everything is written."""
        task = asyncio.get_running_loop().create_task(self.projector.run())
        self.journal.end()
        await asyncio.wait_for(task, 60)


async def _fast(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_di_19_influxd_down_then_up_loses_nothing_and_replay_gives_equal_counts(tmp_path: Path, api: str) -> None:
    server = Influxd(tmp_path / "server", user="gw", password="word")
    with contextlib.ExitStack() as stack:
        stack.enter_context(server)
        server.create_database("plant")
        url = stack.enter_context(server.v2_shim()) if api == "v2" else server.url
        target = InfluxTarget(url=url, api=api, bucket="plant/autogen", user="gw", password="word")
        records = story(600)
        async with InfluxSink(target, OsClock()) as sink:
            server.stop()
            line = Line(sink, tmp_path, records)
            task = asyncio.get_running_loop().create_task(line.projector.run())
            await asyncio.sleep(0.3)
            assert line.file.load() is None
            assert line.projector.report().failing_since_ns is not None
            await asyncio.to_thread(server.start)
            line.journal.end()
            await asyncio.wait_for(task, 60)
            assert counts(server) == 600
            assert line.file.load().next_index == 600
            line.file.forget()
            await Line(sink, tmp_path, records).run()
            assert counts(server) == 600
        rows = server.query("SELECT value, value_bool, ledger_index, copy FROM reading", "plant")
        by_index = {row["ledger_index"]: row for row in rows}
        assert by_index[7]["value"] == 7 / 8
        assert by_index[8]["value_bool"] is True
        assert len(by_index) == 600


def counts(server: Influxd) -> int:
    rows = server.query("SELECT COUNT(ledger_index) FROM reading GROUP BY *", "plant")
    return sum(row["count"] for row in rows)


async def test_victoria_metrics_takes_the_official_client_s_writes(tmp_path: Path) -> None:
    with Victoria(tmp_path / "server") as server:
        target = InfluxTarget(url=server.url, api="v2", bucket="b", org="o", token="t")
        async with InfluxSink(target, OsClock()) as sink:
            await Line(sink, tmp_path, story(200)).run()
        series = server.export('{__name__=~"reading_ledger_index"}')
        assert sum(len(one["values"]) for one in series) == 200
        assert {one["metric"]["equipment"] for one in series} == {"FRZ-01"}


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_influxd_refuses_a_wrong_password_and_a_missing_database_with_stop(tmp_path: Path, api: str) -> None:
    with Influxd(tmp_path, user="gw", password="word") as server, server.v2_shim() as shim:
        url = shim if api == "v2" else server.url
        server.create_database("plant")
        for change, status in (({"password": "other"}, 401), ({"bucket": "nothing/autogen"}, 404)):
            facts = {"url": url, "api": api, "bucket": "plant/autogen", "user": "gw", "password": "word"} | change
            async with InfluxSink(InfluxTarget(**facts), OsClock()) as sink:
                answer = await sink.write(LINES)
            assert (answer.verdict, answer.status) == ("stop", status), answer.body


async def test_influxd_names_the_line_it_cannot_read_and_we_bury_only_that(tmp_path: Path) -> None:
    with Influxd(tmp_path / "server") as server:
        server.create_database("plant")
        async with InfluxSink(InfluxTarget(url=server.url, api="v1", bucket="plant"), OsClock()) as sink:
            answer = await sink.write([LINES[0], b"reading,signal=A value= 2", LINES[2]])
            assert (answer.verdict, answer.bad_lines) == ("refused", (1,)), answer.body


@pytest.mark.parametrize("api", ["v1", "v2", "v3"])
@pytest.mark.parametrize(
    ("fault", "verdict", "retry_after"),
    [
        (Fault(204), "ok", None),
        (Fault(200), "ok", None),
        (Fault(400, b'{"message":"bad"}'), "refused", None),
        (Fault(401), "stop", None),
        (Fault(403), "stop", None),
        (Fault(404), "stop", None),
        (Fault(413), "too_large", None),
        (Fault(429, headers=("Retry-After: 7",)), "retry", 7.0),
        (Fault(503), "retry", None),
        (Fault(500, b"broken", cut=True), "retry", None),
    ],
)
async def test_answers_are_mapped_by_the_table(api: str, fault: Fault, verdict: str, retry_after: float | None) -> None:
    async with FaultServer(fault) as server:
        target = InfluxTarget(url=server.url, api=api, bucket="db", org="o", token="t")
        async with InfluxSink(target, OsClock()) as sink:
            answer = await sink.write(LINES)
        assert (answer.verdict, answer.retry_after_s) == (verdict, retry_after), answer
        assert server.bodies[0].rstrip(b"\n") == b"\n".join(LINES), "the same bytes for every version"


async def test_versions_differ_only_in_route_and_credentials() -> None:
    wanted = {
        "v1": ("/write?db=db&precision=ns", "authorization: Token t"),
        "v2": ("/api/v2/write?org=o&bucket=db&precision=ns", "authorization: Token t"),
        "v3": (
            "/api/v3/write_lp?db=db&precision=nanosecond&accept_partial=true&no_sync=false",
            "authorization: Bearer t",
        ),
    }
    for api, (route, credentials) in wanted.items():
        async with FaultServer() as server:
            target = InfluxTarget(url=server.url, api=api, bucket="db", org="o", token="t")
            async with InfluxSink(target, OsClock()) as sink:
                await sink.write(LINES)
            assert server.heads[0].split(" ")[1] == route
            assert credentials.lower() in server.heads[0].lower()


async def test_slow_is_a_timeout_and_nobody_there_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.adapters.influx.TIMEOUT_S", 0.2)
    for api in ("v1", "v2"):
        async with FaultServer(Fault(slow_s=5)) as server:
            target = InfluxTarget(url=server.url, api=api, bucket="db", org="o", token="t")
            async with InfluxSink(target, OsClock()) as sink:
                assert (await sink.write(LINES)).verdict == "retry"
        async with InfluxSink(target, OsClock()) as sink:
            assert (await sink.write(LINES)).verdict == "retry"


async def test_a_story_through_every_fault_arrives_whole(tmp_path: Path) -> None:
    faults = [Fault(503), Fault(429, headers=("Retry-After: 1",)), Fault(413), Fault(500, cut=True), Fault(503)]
    async with FaultServer(*faults) as server:
        target = InfluxTarget(url=server.url, api="v3", bucket="db", token="t")
        async with InfluxSink(target, OsClock()) as sink:
            await Line(sink, tmp_path, story(90)).run()
        settled = [line for body in server.bodies[4:] for line in body.splitlines()]
        assert len(set(settled)) == 90


def test_lines_are_named_by_number_or_by_text() -> None:
    v3 = {
        "error": "partial write of line protocol occurred",
        "data": [{"original_line": "x", "line_number": 2, "error_message": "m"}],
    }
    assert named_lines(json.dumps(v3), LINES) == (1,)
    v1 = {"error": "partial write: unable to parse 'reading,signal=A value=3 3': missing fields dropped=0"}
    assert named_lines(json.dumps(v1), LINES) == (2,)
    assert named_lines('{"error":"field type conflict dropped=1"}', LINES) == ()
    assert named_lines("not JSON", LINES) == ()


def test_the_fingerprint_is_of_address_database_and_layout_and_of_no_secret() -> None:
    def fingerprint(**changes: str) -> str:
        facts = {"url": "http://a", "api": "v2", "bucket": "b", "org": "o", "token": "t"} | changes
        return InfluxSink(InfluxTarget(**facts), OsClock()).fingerprint

    assert fingerprint(token="other") == fingerprint(url="http://a/") == fingerprint()
    changes = [{"url": "http://b"}, {"api": "v1"}, {"bucket": "c"}, {"org": "p"}]
    assert len({fingerprint(), *(fingerprint(**change) for change in changes)}) == 5
