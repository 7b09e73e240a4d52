"""Reader of OPC UA binary: any value to its exact `Raw`, by the order of bytes of OPC 10000-6 and without `datetime`.

The library turns 100 ns ticks into microseconds, a NaN into another NaN, and reads picoseconds in the wrong place; a
record keeps what was on the wire, so values are read here. asyncua's decoder is the oracle of the tests.
"""

from __future__ import annotations

import base64
import struct
import uuid
from typing import NamedTuple

from gateway.domain.sample import ABSENT, Raw

DEPTH_MAX = 16
"""Variants inside variants; deeper is an attack, not a measurement."""

_U16, _U32, _I32, _I64, _F64 = (struct.Struct(f) for f in ("<H", "<I", "<i", "<q", "<d"))

NUMBERS: dict[int, tuple[str, struct.Struct]] = {
    1: ("bool", struct.Struct("<B")),
    2: ("i8", struct.Struct("<b")),
    3: ("u8", struct.Struct("<B")),
    4: ("i16", struct.Struct("<h")),
    5: ("u16", struct.Struct("<H")),
    6: ("i32", struct.Struct("<i")),
    7: ("u32", struct.Struct("<I")),
    8: ("i64", struct.Struct("<q")),
    9: ("u64", struct.Struct("<Q")),
    10: ("f32", struct.Struct("<I")),
    11: ("f64", struct.Struct("<Q")),
    13: ("ticks", struct.Struct("<q")),
}
"""Built-in type → (wire type, its bits). Floats are read as their bits, so that no NaN is ever rewritten."""

STRING, GUID, BYTES, XML, NODE_ID, VARIANT, DIAGNOSTIC = 12, 14, 15, 16, 17, 24, 25


class Unreadable(ValueError):
    """Bytes that are not what the standard says; the message goes to quarantine, never half into the ledger."""


class WireValue(NamedTuple):
    """A DataValue: exact raw, 32 status bits (absent = Good), ticks of source and server, None where absent."""

    raw: Raw
    status: int
    source_ticks: int | None
    server_ticks: int | None


def format_number(kind: str, bits: int) -> Raw:
    """Return the Raw of a number read by the struct of its kind."""
    if kind == "f64":
        return Raw("f64", f"{bits:016x}")
    if kind == "f32":
        return Raw("f32", f"{bits:08x}")
    if kind == "bool":
        return Raw("bool", bits != 0)
    return Raw(kind, str(bits))


