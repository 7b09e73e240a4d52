"""Records of schema version 1: one JSON object a record, members in the order of `ledger.md` section 1.

``format_record`` makes the bytes once; ``parse_record`` reads them back. Bytes that are stored are never re-serialised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.errors import RecordTooLarge
from gateway.ledger.records.consequence import Batch, BatchNode, BatchSeal, Delivery, Deviation, Excursion
from gateway.ledger.records.head import (
    Content,
    Facts,
    Head,
    ObjectRef,
    format_content,
    format_raw,
    parse_content,
)
from gateway.ledger.records.measured import (
    Calibration,
    Clock,
    ClockCheck,
    ClockStep,
    Gap,
    GapEdge,
    NewReading,
    Quarantine,
    Reading,
    Signal,
    new_reading,
)
from gateway.ledger.records.people import Annotation, Audit, Review, ReviewScope, Signature, SignatureSubject
from gateway.ledger.records.system import Anchor, Build, Config, Endorsement, Gateway, Key

__all__ = [
    "KINDS",
    "RECORD_BYTES_MAX",
    "Anchor",
    "Annotation",
    "Audit",
    "Batch",
    "BatchNode",
    "BatchSeal",
    "Build",
    "Calibration",
    "Clock",
    "ClockCheck",
    "ClockStep",
    "Config",
    "Content",
    "Delivery",
    "Deviation",
    "Endorsement",
    "Excursion",
    "Facts",
    "Gap",
    "GapEdge",
    "Gateway",
    "Head",
    "Key",
    "NewReading",
    "ObjectRef",
    "Quarantine",
    "Reading",
    "Record",
    "Review",
    "ReviewScope",
    "Signal",
    "Signature",
    "SignatureSubject",
    "format_content",
    "format_raw",
    "format_record",
    "format_records",
    "kind_of",
    "new_reading",
    "parse_content",
    "parse_record",
]

Record = (
    Anchor
    | Annotation
    | Audit
    | Batch
    | Calibration
    | Clock
    | Config
    | Delivery
    | Deviation
    | Excursion
    | Gap
    | Gateway
    | Key
    | Quarantine
    | Reading
    | Review
    | Signal
    | Signature
)

KINDS: Final[dict[str, type[Record]]] = {
    "gateway": Gateway,
    "config": Config,
    "key": Key,
    "signal": Signal,
    "reading": Reading,
    "gap": Gap,
    "clock": Clock,
    "quarantine": Quarantine,
    "calibration": Calibration,
    "batch": Batch,
    "excursion": Excursion,
    "deviation": Deviation,
    "delivery": Delivery,
    "audit": Audit,
    "signature": Signature,
    "annotation": Annotation,
    "review": Review,
    "anchor": Anchor,
}

RECORD_BYTES_MAX: Final = 65_519
"""Longest JSON of one record: a uint16 entry length less the 16-byte salt."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {k: msgspec.json.Decoder(t) for k, t in KINDS.items()}


class _Kind(msgspec.Struct):
    kind: str


_KIND: Final = msgspec.json.Decoder(_Kind)


def format_record(record: Record) -> bytes:
    """Return the JSON bytes of a record; raise `RecordTooLarge` over the bound, writing nothing."""
    content = _ENCODER.encode(record)
    if len(content) > RECORD_BYTES_MAX:
        raise RecordTooLarge(
            f"record too large: {len(content):,} of {RECORD_BYTES_MAX:,} bytes ({record.kind}); nothing written",
            remedy="make the text, list or payload that it holds smaller",
        )
    return content


def format_records(records: Sequence[Record]) -> list[bytes]:
    """Return the JSON bytes of each record; raise `RecordTooLarge` where `format_record` would."""
    contents = list(map(_ENCODER.encode, records))
    if max(map(len, contents), default=0) > RECORD_BYTES_MAX:
        return list(map(format_record, records))  # raises, and says which
    return contents


def kind_of(content: bytes) -> str:
    """Return the kind of a record's JSON bytes without decoding the rest."""
    start = content.find(b'"kind":"', 0, 32)
    if start > 0:
        stop = content.find(b'"', start + 8, start + 40)
        if stop > 0:
            return content[start + 8 : stop].decode()
    return _KIND.decode(content).kind


def parse_record(content: bytes) -> Record:
    """Return the record of JSON bytes; members we do not know are kept in the bytes and ignored here.

    Raises `msgspec.ValidationError` when a member has another type than version 1 says, `KeyError` for an unknown kind.
    """
    record: Record = _DECODERS[kind_of(content)].decode(content)
    return record
