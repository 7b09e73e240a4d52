"""Plain runs: whatever arrives together gives the parcels, window and counts that one message after the other gives."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.mqtt.intake import MessageIntake
from gateway.adapters.mqtt.link_gaps import LinkGaps
from gateway.adapters.mqtt.publish import Arrival
from gateway.adapters.mqtt.route import compile_plan
from gateway.adapters.mqtt.window import Repeats, Window
from gateway.domain.plan import MqttField, MqttPlan, MqttRoute, TimeRule
from gateway.ports import Moment, Outcome, Parcel, Resume

NOON_NS = 1_795_262_400_000_000_000
ISO = TimeRule(path="at", format="iso8601")
PAYLOAD_BYTES_MAX = 400


def field(topic: str, name: str, wire_type: str = "number") -> MqttField:
    return MqttField(signal=f"D/{name}", address=f"{topic}#{name}", path=name, wire_type=wire_type)


PLAN = MqttPlan(
    source="line1",
    routes=(
        MqttRoute(topic="a", time=ISO, sequence="n", fields=(field("a", "t"),)),
        MqttRoute(topic="b", time=ISO, fields=(field("b", "t"), field("b", "s", "string"))),
        MqttRoute(topic="c", format="text", fields=(field("c", "@"),)),
        MqttRoute(topic="d", records="d", dedupe=("n",), time=ISO, fields=(field("d", "t"),), retained="refuse"),
        MqttRoute(topic="e", partial=True, qos_expected=0, fields=(field("e", "t"), field("e", "u"))),
    ),
    watch=("#",),
)
TEXTS = st.one_of(
    st.builds(
        '{{"n":{},"at":"2026-11-21T12:00:{:02d}Z","t":{},"s":{}}}'.format,
        st.integers(0, 12),
        st.integers(0, 61),
        st.sampled_from(["1", "20.5", "-0", "1e9", "NaN", "null", "true", '"x"', "[1]", "1" * 101]),
        st.sampled_from(['"ok"', '"\\ud800"', "1", "{}"]),
    ),
    st.sampled_from(['{"d":[{"n":1,"t":2},{"n":1,"t":2}]}', '{"d":1}', "[]", "[{}]", "{}", "", "{", "21.5", "x" * 401]),
    st.builds('{{"t":{},"t":1}}'.format, st.integers(0, 3)),
)
ARRIVALS = st.lists(
    st.builds(
        Arrival,
        topic=st.sampled_from([b"a", b"a", b"b", b"c", b"d", b"e", b"unknown", b"$SYS/broker/uptime"]),
        mid=st.integers(1, 6),
        qos=st.sampled_from([1, 1, 1, 0]),
        dup=st.sampled_from([False, False, False, True]),
        retain=st.sampled_from([False, False, False, True]),
        ids=st.sampled_from([(), (1,), (6,)]),
        payload=TEXTS.map(lambda text: text.encode(errors="surrogatepass")),
        moment=st.builds(lambda s: Moment(NOON_NS + s * 10**9, 5, s * 10**9, 5), st.integers(0, 50)),
    ),
    max_size=14,
)


class Side:
    """One intake with its window; what it says of all messages can be compared with another's."""

    def __init__(self) -> None:
        routes = compile_plan(PLAN)
        self.counts: Counter[str] = Counter()
        self.repeats = Repeats(20, (), 1)
        gaps = LinkGaps(routes.values(), {"link_down": "link_down"})
        gaps.returned(session_present=False, known_before=True, first=True)
        self.window = Window(self.repeats, lambda: None, lambda: None)
        self.messages = MessageIntake(
            PLAN, routes, Resume(incarnation=1), self.repeats, gaps, self.counts, PAYLOAD_BYTES_MAX
        )
        self.messages.fresh = set(routes)
        self.parcels: list[Parcel] = []

    def told(self) -> list[object]:
        return [msgspec.structs.replace(one, settle=repr) for one in self.parcels]

    def end(self) -> tuple[bytes, Counter[str], set[str]]:
        for one in self.parcels:
            one.settle(Outcome.COMMITTED)
        return self.window.take_acks(), self.counts, self.messages.stale


@given(ARRIVALS, st.integers(1, 14))
def test_di_05_a_run_is_read_as_one_message_after_the_other(arrivals: list[Arrival], piece: int) -> None:
    single, run = Side(), Side()
    for arrival in arrivals:
        parcel = single.messages.parcel(arrival, single.window)
        if parcel is not None:
            single.parcels.append(parcel)
    for start in range(0, len(arrivals), piece):
        run.parcels += run.messages.parcels(arrivals[start : start + piece], run.window)
    assert run.told() == single.told()
    assert run.end() == single.end()