class Reader:
    """A position in bytes; every read checks its bounds and raises `Unreadable`."""

    __slots__ = ("at", "data", "stop")

    def __init__(self, data: bytes, at: int = 0, stop: int | None = None) -> None:
        self.data = data
        self.at = at
        self.stop = len(data) if stop is None else stop

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        if size < 0 or self.at + size > self.stop:
            raise Unreadable(f"{size} bytes wanted at {self.at} of {self.stop}")
        start = self.at
        self.at += size
        return self.data[start : self.at]

    def u8(self) -> int:
        """Return one byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Return an unsigned 16-bit number."""
        return int(_U16.unpack(self.take(2))[0])

    def u32(self) -> int:
        """Return an unsigned 32-bit number."""
        return int(_U32.unpack(self.take(4))[0])

    def i32(self) -> int:
        """Return a signed 32-bit number."""
        return int(_I32.unpack(self.take(4))[0])

    def i64(self) -> int:
        """Return a signed 64-bit number (ticks)."""
        return int(_I64.unpack(self.take(8))[0])

    def f64(self) -> float:
        """Return a Double that is no reading (an interval in ms)."""
        return float(_F64.unpack(self.take(8))[0])

    def blob(self) -> bytes | None:
        """Return a ByteString; None for null."""
        size = self.i32()
        return None if size < 0 else self.take(size)

    def length(self) -> int:
        """Return the length of an array, 0 for null; never more than bytes are left."""
        count = self.i32()
        if count > self.stop - self.at:
            raise Unreadable(f"array of {count} in {self.stop - self.at} bytes")
        return max(count, 0)

    def u32_array(self) -> list[int]:
        """Return an array of unsigned 32-bit numbers; null is empty."""
        return [self.u32() for _ in range(self.length())]

    def skip_node_id(self) -> tuple[int, int | None]:
        """Pass a NodeId or ExpandedNodeId; return (namespace, numeric identifier or None)."""
        head = self.u8()
        space, number = 0, None
        match head & 0x3F:
            case 0:
                number = self.u8()
            case 1:
                space, number = self.u8(), self.u16()
            case 2:
                space, number = self.u16(), self.u32()
            case 3 | 5:
                space = self.u16()
                self.blob()
            case 4:
                space = self.u16()
                self.take(16)
            case other:
                raise Unreadable(f"node id of encoding {other}")
        if head & 0x80:
            self.blob()
        if head & 0x40:
            self.u32()
        return space, number

    def extension(self) -> tuple[int | None, int, int]:
        """Pass an ExtensionObject; return (type id of namespace 0 or None, start of its body, end of its body)."""
        space, number = self.skip_node_id()
        if self.u8() == 0:
            return (number if space == 0 else None), self.at, self.at
        size = max(self.i32(), 0)
        start = self.at
        self.take(size)
        return (number if space == 0 else None), start, start + size

    def skip_diagnostic(self, depth: int = 0) -> None:
        """Pass a DiagnosticInfo."""
        if depth > DEPTH_MAX:
            raise Unreadable("diagnostic info nested too deeply")
        mask = self.u8()
        for bit in (0x01, 0x02, 0x04, 0x08):
            if mask & bit:
                self.i32()
        if mask & 0x10:
            self.blob()
        if mask & 0x20:
            self.u32()
        if mask & 0x40:
            self.skip_diagnostic(depth + 1)

    def response_header(self) -> int:
        """Pass the type id and the ResponseHeader of a message; return its ServiceResult."""
        self.skip_node_id()
        self.take(12)
        result = self.u32()
        self.skip_diagnostic()
        for _ in range(self.length()):
            self.blob()
        self.extension()
        return result

    def data_value(self, depth: int = 0) -> WireValue:
        """Return a DataValue; picoseconds stand behind their own timestamp and are passed."""
        mask = self.u8()
        raw = self.variant(depth) if mask & 0x01 else ABSENT
        status = self.u32() if mask & 0x02 else 0
        source = self.i64() if mask & 0x04 else None
        if mask & 0x10:
            self.u16()
        server = self.i64() if mask & 0x08 else None
        if mask & 0x20:
            self.u16()
        return WireValue(raw, status, source, server)

    def variant(self, depth: int = 0) -> Raw:
        """Return the value of a Variant; an array is a flat ``arr``, a null array and a null string are ABSENT."""
        if depth > DEPTH_MAX:
            raise Unreadable("variant nested too deeply")
        head = self.u8()
        kind = head & 0x3F
        if not head & 0x80:
            return self.scalar(kind, depth)
        count = self.i32()
        if count > self.stop - self.at:
            raise Unreadable(f"array of {count} in {self.stop - self.at} bytes")
        raw = ABSENT if count < 0 else Raw("arr", [self.scalar(kind, depth) for _ in range(count)])
        if head & 0x40:
            self.u32_array()
        return raw

    def scalar(self, kind: int, depth: int = 0) -> Raw:
        """Return one value of built-in type ``kind``; types without a text of their own keep their bytes."""
        number = NUMBERS.get(kind)
        if number is not None:
            name, bits = number
            return format_number(name, bits.unpack(self.take(bits.size))[0])
        if kind == 0:
            return ABSENT
        if kind in {STRING, XML}:
            return _text(self.blob())
        if kind == GUID:
            return Raw("guid", str(uuid.UUID(bytes_le=self.take(16))))
        if kind == BYTES or kind > DIAGNOSTIC:
            blob = self.blob()
            return ABSENT if blob is None else Raw("bytes", base64.b64encode(blob).decode())
        start = self.at
        self._pass(kind, depth)
        return Raw("bytes", base64.b64encode(self.data[start : self.at]).decode())

    def _pass(self, kind: int, depth: int) -> None:
        """Pass a value whose bytes are kept as they are."""
        match kind:
            case 17 | 18:
                self.skip_node_id()
            case 19:
                self.u32()
            case 20:
                self.u16()
                self.blob()
            case 21:
                mask = self.u8()
                for bit in (1, 2):
                    if mask & bit:
                        self.blob()
            case 22:
                self.extension()
            case 23:
                self.data_value(depth + 1)
            case 24:
                self.variant(depth + 1)
            case _:
                self.skip_diagnostic(depth + 1)


def _text(blob: bytes | None) -> Raw:
    """Return a String; bytes that are no UTF-8 stay bytes."""
    if blob is None:
        return ABSENT
    try:
        return Raw("str", blob.decode())
    except UnicodeDecodeError:
        return Raw("bytes", base64.b64encode(blob).decode())
