"""Real input on the real process: the 22,695 readings of the failing machine, over MQTT and OPC UA, at full speed."""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from gateway.ledger.records import Delivery, Deviation, Excursion, Reading
from tests.counterparts.asyncua_server import AsyncuaServer
from tests.counterparts.gateway_process import NODE, ROOT, GatewayProcess, machine_mqtt, machine_opcua
from tests.counterparts.mosquitto import Mosquitto
from tests.counterparts.mqtt_load import Sender, publish_packet
from tests.counterparts.qms import SECRET, Qms
from tests.integration.nab import RULES, naive_excursions, read_points, read_windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from gateway.ledger.records import Record
    from tests.integration.nab import Point

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MACHINE = "press-1"
END_S = 1_392_823_500
"""The last reading, 2014-02-19T15:25:00Z."""
TOPIC = f"machine/{MACHINE}/temperature"


def until(done: Callable[[], object], what: str, seconds: float = 90.0) -> None:
    """Wait until `done` is true; a deadline, not a measure."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)


class Feed(NamedTuple):
    """A plant of one device: its blocks of the configuration, and what sends its readings."""

    connections: dict[str, Any]
    devices: dict[str, Any]
    send: Callable[[GatewayProcess], None]
    profiles: Path = ROOT / "device_profiles"


@contextmanager
def over_mqtt(folder: Path, points: list[Point]) -> Iterator[Feed]:
    """A real Mosquitto; a load of two thousand messages on their way at any time."""
    with Mosquitto(folder / "broker", conf="max_queued_messages 0\nmax_inflight_messages 0") as broker:

        def send(_: GatewayProcess) -> None:
            packets = [
                publish_packet(TOPIC, f'{{"n":{n},"at":"{point.at}","t":{point.value}}}'.encode(), (n - 1) % 65_535 + 1)
                for n, point in enumerate(points, 1)
            ]
            sender = Sender(broker.port)
            sender.send(packets, window=2_000, rate=0)
            sender.close()

        yield Feed(
            {"plant": {"mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}", "watch": ["machine/#"]}}},
            {"MCH-1-T": machine_mqtt(MACHINE)},
            send,
        )


@contextmanager
def over_opcua(folder: Path, points: list[Point]) -> Iterator[Feed]:
    """A real asyncua server; the first reading is the initial value, the others are written as fast as it takes them."""
    profiles = folder / "profiles"
    shutil.copytree(ROOT / "device_profiles", profiles)
    profile = profiles / "generic" / "opcua-machine-temperature" / "profile.yaml"
    # eleven weeks arrive within seconds: the queue at the server is as long as they are
    text = profile.read_text().replace("{expected_s: 300}", "{expected_s: 300, queue: 30000}")
    profile.write_text(
        text.replace("namespace: 'urn:example:machine'", "namespace: 'urn:example:machine', publishing_ms: 50")
    )
    story = [(float(point.value), point.source_ns) for point in points]
    with AsyncuaServer(folder / "server", "urn:example:machine", f"{MACHINE}.Temperature", story) as server:

        def send(gateway: GatewayProcess) -> None:
            until(lambda: gateway.readings() >= 1, "the initial value is recorded")
            server.tell()

        yield Feed(
            {"line": {"opcua": {"url": server.url, "policy": "None", "mode": "None"}}},
            {"MCH-1-T": machine_opcua(MACHINE)},
            send,
            profiles,
        )


def check_readings(readings: list[Reading], points: list[Point]) -> None:
    """Each point exactly once: source time and value as typed; the signal's own count has no hole."""
    assert Counter((one.source_ns, Decimal(str(one.value))) for one in readings) == Counter(
        (point.source_ns, Decimal(repr(float(point.value)))) for point in points
    )
    assert [one.n for one in readings] == list(range(1, len(points) + 1))


def raised(records: list[Record]) -> set[str]:
    """Ids of the excursions of a ledger."""
    return {one.excursion for one in records if isinstance(one, Excursion) and one.event == "raised"}


def told(qms: Qms) -> dict[str, set[str]]:
    """Deviation → the excursions that its events name; every event's signature held."""
    assert qms.refused == []
    found: dict[str, set[str]] = defaultdict(set)
    for event in qms.events:
        if event["subject"].startswith("deviation/"):
            found[event["subject"]].update(one["id"] for one in event["data"]["excursions"])
    return found


