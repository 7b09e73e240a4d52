"""What verification reads in the records themselves: `n` without hole, keys, anchors, configurations, strange members.

Everything here is told per file, so that files can be read by several processes and joined in order afterwards.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.ledger.records import KINDS, Anchor, Config, Gateway, Key, Reading, kind_of
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding

_READING: Final = b'{"v":1,"kind":"reading",'
_NOTES_MAX: Final = 50
"""Notes kept of one file: one strange member in each record must not fill the memory."""


def _strict(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    """Return a decoder that refuses members version 1 does not know."""
    options = {"forbid_unknown_fields": True, "frozen": True, "kw_only": True, "gc": False}
    named = types.new_class(kind.__name__, (kind,), options)
    return msgspec.json.Decoder(named)


_DECODERS: Final = {kind: _strict(cls) for kind, cls in KINDS.items()}
_DECODE_READING: Final = _DECODERS["reading"].decode


class SignalRun(msgspec.Struct):
    """Readings of one signal in one file: first n with its record index, last n."""

    n_first: int
    index: int
    n_last: int


class RecordFacts(msgspec.Struct):
    """What the records of one file say. ``told``: records the verifier acts upon, with their indexes, in order.

    ``holes``: an `n` that does not follow; it counts only where no record of the file is itself damaged.
    """

    signals: dict[str, SignalRun] = msgspec.field(default_factory=dict[str, SignalRun])
    told: list[tuple[int, Key | Anchor | Config | Gateway]] = msgspec.field(
        default_factory=list[tuple[int, Key | Anchor | Config | Gateway]]
    )
    holes: list[Finding] = msgspec.field(default_factory=list[Finding])
    findings: list[Finding] = msgspec.field(default_factory=list[Finding])


def read_records(facts: RecordFacts, first: int, records: Sequence[bytes], file: str) -> None:
    """Add what consecutive records (JSON bytes without salt) say to the facts of their file."""
    signals, decode = facts.signals, _DECODE_READING
    for index, record in enumerate(records, start=first):
        if not record.startswith(_READING):
            _read_other(facts, index, record, file)
            continue
        try:
            reading = decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            loose = _note_strange(facts, index, record, file, error)
            if not isinstance(loose, Reading):
                continue
            reading = loose
        run = signals.get(reading.signal)
        if run is None:
            signals[reading.signal] = SignalRun(reading.n, index, reading.n)
        else:
            if reading.n != run.n_last + 1:
                facts.holes.append(hole(index, reading.signal, run.n_last, reading.n, file))
            run.n_last = reading.n


def hole(index: int, signal: str, before: int, n: int, file: str | None) -> Finding:
    """Return the finding of an `n` that does not follow: readings left out, or one too many."""
    text = f"FAILED at record {index:,}: reading {n:,} of {signal} after {before:,}"
    return Finding(class_="missing" if n > before else "inserted", first=index, last=index, file=file, text=text)


def _read_other(facts: RecordFacts, index: int, record: bytes, file: str) -> None:
    try:
        kind = kind_of(record)
        decoder = _DECODERS[kind]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _note(facts, texts.note(f"record {index:,} is no record of schema 1", first=index, last=index, file=file))
        return
    except KeyError:
        _note(facts, texts.note(f"record {index:,} has an unknown kind", first=index, last=index, file=file))
        return
    try:
        told = decoder.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = _note_strange(facts, index, record, file, error)
    if isinstance(told, Key | Anchor | Config) or (isinstance(told, Gateway) and told.event == "pruned"):
        # read once more as the plain kind: a strict class has no name that another process could find
        plain: Any = msgspec.json.decode(record, type=KINDS[kind])
        facts.told.append((index, plain))


def _note_strange(facts: RecordFacts, index: int, record: bytes, file: str, error: Exception) -> Any:
    """Note a record that is not exactly of schema 1; return it read loosely, None if not even that."""
    _note(facts, texts.note(f"record {index:,}: {error}", first=index, last=index, file=file))
    try:
        return msgspec.json.decode(record, type=KINDS[kind_of(record)])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _note(facts: RecordFacts, finding: Finding) -> None:
    if len(facts.findings) < _NOTES_MAX:
        facts.findings.append(finding)
