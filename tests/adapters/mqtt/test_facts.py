"""Gap facts of the link, of device counters and of the quarantine bound; foreign errors all have a mapping."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import ssl
from pathlib import Path

import paho.mqtt
import pytest

from gateway.adapters.mqtt.bounds import BYTES_A_DAY, MESSAGES_A_SECOND, QuarantineBound
from gateway.adapters.mqtt.broker_watch import DROPPED, UPTIME, BrokerWatch
from gateway.adapters.mqtt.foreign import FOREIGN, MAPPED, link_lost
from gateway.adapters.mqtt.link import MqttLink, tls_context
from gateway.adapters.mqtt.link_gaps import LinkGaps
from gateway.adapters.mqtt.route import Route, compile_route
from gateway.adapters.mqtt.sequence import HOLES_MAX, RESET_RUN, TRACKED_MAX, Sequence
from gateway.domain.plan import MqttField, MqttRoute
from gateway.domain.repeat import TransportKey, format_transport_key, parse_transport_key
from gateway.errors import SourceRefused
from gateway.ports import Fact
from tests.adapters.mqtt.tls_files import TlsFiles

SECOND = 1_000_000_000


def told(facts: list[Fact] | tuple[Fact, ...]) -> list[tuple[str, str, str | None]]:
    return [(fact.kind, fact.key, fact.recovery) for fact in facts]


def route(topic: str = "a", qos: int = 1) -> Route:
    field = MqttField(signal="D/v", address=f"{topic}#v", path="v", wire_type="number")
    return compile_route(MqttRoute(topic=topic, fields=(field,), qos_expected=qos), {})


def numbers(sequence: Sequence, *found: int) -> list[tuple[str, int, int | None, int | None, str | None]]:
    return [(f.kind, *(f.positions or (0, 0))[:1], f.missing, f.recovered, f.recovery) for f in sequence.observe(found)]


class TestSequence:
    def test_di_19_fault_32_hole_is_a_gap_with_its_edges(self) -> None:
        facts = Sequence("a", ("a#v",)).observe([5, 6, 9])
        assert told(facts) == [("gap_opened", "seq:a:7", None), ("gap_bounded", "seq:a:7", None)]
        assert facts[0].positions == (7, 8)
        assert (facts[0].missing, facts[0].cause, facts[0].addresses) == (2, "payload_sequence", ("a#v",))

    def test_late_messages_fill_it(self) -> None:
        sequence = Sequence("a", ())
        sequence.observe([5, 8])
        assert numbers(sequence, 6) == []
        assert numbers(sequence, 6) == []
        assert numbers(sequence, 7) == [("gap_closed", 6, 0, 2, "full")]
        assert numbers(sequence, 9) == []

    def test_di_19_fault_32_reset_wrap_and_replay_are_no_holes(self) -> None:
        sequence = Sequence("a", ())
        assert numbers(sequence, 254, 255, 0, 1, 2, 1, 2, 3) == []
        assert numbers(sequence, 500) != []
        assert numbers(sequence, *range(300, 310), 501) == []

    def test_counter_set_back_is_taken_after_a_run(self) -> None:
        sequence = Sequence("a", ())
        assert numbers(sequence, 10_000, *range(20, 22 + RESET_RUN)) == []
        assert numbers(sequence, 22 + RESET_RUN) == []
        assert numbers(sequence, 24 + RESET_RUN)[0][:3] == ("gap_opened", 23 + RESET_RUN, 1)

    def test_too_many_holes_close_the_oldest_and_a_huge_one_is_not_tracked(self) -> None:
        sequence = Sequence("a", ())
        last = 10 + 2 * HOLES_MAX
        assert "gap_closed" not in [fact.kind for fact in sequence.observe(range(10, last + 1, 2))]
        assert numbers(sequence, last + 2)[-1] == ("gap_closed", 11, 1, 0, "none")
        huge = Sequence("a", ()).observe([1, TRACKED_MAX + 3])
        assert [fact.kind for fact in huge] == ["gap_opened", "gap_bounded", "gap_closed"]


class TestLinkGaps:
    def test_unbroken_session_fills_the_outage(self) -> None:
        gaps = LinkGaps([route()], {})
        assert gaps.returned(session_present=False, known_before=False, first=True) == []
        assert told(gaps.silent()) == [("gap_opened", "link_down", None)]
        assert gaps.silent() == []
        assert told(gaps.returned(session_present=True, known_before=True, first=False)) == [
            ("gap_closed", "link_down", "full")
        ]

    def test_di_19_fault_22_lost_session_is_a_gap_until_the_first_reading(self) -> None:
        gaps = LinkGaps([route()], {})
        gaps.silent()
        assert told(gaps.returned(session_present=False, known_before=True, first=False)) == [
            ("gap_opened", "broker_session_lost", None),
            ("gap_closed", "link_down", "none"),
        ]
        assert told(gaps.first_reading(route())) == [
            ("gap_bounded", "broker_session_lost", None),
            ("gap_closed", "broker_session_lost", "none"),
        ]
        assert gaps.first_reading(route()) == ()

    def test_gaps_of_an_earlier_process_are_closed(self) -> None:
        before = {"link_down": "link_down", "broker_session_lost": "broker_session_lost", "seq:a:7": "payload_sequence"}
        gaps = LinkGaps([route()], before)
        assert told(gaps.returned(session_present=True, known_before=True, first=True)) == [
            ("gap_closed", "seq:a:7", "none"),
            ("gap_closed", "link_down", "full"),
        ]
        assert told(gaps.first_reading(route()))[1] == ("gap_closed", "broker_session_lost", "none")

    def test_topic_at_qos_0_loses_from_the_first_moment(self) -> None:
        gaps = LinkGaps([route("a"), route("b", qos=0)], {})
        (opened,) = gaps.cut()
        assert (opened.cause, opened.certainty, opened.addresses) == ("link_down", "possible", ("b#v",))
        gaps.returned(session_present=True, known_before=True, first=False)
        assert gaps.first_reading(route("a")) == ()
        assert told(gaps.first_reading(route("b", qos=0)))[1] == ("gap_closed", "link_down_qos0", "none")

    def test_start_after_a_stop_is_a_gap_for_qos_0_alone(self) -> None:
        (opened,) = LinkGaps([route("b", qos=0)], {}).returned(session_present=True, known_before=True, first=True)
        assert (opened.cause, opened.addresses) == ("gateway_stopped", ("b#v",))
        assert LinkGaps([route()], {}).returned(session_present=True, known_before=True, first=True) == []

    def test_di_19_fault_29_refused_topic(self) -> None:
        gaps = LinkGaps([route("a"), route("b")], {})
        (opened,) = gaps.granted([route("a"), route("b")], {"a": 0x87, "b": 1})
        assert (opened.key, opened.addresses) == ("refused:a", ("a#v",))
        assert told(gaps.granted([route("a")], {"a": 1})) == [("gap_closed", "refused:a", "none")]
        assert told(gaps.granted([route("a")], {"a": 0})) == [("gap_opened", "refused:a", None)]


class TestQuarantineBound:
    def test_more_than_the_bound_is_a_counted_gap(self) -> None:
        bound = QuarantineBound()
        assert all(bound.admit(1, SECOND) == (True, ()) for _ in range(MESSAGES_A_SECOND))
        admitted, facts = bound.admit(1, SECOND)
        assert (admitted, told(facts)) == (False, [("gap_opened", "quarantine_full", None)])
        assert bound.admit(1, SECOND) == (False, ())
        assert bound.admit(1, 2 * SECOND) == (True, ())
        assert bound.quiet(5 * SECOND) == ()
        (closed,) = bound.quiet(12 * SECOND)
        assert (closed.missing, closed.recovery) == (2, "none")
        assert bound.quiet(13 * SECOND) == ()

    def test_bytes_of_a_day(self) -> None:
        bound = QuarantineBound()
        assert bound.admit(BYTES_A_DAY, SECOND)[0]
        assert not bound.admit(1, 3 * SECOND)[0]
        assert bound.admit(1, 90_000 * SECOND)[0]


def test_every_exception_of_paho_has_a_mapping() -> None:
    found: set[type[Exception]] = set()
    for info in pkgutil.iter_modules(paho.mqtt.__path__):
        module = importlib.import_module(f"paho.mqtt.{info.name}")
        found |= {
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, Exception) and kind.__module__.startswith("paho.")
        }
    assert len(found) >= 3
    for kind in found:
        assert issubclass(kind, FOREIGN), f"{kind} has no mapping in foreign.py"
        made = kind.__new__(kind)
        assert link_lost("mqtt://x:1", made).cause


@pytest.mark.parametrize("kind", [kind for kind, _, _ in MAPPED], ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_mapping_gives_a_cause_and_a_remedy(kind: type[Exception]) -> None:
    error = link_lost("mqtts://broker:8883", kind())
    assert "mqtts://broker:8883" in error.text
    assert error.cause
    assert error.remedy


def test_tls_files_that_cannot_be_used_refuse_the_source(tmp_path: Path) -> None:
    link = MqttLink(host="h", port=1, gateway="g", client_id="c", ca=str(tmp_path / "none.pem"))
    with pytest.raises(SourceRefused, match="TLS files"):
        tls_context(link)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SourceRefused, match="TLS files"):
        tls_context(MqttLink(host="h", port=1, gateway="g", client_id="c", ca=str(tmp_path / "ca.pem")))


@pytest.mark.parametrize("topic", ["a", "env/r-204/sensor", "a//b", "/", "mqtt/1/2"])
def test_transport_key_comes_back(topic: str) -> None:
    key = TransportKey(3, 65535, "ab" * 32, topic)
    assert parse_transport_key(format_transport_key(key)) == key


@pytest.mark.parametrize("text", ["", "mqtt/x/1/ab/t", "env/a#v|1|2|num:3"])
def test_other_keys_are_no_transport_keys(text: str) -> None:
    assert parse_transport_key(text) is None


class TestBrokerWatch:
    def test_lower_uptime_is_a_restart(self) -> None:
        watch = BrokerWatch()
        assert watch.look(UPTIME, b"100 seconds", 0) is None
        assert watch.look(UPTIME, b"110 seconds", 10 * SECOND) is None
        assert watch.look(UPTIME, b"0 seconds", 20 * SECOND) == (
            "broker_restart",
            {"uptime_before_s": 110, "uptime_s": 0},
        )
        assert watch.look(UPTIME, b"10 seconds", 30 * SECOND) is None

    def test_higher_uptime_of_a_later_start_is_a_restart_too(self) -> None:
        watch = BrokerWatch()
        watch.look(UPTIME, b"5 seconds", 0)
        assert watch.look(UPTIME, b"60 seconds", 1000 * SECOND) is not None

    def test_di_08_rising_drop_counter_is_a_possible_gap(self) -> None:
        watch = BrokerWatch()
        assert watch.look(DROPPED, b"7", 0) is None
        assert watch.look(DROPPED, b"9", 1) == ("broker_dropped", {"dropped": 2})
        assert watch.look(DROPPED, b"none", 2) is None

    def test_suspicion_stands_open_until_the_next_reading(self) -> None:
        gaps = LinkGaps([route()], {})
        (opened,) = gaps.suspected("broker_restart", {"uptime_s": 0})
        assert (opened.certainty, opened.addresses) == ("possible", ())
        assert gaps.suspected("broker_restart", {"uptime_s": 0}) == []
        assert told(gaps.first_reading(route()))[1] == ("gap_closed", "broker_restart", "none")


def test_key_in_memory_is_used_as_a_key_file(tmp_path: Path) -> None:
    files = TlsFiles.make(tmp_path / "tls")
    shared = {
        "host": "h",
        "port": 1,
        "gateway": "g",
        "client_id": "c",
        "ca": str(files.ca),
        "certificate": str(files.client),
    }
    assert tls_context(MqttLink(**shared, key=str(files.client_key))) is not None
    context = tls_context(MqttLink(**shared, key_pem=files.client_key.read_bytes()))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    with pytest.raises(SourceRefused, match="TLS files"):
        tls_context(MqttLink(**shared, key_pem=files.broker_key.read_bytes()))
    assert tls_context(MqttLink(**shared | {"tls": False})) is None
