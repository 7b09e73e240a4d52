"""The fast path and the full reader against the library's own decoder."""

from __future__ import annotations

import base64
import math
import struct
import uuid
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.opcua.fast_decode import SHAPES, Changes, Receipt, read_changes
from gateway.adapters.opcua.values import make_sample, time_ns
from gateway.adapters.opcua.wire import Reader, Unreadable, WireValue
from gateway.domain.sample import ABSENT, Provenance, Raw, Sample
from tests.adapters.opcua.messages import NOON, change

T = ua.VariantType
NOON_NS = 1_795_521_600_000_000_000


def read(*values: ua.DataValue) -> list[Sample]:
    data = struct_to_binary(change([(7, one) for one in values]))
    found = Changes([], [], [])
    read_changes(data, 0, len(data), {7: "a"}, Receipt(1, 2), found)
    return found.samples


def slow(value: ua.DataValue) -> WireValue:
    return Reader(struct_to_binary(value)).data_value()


SCALARS = [
    (True, T.Boolean, Raw("bool", True)),
    (-7, T.SByte, Raw("i8", "-7")),
    (255, T.Byte, Raw("u8", "255")),
    (-32768, T.Int16, Raw("i16", "-32768")),
    (65535, T.UInt16, Raw("u16", "65535")),
    (-5, T.Int32, Raw("i32", "-5")),
    (1 << 31, T.UInt32, Raw("u32", "2147483648")),
    (2**53 + 1, T.Int64, Raw("i64", "9007199254740993")),
    (2**64 - 1, T.UInt64, Raw("u64", "18446744073709551615")),
    (310.2109375, T.Float, Raw("f32", "439b1b00")),
    (-0.0, T.Double, Raw("f64", "8000000000000000")),
    (math.inf, T.Double, Raw("f64", "7ff0000000000000")),
    (NOON, T.DateTime, Raw("ticks", str(116444736000000000 + NOON_NS // 100))),
    ("Zelle °C", T.String, Raw("str", "Zelle °C")),
    ("", T.String, Raw("str", "")),
    (None, T.String, ABSENT),
    (uuid.UUID(int=5), T.Guid, Raw("guid", str(uuid.UUID(int=5)))),
    (b"\0\1", T.ByteString, Raw("bytes", base64.b64encode(b"\0\1").decode())),
]


@pytest.mark.parametrize(("value", "kind", "raw"), SCALARS, ids=lambda one: str(one)[:24])
def test_di_01_each_scalar_keeps_its_exact_bits(value: object, kind: ua.VariantType, raw: Raw) -> None:
    full = ua.DataValue(ua.Variant(value, kind), ua.StatusCode(0x40000000), NOON, NOON)
    sample = read(full)[0]
    assert sample.raw == raw
    assert (sample.status, sample.source_ns, sample.server_ns) == (0x40000000, NOON_NS, NOON_NS)
    assert sample == make_sample("a", slow(full), received_ns=1, boot_ns=2)


@given(st.integers(0, 2**64 - 1))
def test_di_01_no_bit_of_a_double_is_lost_not_even_of_a_nan(bits: int) -> None:
    data = struct.pack("<iIBB", 1, 7, 0x01, 11) + struct.pack("<Q", bits) + struct.pack("<i", -1)
    found = Changes([], [], [])
    read_changes(data, 0, len(data), {7: "a"}, Receipt(1, 2), found)
    assert found.samples[0].raw == Raw("f64", f"{bits:016x}")


@given(
    st.lists(
        st.one_of(
            st.builds(lambda v: (v, T.Double), st.floats(allow_nan=False)),
            st.builds(lambda v: (v, T.Int32), st.integers(-(2**31), 2**31 - 1)),
            st.builds(lambda v: (v, T.String), st.text(max_size=5)),
            st.builds(lambda v: (v, T.UInt16), st.lists(st.integers(0, 65535), max_size=3)),
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
    st.booleans(),
)
def test_di_02_mixed_messages_decode_as_the_library_does(given_values: list, source: bool, server: bool) -> None:
    values = [
        ua.DataValue(
            ua.Variant(value, kind, is_array=isinstance(value, list)),
            SourceTimestamp=NOON if source else None,
            ServerTimestamp=NOON if server else None,
        )
        for value, kind in given_values
    ]
    data = struct_to_binary(change([(7, one) for one in values]))
    oracle = ua.ua_binary.struct_from_binary(ua.DataChangeNotification, ua.utils.Buffer(data))
    samples = read(*values)
    assert len(samples) == len(oracle.MonitoredItems)
    for sample, item in zip(samples, oracle.MonitoredItems, strict=True):
        assert plain(sample.raw) == item.Value.Value.Value
        assert sample.source_ns == (NOON_NS if source else None)
        assert sample.server_ns == (NOON_NS if server else None)


def plain(raw: Raw) -> object:
    match raw.type:
        case "f64":
            return struct.unpack(">d", bytes.fromhex(str(raw.value)))[0]
        case "arr":
            assert isinstance(raw.value, list)
            return [plain(one) for one in raw.value]
        case "str":
            return raw.value
        case _:
            return int(str(raw.value))


def test_di_01_picoseconds_stand_behind_their_own_timestamp() -> None:
    """The standard's order is value, status, source, source ps, server, server ps; the library reads another."""
    ticks = 116444736000000000 + NOON_NS // 100
    value = struct.pack("<BBd", 0x3D, 11, 1.5) + struct.pack("<qHqH", ticks, 5, ticks + 1, 6)
    data = struct.pack("<iI", 1, 7) + value + struct.pack("<i", -1)
    found = Changes([], [], [])
    read_changes(data, 0, len(data), {7: "a"}, Receipt(1, 2), found)
    assert found.samples[0].source_ns == NOON_NS
    assert found.samples[0].server_ns == NOON_NS + 100


def test_di_07_100_ns_ticks_survive_and_1601_and_9999_are_no_times() -> None:
    assert time_ns(116444736000000001) == 100
    assert time_ns(0) is None
    assert time_ns(None) is None
    assert time_ns(2**63 - 1) is None
    assert time_ns(2_650_467_743_990_000_000) is None


@pytest.mark.parametrize(
    ("status", "flags", "lost"),
    [
        (0x480, ("overflow",), [0]),
        (0x00000080, (), []),
        (0x780, ("limit_high", "limit_low", "overflow"), [0]),
        (0x500, ("limit_low",), []),
        (0x000000C0, (), []),
        (0x40920480, ("overflow",), [0]),
        (0x80340000, (), []),
    ],
)
def test_di_02_trap_overflow_is_good(status: int, flags: tuple[str, ...], lost: list[int]) -> None:
    data = struct_to_binary(change([(7, ua.DataValue(ua.Variant(1.5, T.Double), ua.StatusCode(status), NOON, NOON))]))
    found = Changes([], [], [])
    read_changes(data, 0, len(data), {7: "a"}, Receipt(1, 2, Provenance.REPUBLISHED), found)
    assert found.samples[0].flags == flags
    assert found.overflows == lost
    assert found.samples[0].provenance is Provenance.REPUBLISHED


def test_di_02_an_item_we_no_longer_keep_is_counted() -> None:
    data = struct_to_binary(change([(9, ua.DataValue(ua.Variant(1.5, T.Double))), (9, ua.DataValue(ua.Variant("x")))]))
    found = Changes([], [], [])
    read_changes(data, 0, len(data), {7: "a"}, Receipt(1, 2), found)
    assert (found.samples, found.unknown) == ([], 2)


@given(st.binary(max_size=60))
def test_di_02_any_bytes_are_read_or_refused(data: bytes) -> None:
    found = Changes([], [], [])
    try:
        read_changes(data, 0, len(data), {7: "a"}, Receipt(1, 2), found)
    except Unreadable:
        return
    assert len(found.samples) + found.unknown == max(0, int.from_bytes(data[:4], "little", signed=True))


@pytest.mark.parametrize("size", range(1, 40, 3))
def test_di_02_a_message_cut_anywhere_is_unreadable(size: int) -> None:
    data = struct_to_binary(change([(7, ua.DataValue(ua.Variant(1.5, T.Double), None, NOON, NOON))] * 2))
    with pytest.raises(Unreadable):
        read_changes(data[:size], 0, size, {7: "a"}, Receipt(1, 2), Changes([], [], []))


def test_nested_variants_end_somewhere() -> None:
    with pytest.raises(Unreadable):
        Reader(bytes([24]) * 100).variant()


def test_foreign_types_keep_their_bytes() -> None:
    value = ua.DataValue(ua.Variant(ua.LocalizedText("warm", "de")))
    raw = read(value)[0].raw
    assert raw.type == "bytes"
    assert base64.b64decode(str(raw.value))[-4:] == b"warm"


def test_the_table_has_each_number_with_each_mask() -> None:
    assert len(SHAPES) == 8 * 12
    assert datetime(1970, 1, 1, tzinfo=UTC).timestamp() == 0
