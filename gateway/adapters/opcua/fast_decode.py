"""DataChangeNotification to samples: one `unpack_from` for a scalar with the usual mask, the full reader for the rest."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from gateway.adapters.opcua.values import TICKS_1970, TICKS_9999, make_sample, overflowed, status_flags, time_ns
from gateway.adapters.opcua.wire import NUMBERS, Reader, Unreadable, format_number
from gateway.domain.sample import Provenance, Raw, Sample

_VALUE, _STATUS, _SOURCE, _SERVER = 0x01, 0x02, 0x04, 0x08


class _Shape(NamedTuple):
    """Where the members of one mask and one built-in type stand."""

    fields: struct.Struct
    kind: str
    status_at: int
    source_at: int
    server_at: int


class Receipt(NamedTuple):
    """When and how the bytes came: wall and boot clock in ns, provenance."""

    received_ns: int
    boot_ns: int
    provenance: Provenance = Provenance.LIVE


class Changes(Struct):
    """What a message held: samples, the handles they came under, and which of them had lost predecessors."""

    samples: list[Sample]
    handles: list[int]
    overflows: list[int]
    unknown: int = 0


def _shape(mask: int, kind: str, bits: struct.Struct) -> _Shape:
    code = "<IBB" + bits.format.removeprefix("<")
    at = 4
    places = {_STATUS: -1, _SOURCE: -1, _SERVER: -1}
    for bit, letter in ((_STATUS, "I"), (_SOURCE, "q"), (_SERVER, "q")):
        if mask & bit:
            code += letter
            places[bit] = at
            at += 1
    return _Shape(struct.Struct(code), kind, places[_STATUS], places[_SOURCE], places[_SERVER])


SHAPES: dict[int, _Shape] = {
    mask | type_id << 8: _shape(mask, kind, bits)
    for mask in range(16)
    if mask & _VALUE
    for type_id, (kind, bits) in NUMBERS.items()
}
"""Mask and type byte, read as one 16-bit number, → shape. Picoseconds, arrays and texts are not here."""


def read_changes(
    data: bytes, start: int, stop: int, addresses: Mapping[int, str], receipt: Receipt, found: Changes
) -> None:
    """Append the samples of one DataChangeNotification body to ``found``; raise `Unreadable` and leave nothing usable.

    A handle that is not in ``addresses`` belongs to an item we no longer keep: counted, not recorded.
    """
    if start + 4 > stop:
        raise Unreadable("empty notification")
    count = int.from_bytes(data[start : start + 4], "little", signed=True)
    at = start + 4
    for _ in range(count):
        shape = SHAPES.get(int.from_bytes(data[at + 4 : at + 6], "little"))
        if shape is None or at + shape.fields.size > stop:
            at = _read_any(data, at, stop, addresses, receipt, found)
            continue
        fields = shape.fields.unpack_from(data, at)
        at += shape.fields.size
        address = addresses.get(fields[0])
        if address is None:
            found.unknown += 1
            continue
        _keep(fields, shape, address, receipt, found)
    rest = Reader(data, at, stop)
    for _ in range(rest.length()):
        rest.skip_diagnostic()
    if rest.at != stop:
        raise Unreadable(f"{stop - rest.at} bytes left over in a notification")


def _keep(fields: tuple[int, ...], shape: _Shape, address: str, receipt: Receipt, found: Changes) -> None:
    status = fields[shape.status_at] if shape.status_at > 0 else 0
    bits = fields[3]
    flags: tuple[str, ...] = ()
    if status:
        flags = status_flags(status)
        if overflowed(status):
            found.overflows.append(len(found.samples))
    found.handles.append(fields[0])
    found.samples.append(
        Sample(
            address=address,
            raw=Raw("f64", f"{bits:016x}") if shape.kind == "f64" else format_number(shape.kind, bits),
            status=status,
            provenance=receipt.provenance,
            flags=flags,
            source_ns=_ns(fields[shape.source_at]) if shape.source_at > 0 else None,
            server_ns=_ns(fields[shape.server_at]) if shape.server_at > 0 else None,
            received_ns=receipt.received_ns,
            boot_ns=receipt.boot_ns,
            part=len(found.samples),
        )
    )


def _ns(ticks: int) -> int | None:
    return (ticks - TICKS_1970) * 100 if 0 < ticks < TICKS_9999 else time_ns(ticks)


def _read_any(data: bytes, at: int, stop: int, addresses: Mapping[int, str], receipt: Receipt, found: Changes) -> int:
    """Read one item by the full reader; return where the next one stands."""
    reader = Reader(data, at, stop)
    handle = reader.u32()
    value = reader.data_value()
    address = addresses.get(handle)
    if address is None:
        found.unknown += 1
        return reader.at
    if overflowed(value.status):
        found.overflows.append(len(found.samples))
    found.handles.append(handle)
    found.samples.append(
        make_sample(
            address,
            value,
            received_ns=receipt.received_ns,
            boot_ns=receipt.boot_ns,
            provenance=receipt.provenance,
            part=len(found.samples),
        )
    )
    return reader.at
