"""Line protocol: the same content as the official client's `Point`, nothing overwrites, no name of client or product."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client import Point
from msgspec import UNSET

from gateway.ledger.records import Batch, BatchNode, Clock, Excursion, Gap, GapEdge, Reading
from gateway.pipeline.influx_lines import LineWriter
from gateway.pipeline.influx_syntax import SignalTags
from tests.fakes.projection import CountedReadings

T0 = 1_700_000_000_000_000_000
FREEZER = SignalTags("FRZ-01", "R-118", "Cel")
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(lambda s: "\\" not in s)
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.booleans(),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20),
    st.none(),
)


def reading(**changes: Any) -> Reading:
    facts: dict[str, Any] = {
        "received_ns": T0 + 9,
        "boot_ns": 1,
        "clock": 1,
        "signal": "FRZ-01/temp",
        "config": "05b3abf2579a5eb6",
        "n": 1,
        "value": -19.5,
        "status": 0,
        "quality": "good",
        "source_ns": T0,
        "clock_state": "synced",
        "provenance": "live",
        "incarnation": 1,
        "epoch": 1,
        "position": 1,
    }
    return Reading(**(facts | changes))


def writer(times: list[tuple[str, int]] | None = None, tags: SignalTags = FREEZER) -> LineWriter:
    return LineWriter("gw-01", lambda _s, _c: tags, CountedReadings(times or []), lambda _: 7)


def test_a_reading_reads_as_the_table_says() -> None:
    (line,) = writer().readings(1_204_331, [reading()])
    assert line == (
        b"reading,equipment=FRZ-01,gateway=gw-01,room=R-118,signal=FRZ-01/temp,unit=Cel "
        b'basis="source",ledger_index=1204331i,quality=2i,status_code=0i,test=false,value=-19.5 1700000000000000000'
    )


@given(
    value=VALUES,
    quality=st.sampled_from(["good", "uncertain", "bad"]),
    status=st.one_of(st.just(UNSET), st.integers(0, 2**32 - 1)),
    words=st.tuples(WORDS, WORDS, WORDS, WORDS),
    unset=st.booleans(),
    test=st.booleans(),
)
def test_each_line_holds_what_point_would_write(value, quality, status, words, unset: bool, test: bool) -> None:
    signal, equipment, room, unit = words
    one = reading(
        signal=signal,
        value=value,
        quality=quality,
        status=status,
        source_clock="unset" if unset else UNSET,
        test=test or UNSET,
    )
    (line,) = writer(tags=SignalTags(equipment, room, unit)).readings(5, [one])
    point = Point("reading").tag("gateway", "gw-01").tag("signal", signal)
    point = point.tag("equipment", equipment).tag("room", room).tag("unit", unit)
    point = point.field("basis", "received" if unset else "source").field("ledger_index", 5).field("test", test)
    point = point.field("quality", {"bad": 0, "uncertain": 1, "good": 2}[quality])
    if status is not UNSET:
        point = point.field("status_code", status)
    if quality != "bad" and value is not None:
        names = {bool: "value_bool", int: "value_int", float: "value", str: "value_text"}
        point = point.field(names[type(value)], value)
    point = point.time(T0 + 9 if unset else T0)
    assert parse(line.decode()) == parse(point.to_line_protocol())


@given(st.lists(st.tuples(st.sampled_from(["A/t", "B/t"]), st.integers(0, 4)), max_size=30), st.integers(0, 30))
def test_di_01_nothing_overwrites_and_lines_are_the_same_from_wherever_they_are_rendered(
    story: list[tuple[str, int]], cut: int
) -> None:
    readings = [reading(signal=signal, source_ns=T0 + time, n=index + 1) for index, (signal, time) in enumerate(story)]
    times = [(signal, T0 + time) for signal, time in story]
    whole = writer(times).render(0, readings)
    series = [(*parse(line.decode())[:2], line.rpartition(b" ")[2]) for line in whole.lines]
    assert len({str(one) for one in series}) == len(story)
    first = writer(times).render(0, readings[:cut])
    second = writer(times).render(cut, readings[cut:])
    assert first.lines + second.lines == whole.lines
    assert whole.indexes == list(range(len(story)))


def test_di_01_same_millisecond_readings_get_a_copy_number() -> None:
    lines = writer().readings(0, [reading(), reading(value=-19.0), reading(value=-18.5), reading(source_ns=T0 + 1)])
    assert [b",copy=" in line for line in lines] == [False, True, True, False]
    assert lines[1].startswith(b"reading,copy=1,equipment=")
    assert lines[2].startswith(b"reading,copy=2,equipment=")


def test_a_backslash_or_a_break_in_a_name_breaks_no_line() -> None:
    (line,) = writer(tags=SignalTags("A\\ B", "R\n1", "\\")).readings(0, [reading()])
    assert line.startswith(b"reading,equipment=A/\\ B,gateway=gw-01,room=R\\ 1,signal=FRZ-01/temp,unit=/ basis=")


def test_the_ledger_is_asked_only_when_time_does_not_advance() -> None:
    earlier = CountedReadings([("FRZ-01/temp", T0 + n) for n in range(100)])
    lines = LineWriter("gw-01", lambda _s, _c: SignalTags(None, None, None), earlier, lambda _: 7)
    lines.readings(0, [reading(source_ns=T0 + n) for n in range(100)])
    assert earlier.asked == 0
    lines.readings(100, [reading(source_ns=T0 + 50), reading(source_ns=T0 + 200)])
    assert earlier.asked == 1


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (True, "value_bool=true"), (7, "value_int=7i"), ("9007199254740993", 'value_text="9007199254740993"'),
        ([1.5, 2], 'value_text="[1.5,2]"'), ('a"b\\c\nd', 'value_text="a\\"b\\\\c\\\\nd"'), (1e16, "value=1e16"), (37.0, "value=37.0"),
    ],
)  # fmt: skip
def test_each_type_has_its_own_field(value: Any, field: str) -> None:
    (line,) = writer().readings(0, [reading(value=value)])
    assert f",test=false,{field} {T0}" in line.decode()
    (bad,) = writer().readings(0, [reading(value=value, quality="bad")])
    assert bad.decode().endswith(f",test=false {T0}")


def test_other_records_have_a_line_at_the_start_and_one_at_the_end() -> None:
    head = {"at_ns": T0 + 50, "boot_ns": 1, "clock": 1}
    excursion = Excursion(
        **head, event="returned", excursion="EXC-AB23CD45", condition="FRZ-01/temp:high.action", signal="FRZ-01/temp",
        class_="limit", level="action", config="c", t0_ns=T0, t1_ns=T0 + 40, detected_ns=T0 + 50, extreme=-11.2,
        breach_ns=30, unknown_ns=0, crossings=1, decided=3,
    )  # fmt: skip
    gap = Gap(
        **head, event="closed", gap="G-000001", source="plc", signals=[], cause="link_lost", certainty="certain",
        before=GapEdge(index=1, source_ns=T0, received_ns=T0 + 1), after=GapEdge(index=2, received_ns=T0 + 9), missing=3,
    )  # fmt: skip
    node = BatchNode(node="FRZ-01", use="storage", from_ns=T0, pre_roll_s=0, post_roll_s=0)
    batch = Batch(
        **head, event="start", batch="B-CANARY", revision=1, effective_ns=T0, client="C-CANARY", person="P-CANARY",
        header={"product": "X-CANARY", "lot": "L-CANARY"}, nodes=[node],
    )  # fmt: skip
    clock = Clock(
        **head, trigger="minute", run=1, boot_id="b", raw_ns=1, state="synced", source="chrony", bound_ns=12_000_000,
        zone="UTC", utc_offset_s=0, tzdata="2026f",
    )  # fmt: skip
    lines = writer().render(10, [excursion, gap, batch, clock])
    assert lines.indexes == [10, 10, 11, 11, 12, 13]
    text = b"\n".join(lines.lines).decode()
    assert "CANARY" not in text
    assert [line.rpartition(" ")[2] for line in text.split("\n")] == [str(T0 + n) for n in (0, 40, 0, 9, 0, 50)]
    assert text.startswith(
        "excursion,cause=high.action,equipment=FRZ-01,gateway=gw-01,level=action,signal=FRZ-01/temp "
    )
    assert "\nbatch,cause=start,copy=7,equipment=FRZ-01,gateway=gw-01 batch_ref=7i," in text


def parse(line: str) -> tuple[str, dict[str, str], dict[str, Any], int]:
    """A line read back by the rules of the protocol: measurement, tags, typed fields, time."""
    head, rest = _cut(line, " ", quoted=False)
    fields_text, time = _cut(rest, " ", quoted=True)
    name, *tags = _split(head, quoted=False)
    fields: dict[str, Any] = {}
    for one in _split(fields_text, quoted=True):
        key, value = one.split("=", 1)
        fields[key] = _typed(value)
    pairs = (_cut(tag, "=", quoted=False) for tag in tags)
    return name, {_plain(key): _plain(value) for key, value in pairs}, fields, int(time)


def _typed(value: str) -> Any:
    if value.startswith('"'):
        return ("text", value[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
    if value in {"true", "false"}:
        return ("bool", value)
    return ("int", int(value[:-1])) if value.endswith("i") else ("float", float(value))


def _plain(text: str) -> str:
    return text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ")


def _cut(text: str, mark: str, *, quoted: bool) -> tuple[str, str]:
    at = next(_marks(text, mark, quoted))
    return text[:at], text[at + 1 :]


def _split(text: str, *, quoted: bool) -> list[str]:
    cuts = [-1, *_marks(text, ",", quoted), len(text)]
    return [text[a + 1 : b] for a, b in itertools.pairwise(cuts)]


def _marks(text: str, mark: str, quoted: bool):
    inside = escaped = False
    for at, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"' and quoted:
            inside = not inside
        elif letter == mark and not inside:
            yield at
