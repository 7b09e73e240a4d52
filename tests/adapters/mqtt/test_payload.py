"""Cutting messages: every value as typed, one bad record alone is bad, and what cannot be read goes to quarantine whole."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.mqtt.json_payload import DEPTH_MAX, Unreadable, format_tree, parse_json
from gateway.adapters.mqtt.payload import Cut, Quarantined, Receipt, cut
from gateway.adapters.mqtt.route import Route, compile_plan, compile_route
from gateway.domain.plan import MqttField, MqttPlan, MqttRoute, TimeRule
from gateway.domain.sample import ABSENT, Raw, Sample
from gateway.errors import SourceRefused

RECEIPT = Receipt(1_795_332_300_290_000_000, 77)
TOPIC = "env/r-204/sensor"


def field(path: str, wire_type: str = "number", **more: Any) -> MqttField:
    return MqttField(signal=f"D/{path}", address=f"{TOPIC}#{path}", path=path, wire_type=wire_type, **more)


def route(*fields: MqttField, codecs: Any = None, **more: Any) -> Route:
    return compile_route(MqttRoute(topic=TOPIC, fields=fields or (field("t"),), **more), codecs or {})


def cut_of(content: bytes, made: Route | None = None) -> Cut | Quarantined:
    return cut(made or route(), content, RECEIPT, payload_bytes_max=262_144)


def samples(content: bytes, made: Route | None = None) -> tuple[Sample, ...]:
    found = cut_of(content, made)
    assert isinstance(found, Cut), found
    return found.samples


def raws(content: bytes, *fields: MqttField, **more: Any) -> list[Raw]:
    return [one.raw for one in samples(content, route(*fields, **more))]


BAD = [
    ("too_large", b'{"t":"' + b"x" * 262_144 + b'"}'),
    ("not_utf8", b"\xef\xbb\xbf" + b'{"t":1}'),
    ("not_utf8", b'{"t":"\xff"}'),
    ("not_utf8", '{"t":1}'.encode("utf-16")),
    ("not_utf8", b'{"t":"\\ud800"}'),
    ("not_json", '{"t":1}'.encode("utf-16-le")),
    ("not_json", b""),
    ("not_json", b"   "),
    ("not_json", b'{"t":21.'),
    ("not_json", b'{"t":21} x'),
    ("not_json", b"{'t':21}"),
    ("not_json", b'{"t":01}'),
    ("not_json", b'{"t":+1}'),
    ("not_json", b'{"t":.5}'),
    ("not_json", gzip.compress(b'{"t":1}')),
    ("duplicate_key", b'{"t":1,"t":2}'),
    ("duplicate_key", b'{"t":1,"x":{"a":1,"b":1,"a":1}}'),
    ("not_finite", b'{"t":NaN}'),
    ("not_finite", b'{"t":1,"x":[-Infinity]}'),
    ("too_deep", b'{"t":1,"x":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}"),
    ("too_deep", b"[" * 100_000 + b"]" * 100_000),
    ("too_long", b'{"t":' + b"9" * 5000 + b"}"),
    ("too_long", b'{"t":1,"x":0.' + b"1" * 100 + b"}"),
    ("too_many", json.dumps([{"t": 1}] * 10_001).encode()),
    ("no_binding", b"[]"),
]


@pytest.mark.parametrize(("reason", "content"), BAD)
def test_di_19_fault_26_bytes_that_cannot_be_read_are_quarantined(reason: str, content: bytes) -> None:
    found = cut_of(content)
    assert isinstance(found, Quarantined)
    assert found.reason == reason


def test_no_binding_when_the_records_are_elsewhere_or_nothing_declared_is_in_a_partial_message() -> None:
    assert cut_of(b'{"t":1}', route(records="data")) == Quarantined("no_binding", "the path of records leads nowhere")
    assert cut_of(b'{"x":1}', route(partial=True)) == Quarantined("no_binding", "no declared signal in it")


def test_codec_failed_is_named_and_a_good_codec_is_read_as_json() -> None:
    def hexed(content: bytes) -> bytes:
        return b'{"t":%d}' % int(content, 16)

    made = route(format="hex@1", codecs={"hex@1": hexed})
    assert samples(b"ff", made)[0].raw == Raw("num", "255")
    found = cut_of(b"zz", made)
    assert isinstance(found, Quarantined)
    assert found.reason == "codec_failed"


def test_depth_and_digits_at_their_bound_are_read() -> None:
    deep = b'{"t":1,"x":' + b"[" * (DEPTH_MAX - 1) + b"]" * (DEPTH_MAX - 1) + b"}"
    assert raws(deep) == [Raw("num", "1")]
    assert raws(b'{"t":' + b"9" * 100 + b"}") == [Raw("num", "9" * 100)]
    assert raws(b'{"t":1,"x":"' + b"9" * 5000 + b'"}') == [Raw("num", "1")]


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (b"21.50", Raw("num", "21.50")),
        (b"-0.0", Raw("num", "-0.0")),
        (b"1E+5", Raw("num", "1E+5")),
        (b"9007199254740993", Raw("num", "9007199254740993")),
        (b'"42"', Raw("str", "42")),
        (b"true", Raw("bool", True)),
        (b"false", Raw("bool", False)),
        (b"null", Raw("null", "")),
        (b'{"a":[1.0,"x",null]}', Raw("json", '{"a":[1.0,"x",null]}')),
        ('"°C"'.encode(), Raw("str", "°C")),
    ],
)
def test_di_01_value_is_kept_as_typed(text: bytes, raw: Raw) -> None:
    assert raws(b'{"t":' + text + b"}") == [raw]


def test_message_fills_all_its_signals_in_order_and_carries_its_payload() -> None:
    content = b'{"n":8,"at":1795332300000,"t":-127,"rh":45.0,"dp":0.15,"door":true}'
    made = route(
        field("t"),
        field("rh"),
        field("dp"),
        field("door", "boolean"),
        time=TimeRule(path="at", format="epoch_ms"),
        sequence="n",
    )
    found = cut_of(content, made)
    assert isinstance(found, Cut)
    assert [str(one.raw.value) for one in found.samples] == ["-127", "45.0", "0.15", "True"]
    assert [one.part for one in found.samples] == [0, 1, 2, 3]
    assert {one.source_ns for one in found.samples} == {1_795_332_300_000_000_000}
    assert {(one.received_ns, one.boot_ns) for one in found.samples} == {(RECEIPT.received_ns, RECEIPT.boot_ns)}
    assert {one.payload for one in found.samples} == {found.samples[0].payload}
    assert found.samples[0].payload is not None
    assert found.samples[0].payload.sha256 == sha256(content).hexdigest()
    assert found.sequences == (8,)
    assert found.samples[0].repeat_key == f"{TOPIC}#t|1795332300000000000|8|num:-127"


def test_missing_member_is_bad_alone() -> None:
    t, rh = samples(b'{"t":1}', route(field("t"), field("rh")))
    assert (t.raw, t.reasons) == (Raw("num", "1"), ())
    assert (rh.raw, rh.reasons) == (ABSENT, ("absent",))


def test_partial_route_skips_what_is_missing() -> None:
    assert [one.address for one in samples(b'{"rh":1}', route(field("t"), field("rh"), partial=True))] == [
        f"{TOPIC}#rh"
    ]


def test_one_bad_record_leaves_the_others_standing() -> None:
    found = samples(b'[{"t":1},7,{"t":"x"},{"t":3}]')
    assert [one.raw for one in found] == [Raw("num", "1"), ABSENT, Raw("str", "x"), Raw("num", "3")]


def test_records_and_zip_walk_parallel_arrays() -> None:
    content = b'{"d":{"s":"x","t":[1,2,3],"at":[10,20]}}'
    made = route(
        field("t"), field("s", "string"), records="d", zip=("t", "at"), time=TimeRule(path="at", format="epoch_s")
    )
    found = samples(content, made)
    assert [(one.raw.value, one.source_ns) for one in found] == [
        ("1", 10 * 10**9), ("x", 10 * 10**9), ("2", 20 * 10**9), ("x", 20 * 10**9), ("3", None), ("x", None),
    ]  # fmt: skip


def test_time_of_a_signal_wins_over_the_time_of_the_route() -> None:
    made = route(
        field("t", time=TimeRule(path="t_at", format="epoch_s")),
        field("rh"),
        time=TimeRule(path="at", format="epoch_s"),
    )
    assert [one.source_ns for one in samples(b'{"t":1,"rh":2,"at":5,"t_at":6}', made)] == [6 * 10**9, 5 * 10**9]


def test_reason_and_flag_of_the_time_stand_with_the_sample() -> None:
    made = route(time=TimeRule(path="at", format="iso8601"))
    (wrong,) = samples(b'{"t":1,"at":"soon"}', made)
    assert (wrong.source_ns, wrong.reasons) == (None, ("time_impossible",))
    (leap,) = samples(b'{"t":1,"at":"2016-12-31T23:59:60Z"}', made)
    assert leap.flags == ("clamped",)
    (none,) = samples(b'{"t":1}', made)
    assert (none.source_ns, none.reasons) == (None, ())


def test_di_07_a_value_older_than_its_route_allows_waited_in_the_device():
    hour_s = 3_600
    now_s = RECEIPT.received_ns // 10**9
    made = route(time=TimeRule(path="at", format="epoch_s"))
    told = {
        now_s - hour_s + 1: ("live", None),
        now_s - hour_s - 1: ("historical", "device_buffer"),
        946_684_800: ("live", None),  # 2000-01-01: a clock that was never set tells no age
    }
    for at, expected in told.items():
        (one,) = samples(b'{"t":1,"at":%d}' % at, made)
        assert (one.provenance.value, one.came_from) == expected
        assert one.source_ns == at * 10**9
    patient = route(time=TimeRule(path="at", format="epoch_s", age_ns_max=2 * hour_s * 10**9))
    assert samples(b'{"t":1,"at":%d}' % (now_s - hour_s - 1), patient)[0].provenance.value == "live"


@pytest.mark.parametrize(
    ("content", "status", "native"),
    [
        (b'{"t":1,"q":192}', 192, None),
        (b'{"t":1,"q":"OK"}', None, "OK"),
        (b'{"t":1,"q":-1}', None, "-1"),
        (b'{"t":1,"q":true}', None, "true"),
        (b'{"t":1}', None, ""),
    ],
)
def test_quality_the_device_tells_stands_with_the_sample(
    content: bytes, status: int | None, native: str | None
) -> None:
    (one,) = samples(content, route(field("t", quality_path="q")))
    assert (one.status, one.native) == (status, native)


def test_dedupe_names_the_repeat() -> None:
    made = route(dedupe=("id", "ch"))
    assert samples(b'{"t":1,"id":"a","ch":2}', made)[0].repeat_key == f'{TOPIC}#t|None|"a"|2|num:1'
    assert samples(b'{"t":1}')[0].repeat_key is None


@pytest.mark.parametrize(
    ("content", "wire_type", "raw"),
    [
        (b" 21.50\n", "number", Raw("num", "21.50")),
        (b"ON", "string", Raw("str", "ON")),
        (b"42", "string", Raw("str", "42")),
        (b"true", "boolean", Raw("bool", True)),
        (b"1,5", "number", Raw("str", "1,5")),
        (b"NaN", "number", Raw("str", "NaN")),
    ],
)
def test_plain_text(content: bytes, wire_type: str, raw: Raw) -> None:
    assert raws(content, field("@", wire_type), format="text") == [raw]


def test_long_string_is_cut_and_the_payload_keeps_it() -> None:
    text = "é" * 3000
    (one,) = samples(json.dumps({"t": text}, ensure_ascii=False).encode(), route(field("t", "string")))
    assert one.raw == Raw("str", "é" * 2048)
    assert one.flags == ("string_cut",)
    assert one.payload is not None
    assert text.encode() in one.payload.content


@pytest.mark.parametrize("topic", ["", "env/+/x", "env/#", "$SYS/x", "a\0b", "x" * 1025])
def test_topic_that_is_no_single_topic_is_refused(topic: str) -> None:
    with pytest.raises(SourceRefused):
        compile_route(MqttRoute(topic=topic), {})


@pytest.mark.parametrize("watch", ["$share/g/env/#", "env/#/x", "env/a+", ""])
def test_watch_filter_that_shares_or_is_none_is_refused(watch: str) -> None:
    with pytest.raises(SourceRefused):
        compile_plan(MqttPlan(source="plant", routes=(), watch=(watch,)))


def test_topic_read_twice_or_format_unknown_is_refused() -> None:
    with pytest.raises(SourceRefused, match="two routes"):
        compile_plan(MqttPlan(source="plant", routes=(MqttRoute(topic="a"), MqttRoute(topic="a"))))
    with pytest.raises(SourceRefused, match="format"):
        compile_route(MqttRoute(topic="a", format="senml"), {})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_di_01_any_json_comes_back_as_typed(tree: Any) -> None:
    typed = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    assert format_tree(parse_json(typed.encode())) == typed


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,10})?", fullmatch=True).filter(str.isascii)
)
def test_di_01_any_number_keeps_its_text(text: str) -> None:
    assert raws(b'{"t":' + text.encode() + b"}") == [Raw("num", text)]


@given(st.integers(1, 2000) | st.integers(DEPTH_MAX - 2, DEPTH_MAX + 2))
def test_depth_is_judged_exactly(depth: int) -> None:
    content = b"[" * depth + b"1" + b"]" * depth
    if depth <= DEPTH_MAX:
        parse_json(content)
    else:
        with pytest.raises(Unreadable, match="too_deep"):
            parse_json(content)


@given(st.binary(max_size=200))
def test_no_bytes_raise(content: bytes) -> None:
    assert isinstance(cut_of(content), Cut | Quarantined)
