"""Cutting: one message of a route becomes its samples, or a reason why the whole of it goes to quarantine.

Pure: bytes and clocks in, samples out. A message is read whole or not at all; one record that lacks a member is bad
(``absent``) and the others stand. The first sample carries the payload, all of them its SHA-256.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct, structs

from gateway.adapters.mqtt.json_payload import (
    ARRAY,
    DIGITS_MAX,
    OBJECT,
    Unreadable,
    decode_text,
    format_tree,
    parse_json,
)
from gateway.adapters.mqtt.path import MISSING
from gateway.adapters.mqtt.route import Field, Route, TimePath
from gateway.adapters.mqtt.times import CLAMPED, NO_TIME, SourceTime
from gateway.domain.repeat import value_key
from gateway.domain.sample import ABSENT, Payload, Provenance, Raw, Sample
from gateway.domain.source_clock import YEAR_2020_NS

SAMPLES_MAX: Final = 10_000
STRING_BYTES_MAX: Final = 4096
_COUNTER_DIGITS_MAX: Final = 18
_CODE_DIGITS_MAX: Final = 9

DEVICE_BUFFER: Final = "device_buffer"

_TRUE: Final = Raw("bool", True)
_FALSE: Final = Raw("bool", False)
_NULL: Final = Raw("null", "")
_ABSENT_REASONS: Final = ("absent",)
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


class Receipt(Struct, frozen=True, gc=False):
    """How and when the bytes came: our clocks in ns, transport flags in byte order, provenance."""

    received_ns: int
    boot_ns: int
    flags: tuple[str, ...] = ()
    provenance: Provenance = Provenance.LIVE


class Cut(Struct, frozen=True, gc=False):
    """What one message holds; ``sequences`` are the device counters in order, where they are integers."""

    samples: tuple[Sample, ...]
    sequences: tuple[int, ...] = ()

    @property
    def source_ns(self) -> int | None:
        """Newest source time in it."""
        if len(self.samples) == 1:
            return self.samples[0].source_ns
        return max((one.source_ns for one in self.samples if one.source_ns is not None), default=None)


class Quarantined(Struct, frozen=True):
    """Why the whole message cannot be read: a code of `ingest.md` 6, and words."""

    reason: str
    why: str = ""


def cut(
    route: Route, content: bytes, receipt: Receipt, *, payload_bytes_max: int, digest: str | None = None
) -> Cut | Quarantined:
    """Return the samples of one message, in record order then field order, or why it is quarantined."""
    if len(content) > payload_bytes_max:
        return Quarantined("too_large", f"{len(content)} bytes, limit {payload_bytes_max}")
    try:
        tree = _tree(route, content)
        records: list[Any] = [tree] if route.whole and type(tree) is not ARRAY else _records(route, tree)
        if len(records) * len(route.fields) > SAMPLES_MAX:
            return Quarantined(
                "too_many", f"{len(records)} records of {len(route.fields)} signals, limit {SAMPLES_MAX}"
            )
        payload = Payload(content, digest or sha256(content).hexdigest())
        found = _cut_records(route, records, receipt, payload)
    except Unreadable as error:
        return Quarantined(error.reason, error.why)
    return found if found.samples else Quarantined("no_binding", "no declared signal in it")


def _tree(route: Route, content: bytes) -> Any:
    if route.codec is not None:
        try:
            content = route.codec(content)
        except (ValueError, ArithmeticError, LookupError) as error:
            raise Unreadable("codec_failed", f"{type(error).__name__}: {error}"[:200]) from error
        return parse_json(content)
    return parse_json(content) if route.format == "json" else decode_text(content).strip()


def _records(route: Route, tree: Any) -> list[Any]:
    """Return the records of a payload: an object is one, a list is many, parallel arrays are zipped."""
    found = route.records(tree)
    if found is MISSING:
        raise Unreadable("no_binding", "the path of records leads nowhere")
    many = found if type(found) is ARRAY else [found]
    if len(many) > SAMPLES_MAX:
        raise Unreadable("too_many", f"{len(many)} records, limit {SAMPLES_MAX}")
    if not route.zip:
        return many
    return [record for one in many for record in _zipped(one, route.zip)]


def _zipped(record: Any, names: tuple[str, ...]) -> list[Any]:
    """Return one record per place of the parallel arrays; what a shorter array lacks is absent there."""
    if type(record) is not OBJECT:
        return [record]
    arrays = {name: record[name] for name in names if type(record.get(name)) is ARRAY}
    rest = {name: one for name, one in record.items() if name not in arrays}
    length = max((len(array) for array in arrays.values()), default=0)
    if length > SAMPLES_MAX:
        raise Unreadable("too_many", f"{length} values in an array, limit {SAMPLES_MAX}")
    return [rest | {name: array[at] for name, array in arrays.items() if at < len(array)} for at in range(length)]


def _cut_records(route: Route, records: list[Any], receipt: Receipt, payload: Payload) -> Cut:
    samples: list[Sample] = []
    sequences: list[int] = []
    for record in records:
        shared = time_of(route.time, record, receipt)
        key = sequence_of(route, record, sequences) if route.keyed else None
        for field in route.fields:
            name = field.name
            if name is not None:
                found = record.get(name, MISSING) if type(record) is OBJECT else MISSING
            else:
                found = field.get(record)
            if found is MISSING and route.partial:
                continue
            stamp = shared if field.time is None else time_of(field.time, record, receipt)
            sample = sample_of(field, found, stamp, receipt, payload, len(samples), key)
            if field.quality is not None:
                status, native = _told_quality(field.quality(record))
                sample = structs.replace(sample, status=status, native=native)
            samples.append(sample)
    return Cut(tuple(samples), tuple(sequences))


def time_of(time: TimePath | None, record: Any, receipt: Receipt) -> SourceTime:
    """Return the time that stands in a record, and whether it is so old that the value waited in the device."""
    if time is None:
        return NO_TIME
    found = time.get(record)
    if found is MISSING:
        return NO_TIME
    stamp = time.read(found, receipt.received_ns)
    if stamp.ns is not None and YEAR_2020_NS <= stamp.ns < receipt.received_ns - time.age_ns_max:
        return structs.replace(stamp, buffered=True)  # before 2020 a clock was never set and tells no age
    return stamp


def sequence_of(route: Route, record: Any, sequences: list[int]) -> str:
    """Return what names this record among its repeats; note an integer counter for hole detection."""
    names: list[str] = []
    if route.sequence is not None:
        found = route.sequence(record)
        if type(found) is Raw and not route.dedupe:  # nearly every counter: a number, and nothing beside it
            text = str(found.value)
            if text.isdigit() and len(text) <= _COUNTER_DIGITS_MAX:
                sequences.append(int(text))
            return text
        names.append("" if found is MISSING else format_tree(found))
        if type(found) is Raw and str(found.value).isdigit() and len(str(found.value)) <= _COUNTER_DIGITS_MAX:
            sequences.append(int(str(found.value)))
    for get in route.dedupe:
        found = get(record)
        names.append("" if found is MISSING else format_tree(found))
    return "|".join(names)


def _told_quality(found: Any) -> tuple[int | None, str | None]:
    """Return (code, word) of what the device says of its value; a member that is missing is an unknown word, not silence."""
    if found is MISSING:
        return None, ""
    text = format_tree(found) if type(found) is not str else found
    if type(found) is Raw and text.isdigit() and len(text) <= _CODE_DIGITS_MAX:
        return int(text), None
    return None, text


def sample_of(
    field: Field, found: Any, stamp: SourceTime, receipt: Receipt, payload: Payload, part: int, key: str | None
) -> Sample:
    """Return the sample of one field: ``found`` is what stands at its path, ``part`` its place, ``key`` names the record."""
    flags = receipt.flags
    reasons = (stamp.reason,) if stamp.reason else ()
    if type(found) is Raw:
        raw = found
    elif found is MISSING:
        raw, reasons = ABSENT, (*_ABSENT_REASONS, *reasons)
    else:
        raw, is_cut = _raw(found, field)
        if is_cut:
            flags = (*flags, "string_cut")
    if stamp.clamped:
        flags = (CLAMPED, *flags)
    buffered = stamp.buffered and receipt.provenance is Provenance.LIVE
    return Sample(
        field.address,
        raw,
        receipt.received_ns,
        receipt.boot_ns,
        stamp.ns,
        part,
        payload,
        None if key is None else value_key(field.address, stamp.ns, key, f"{raw.type}:{raw.value}"),
        flags,
        reasons,
        Provenance.HISTORICAL if buffered else receipt.provenance,
        DEVICE_BUFFER if buffered else None,
    )


def _raw(found: Any, field: Field) -> tuple[Raw, bool]:
    """Return the exact value, and whether a string had to be cut to its bound (the payload keeps all of it)."""
    if type(found) is str:
        return _plain(found, field.wire_type) if field.plain else _text(found)
    if found is True:
        return _TRUE, False
    if found is False:
        return _FALSE, False
    if found is None:
        return _NULL, False
    text, is_cut = _text(format_tree(found))
    return (text if is_cut else Raw("json", text.value)), is_cut


def _plain(text: str, wire_type: str) -> tuple[Raw, bool]:
    """Return what a payload of plain text says where a number or a truth value is declared; else the text itself."""
    if wire_type in {"number", "integer"} and _JSON_NUMBER.fullmatch(text) is not None:
        if sum(c.isdigit() for c in text) > DIGITS_MAX:
            raise Unreadable("too_long", f"a number has more than {DIGITS_MAX} digits")
        return Raw("num", text), False
    if wire_type == "boolean" and text in {"true", "false"}:
        return (_TRUE if text == "true" else _FALSE), False
    return _text(text)


def _text(text: str) -> tuple[Raw, bool]:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise Unreadable("not_utf8", "a lone surrogate in a string") from None
    if len(encoded) <= STRING_BYTES_MAX:
        return Raw("str", text), False
    return Raw("str", encoded[:STRING_BYTES_MAX].decode(errors="ignore")), True
