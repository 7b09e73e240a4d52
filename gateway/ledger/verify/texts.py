"""The exact texts of findings (`ledger.md` 5): one function per line of the table, so that nobody words them twice."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.ledger.verify.findings import Finding, amount

NS = 1_000_000_000
DIFFERS = "content hash differs"
NEVER_SEALED = "record was never sealed"
UNSTAMPED = "time stamp does not verify"

_DECODER = msgspec.json.Decoder(dict[str, Any])


def utc_ms(ns: int) -> str:
    """Return ``2026-11-20T03:14:07.250Z`` of ns since 1970; a time out of the calendar as plain ns."""
    days, rest = divmod(ns // NS, 86_400)
    year, month, day = _civil(days)
    hours, seconds = divmod(rest, 3600)
    minutes, seconds = divmod(seconds, 60)
    return f"{year:04d}-{month:02d}-{day:02d}T{hours:02d}:{minutes:02d}:{seconds:02d}.{ns % NS // 1_000_000:03d}Z"


def describe(record: bytes | None) -> str:
    """Return `` (2026-11-20T03:14:07.250Z FRZ-01/temp)`` of a record's JSON, nothing if it cannot be read."""
    if record is None:
        return ""
    if min(record, default=0) < 0x20:  # noqa: PLR2004  no record holds a control character
        return ""
    try:
        members = _DECODER.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    ns = members.get("received_ns", members.get("at_ns"))
    name = members.get("signal", members.get("kind"))
    if type(ns) is not int or not isinstance(name, str) or not 0 <= ns < 1 << 63:
        return ""
    return f" ({utc_ms(ns)} {name})"


def altered(index: int, record: bytes | None, **place: Any) -> Finding:
    """One record whose content hash differs."""
    text = f"FAILED at record {index:,}{describe(record)}: {DIFFERS}"
    return Finding(class_="altered", first=index, last=index, text=text, **place)


def altered_range(first: int, last: int, why: str = DIFFERS, **place: Any) -> Finding:
    """Records among which one differs that can no longer be named."""
    return Finding(class_="altered", first=first, last=last, text=f"FAILED {span(first, last)}: {why}", **place)


def missing(index: int, n: int, **place: Any) -> Finding:
    """``n`` records that should stand from ``index``."""
    text = f"FAILED at record {index:,}: {amount(n, 'record')} missing"
    return Finding(class_="missing", first=index, last=index + n - 1, text=text, **place)


def inserted(index: int, **place: Any) -> Finding:
    """A record that the tree never held."""
    return Finding(
        class_="inserted", first=index, last=index, text=f"FAILED at record {index:,}: {NEVER_SEALED}", **place
    )


def reordered(index: int, belongs: int, **place: Any) -> Finding:
    """A record that stands at the place of another."""
    text = f"FAILED at record {index:,}: out of order, belongs at {belongs:,}"
    return Finding(class_="reordered", first=index, last=index, text=text, **place)


def truncated(size: int, published: int) -> Finding:
    """A ledger that ends before what was published."""
    text = f"FAILED at record {size:,}: ledger ends here, {published:,} were published"
    return Finding(class_="truncated", first=size, last=published - 1, size=published, text=text)


def split(size: int, ours: bytes, theirs: bytes) -> Finding:
    """Two sealed trees of one size."""
    text = f"FAILED at size {size:,}: two sealed trees, roots {ours[:4].hex()} and {theirs[:4].hex()}"
    return Finding(class_="split", size=size, text=text)


def never_sealed(size: int, theirs: bytes) -> Finding:
    """A tree that others have seen, of a size at which no frame ends here: only ends of frames are ever published."""
    text = f"FAILED at size {size:,}: two sealed trees, root {theirs[:4].hex()} was seen and no frame ends there"
    return Finding(class_="split", size=size, text=text)


def unsealed(size: int, key: str, **place: Any) -> Finding:
    """A seal or cosignature that fails, or is of no key that counts for this size."""
    text = f"FAILED at size {size:,}: signature of {key} does not verify"
    return Finding(class_="signature", size=size, text=text, **place)


def bad_note(size: int, why: str, **place: Any) -> Finding:
    """A checkpoint that cannot be read as one."""
    return Finding(class_="signature", size=size, text=f"FAILED at size {size:,}: {why}", **place)


def at_size(class_: Any, size: int, why: str) -> Finding:
    """A tree size whose frozen note or time stamp is not what its record says."""
    return Finding(class_=class_, size=size, text=f"FAILED at size {size:,}: {why}")


def unwitnessed(size: int, cosigned: int, required: int) -> Finding:
    """A checkpoint without the cosignatures its policy asks."""
    text = f"UNWITNESSED at size {size:,}: {cosigned} of {required} cosignatures"
    return Finding(class_="unwitnessed", size=size, text=text)


def index_differs(index: int, table: str) -> Finding:
    """The first record about which the index, which is no evidence, and the ledger disagree."""
    text = (
        f"FAILED at record {index:,}: index differs from ledger ({table}); gateway ledger rebuild-index makes it again"
    )
    return Finding(class_="index", first=index, last=index, text=text)


def in_file(class_: Any, file: str, why: str) -> Finding:
    """A member of a bundle that is not what its manifest or its name says."""
    return Finding(class_=class_, file=file, text=f"FAILED in {file}: {why}")


def note(text: str, **place: Any) -> Finding:
    """Something worth knowing that is no failure."""
    return Finding(class_="note", text=f"note: {text}", **place)


def torn_tail(length: int, size: int, **place: Any) -> Finding:
    """Bytes after the last whole frame, which nobody was told of."""
    where = f"after record {size - 1:,}" if size else "before the first record"
    return note(f"torn tail of {length:,} bytes {where}, never acknowledged", **place)


def span(first: int, last: int) -> str:
    """Return ``at record 7`` or ``in records 7..9``."""
    return f"at record {first:,}" if first == last else f"in records {first:,}..{last:,}"


def _civil(days: int) -> tuple[int, int, int]:
    """Return (year, month, day) of days since 1970-01-01: era arithmetic, no clock and no zone data needed."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9  # noqa: PLR2004  March is 0
    return year_of_era + era * 400 + (month <= 2), month, day  # noqa: PLR2004  January and February end the year
