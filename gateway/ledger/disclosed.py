"""Bundle members that are made from the disclosed entries alone, and can therefore be made again and compared.

``entries.bin``: ascending, uint64 index ‖ leaf hash[:4] ‖ uint16 length ‖ entry. ``readings.csv`` and ``batch.json`` repeat
what the entries say for people and spreadsheets; every value stands there exactly as it stands in its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Final

import msgspec

from gateway.errors import EvidenceRefused
from gateway.ledger.entry import LEAF_PREFIX_SIZE, SALT_SIZE
from gateway.ledger.merkle import hash_leaf

CSV_HEAD: Final = "index,signal,n,source_ns,received_ns,value,quality,reason,status,provenance\n"
_HEAD_SIZE: Final = 14
_SPECIAL: Final = frozenset('"\r\n')
_READING: Final = b'{"v":1,"kind":"reading",'


class Disclosed(msgspec.Struct, frozen=True):
    """One disclosed entry: index in the log, the 4-byte hash kept beside it, salt ‖ JSON."""

    index: int
    prefix: bytes
    entry: bytes

    @property
    def record(self) -> bytes:
        """The record's JSON."""
        return self.entry[SALT_SIZE:]


class _Shown(msgspec.Struct):
    """The members of a reading that a row shows; the value as its JSON text."""

    signal: str
    n: int
    received_ns: int
    value: msgspec.Raw
    quality: str
    provenance: str
    source_ns: int | msgspec.UnsetType = msgspec.UNSET
    status: int | msgspec.UnsetType = msgspec.UNSET
    reason: list[str] = msgspec.field(default_factory=list[str])


_ROW: Final = msgspec.json.Decoder(_Shown)
_TEXT: Final = msgspec.json.Decoder(str)


def format_disclosed(entries: Iterable[tuple[int, bytes]]) -> bytes:
    """Return ``entries.bin`` of (index, entry) pairs in ascending order of the index."""
    return b"".join(
        b"".join((index.to_bytes(8, "big"), hash_leaf(entry)[:LEAF_PREFIX_SIZE], len(entry).to_bytes(2, "big"), entry))
        for index, entry in entries
    )


def parse_disclosed(content: bytes) -> tuple[list[Disclosed], bool]:
    """Return the entries of ``entries.bin`` as far as they go, and whether they end where it ends."""
    entries: list[Disclosed] = []
    position = 0
    while position + _HEAD_SIZE <= len(content):
        stop = position + _HEAD_SIZE + int.from_bytes(content[position + 12 : position + _HEAD_SIZE], "big")
        if stop > len(content):
            break
        index = int.from_bytes(content[position : position + 8], "big")
        prefix = content[position + 8 : position + 8 + LEAF_PREFIX_SIZE]
        entries.append(Disclosed(index, prefix, content[position + _HEAD_SIZE : stop]))
        position = stop
    return entries, position == len(content)


def is_reading(record: bytes) -> bool:
    """Say whether a record's JSON is a reading of schema 1."""
    return record.startswith(_READING)


def render_readings(entries: Sequence[Disclosed]) -> bytes:
    """Return ``readings.csv``: one row per reading, values as their JSON text, strings without their quotes."""
    out = BytesIO()
    out.write(CSV_HEAD.encode())
    for one in entries:
        if is_reading(one.record):
            out.write(_row(one).encode())
    return out.getvalue()


def render_batch(subject_kind: str, subject_id: str, entries: Sequence[Disclosed]) -> bytes:
    """Return ``batch.json``: the subject and every record that is no reading, as stored, with its index."""
    subject = msgspec.json.encode({"kind": subject_kind, "id": subject_id})
    records = [b'{"index":%d,"record":%b}' % (e.index, e.record) for e in entries if not is_reading(e.record)]
    return b'{"format":"gateway-batch/1","subject":%b,"records":[%b]}\n' % (subject, b",\n".join(records))


def _row(one: Disclosed) -> str:
    try:
        shown = _ROW.decode(one.record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceRefused(f"record {one.index:,} is no reading: {error}") from error
    value = bytes(shown.value)
    cells = [
        str(one.index),
        shown.signal,
        str(shown.n),
        _number(shown.source_ns),
        str(shown.received_ns),
        _TEXT.decode(value) if value.startswith(b'"') else value.decode(),
        shown.quality,
        " ".join(shown.reason),
        _number(shown.status),
        shown.provenance,
    ]
    line = ",".join(cells)
    if line.count(",") == len(cells) - 1 and _SPECIAL.isdisjoint(line):
        return f"{line}\n"
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def _number(value: int | msgspec.UnsetType) -> str:
    return "" if isinstance(value, msgspec.UnsetType) else str(value)


def _quoted(cell: str) -> str:
    """Quote a cell that holds a separator (RFC 4180)."""
    if not any(c in cell for c in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'