def replay(
    folder: Path, points: list[Point], over: Callable[[Path, list[Point]], AbstractContextManager[Feed]]
) -> tuple[list[Record], dict[str, set[str]]]:
    """Send all into `gateway run` with a batch open; return the ledger and what the QMS took."""
    with over(folder, points) as feed, Qms() as qms:
        gateway = GatewayProcess(
            folder / "gw",
            connections=feed.connections,
            devices=feed.devices,
            limits=RULES,
            sinks={"main": qms.sink},
            profiles=feed.profiles,
        )
        gateway.keep_secret("qms", SECRET)
        gateway.set_up()
        with gateway:
            gateway.wait_recording()
            gateway.batch("start", "B-1", "--equipment", NODE, "--at", points[0].at)
            feed.send(gateway)
            until(lambda: gateway.readings() >= len(points), "every reading is recorded")
            until(
                lambda: raised(gateway.records()) == set().union(*told(qms).values()), "every excursion reached the QMS"
            )
            gateway.batch("end", "B-1")
            bundle = folder / "B-1.zip"
            gateway.batch("bundle", "B-1", "-o", str(bundle))
        assert "VERIFIED" in gateway.run("verify", str(bundle))
        gateway.verified()
        return gateway.records(), told(qms)


def check_delivery(records: list[Record], delivered: dict[str, set[str]]) -> None:
    """Each excursion is in exactly one deviation, in the ledger and at the QMS, and the QMS confirmed each one."""
    named = {one.deviation: set(one.excursions) for one in records if isinstance(one, Deviation)}
    assert Counter(x for excursions in named.values() for x in excursions) == Counter(raised(records))
    assert delivered == {f"deviation/{name}": excursions for name, excursions in named.items()}
    receipts = {one.object.id for one in records if isinstance(one, Delivery) and one.event == "receipt"}
    assert receipts == set(named)


def check_onsets(records: list[Record], points: list[Point]) -> list[int]:
    """Judged as they came, the readings that began an excursion are among those of the naive model; their source times."""
    check_readings([one for one in records if isinstance(one, Reading)], points)
    onsets = [records[one.first].source_ns for one in records if isinstance(one, Excursion) and one.event == "raised"]
    # breaches that begin in messages of one and the same moment have one onset: they are one excursion
    assert set(onsets) <= {t0 for t0, _ in naive_excursions(points, live=True)}
    assert onsets
    return onsets


@pytest.mark.slow
@pytest.mark.req("QM-01")
def test_di_07_the_failing_machine_over_mqtt_keeps_its_times_of_2013(tmp_path: Path) -> None:
    """A clock that stands before 2020 was never set, so limits are judged at received time and source times stay."""
    points = read_points()
    assert len(points) == 22_695
    records, delivered = replay(tmp_path, points, over_mqtt)
    onsets = check_onsets(records, points)
    for first, last in read_windows():
        assert any(first <= onset <= last for onset in onsets), "a labelled failure shows no excursion"
    check_delivery(records, delivered)


@pytest.mark.slow
@pytest.mark.req("QM-01")
def test_di_07_the_failing_machine_over_opcua_keeps_its_times_of_2013(tmp_path: Path) -> None:
    """As over MQTT; days that arrive in one notification are one moment, so a failure may hide in its neighbour's."""
    points = read_points()
    records, delivered = replay(tmp_path, points, over_opcua)
    check_onsets(records, points)
    check_delivery(records, delivered)


@pytest.mark.req("AL-01")
def test_qm_01_the_failing_machine_as_a_buffer_of_yesterday_is_judged_at_its_own_times(tmp_path: Path) -> None:
    """Moved on to end yesterday, the same readings come from a device's buffer and count at their source time."""
    later_s = (int(time.clock_gettime(time.CLOCK_REALTIME)) - 86_400 - END_S) // 300 * 300
    points = read_points(later_s)
    records, delivered = replay(tmp_path, points, over_mqtt)
    readings = [one for one in records if isinstance(one, Reading)]
    check_readings(readings, points)
    assert {(one.provenance, one.from_) for one in readings} == {("historical", "device_buffer")}
    onset = {one.excursion: one.t0_ns for one in records if isinstance(one, Excursion) and one.event == "raised"}
    back = {one.excursion: one.t1_ns for one in records if isinstance(one, Excursion) and one.event == "returned"}
    assert [(t0, back.get(name)) for name, t0 in onset.items()] == naive_excursions(points)
    for first, last in read_windows(later_s):
        assert any(first <= t0 <= last for t0 in onset.values()), "a labelled failure shows no excursion"
    check_delivery(records, delivered)
    assert all(len(excursions) == 1 for excursions in delivered.values()), "they are hours apart: none joins another"
