"""What verification found: findings with their exact texts, the result with its last line, exit code and JSON form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

FindingClass = Literal[
    "altered",
    "missing",
    "inserted",
    "reordered",
    "truncated",
    "split",
    "signature",
    "unwitnessed",
    "index",
    "note",
]

SHOWN_MAX: Final = 20
"""Findings printed before `and N more`."""
_AFTER: Final[dict[FindingClass, int]] = {"index": 1, "unwitnessed": 2}
KEPT_MAX: Final = 1000
"""Findings kept at all; beyond it they are only counted (a rotten file must not fill the memory)."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. ``first``, ``last``: record indexes; ``size``: tree size; ``file``, ``offset``: where the bytes stand.

    ``text`` is the whole line. A ``note`` is worth knowing and does not fail the verification.
    """

    class_: FindingClass = msgspec.field(name="class")
    first: int | None = None
    last: int | None = None
    size: int | None = None
    file: str | None = None
    offset: int | None = None
    text: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much was verified: records, sealed tree sizes, witnesses that cosigned, time stamps."""

    records: int = 0
    heads: int = 0
    witnesses: int = 0
    time_stamps: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a verification. ``subject``: what a bundle is about, ``batch B-123``. ``more``: findings not kept."""

    counts: Counts
    findings: tuple[Finding, ...] = ()
    subject: str = ""
    size: int = 0
    root: bytes = b""
    bracket: tuple[int | None, int | None] | None = None
    more: int = 0

    @property
    def failures(self) -> list[Finding]:
        """Findings that are no notes, the one that names the last line first."""
        return [one for one in self.findings if one.class_ != "note"]

    @property
    def result(self) -> Literal["verified", "failed", "unwitnessed"]:
        """``unwitnessed`` only if nothing else is wrong."""
        failures = self.failures
        if not failures:
            return "verified"
        return "unwitnessed" if failures[0].class_ == "unwitnessed" else "failed"

    @property
    def exit_code(self) -> int:
        """0 verified, 1 anything else; 2, 69 and 78 are the command's own."""
        return int(self.result != "verified")

    @property
    def last_line(self) -> str:
        """The line of `ledger.md` 5: the first failure, or `VERIFIED` with what was verified, zero parts left out."""
        failures = self.failures
        if failures:
            return failures[0].text
        counts = self.counts
        parts = [
            amount(counts.records, "record"),
            *(amount(counts.heads, "head") for _ in range(counts.heads > 0)),
            *(amount(counts.witnesses, "witness", "witnesses") for _ in range(counts.witnesses > 0)),
            *(amount(counts.time_stamps, "time stamp") for _ in range(counts.time_stamps > 0)),
            *(self.subject for _ in range(bool(self.subject))),
        ]
        return f"VERIFIED  {', '.join(parts)}"

    def lines(self) -> list[str]:
        """Return what a command prints: notes, then at most 20 failures and how many more, then the last line."""
        notes = [one.text for one in self.findings if one.class_ == "note"]
        failures = [one.text for one in self.failures]
        shown = notes[:SHOWN_MAX] + (failures[:SHOWN_MAX] if len(failures) > 1 else [])
        more = max(len(notes) - SHOWN_MAX, 0) + max(len(failures) - SHOWN_MAX, 0) + self.more
        return [*shown, *(f"and {more:,} more" for _ in range(more > 0)), self.last_line]

    def joined(self, finding: Finding) -> Result:
        """Return the result with one finding more."""
        return msgspec.structs.replace(self, findings=order_findings((*self.findings, finding)))

    def to_json(self) -> bytes:
        """Return the form ``verify/1``."""
        bracket = self.bracket and {"after_ns": self.bracket[0], "before_ns": self.bracket[1]}
        document: dict[str, Any] = {
            "format": "verify/1",
            "result": self.result,
            "counts": self.counts,
            "bracket": bracket,
            "findings": self.findings,
        }
        return msgspec.json.encode(document)


class Collector:
    """Collects findings in the order of the records they are about, and stops keeping them at a bound."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.more = 0

    def add(self, finding: Finding) -> None:
        """Take one finding."""
        if len(self.kept) < KEPT_MAX:
            self.kept.append(finding)
        else:
            self.more += 1

    def ordered(self) -> tuple[Finding, ...]:
        """Return the findings, the first record first, a missing quorum last: the first one names the last line."""
        return order_findings(self.kept)


def order_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Order by record or size, so that the last line names the first damage; what is no evidence comes after it."""

    def place(finding: Finding) -> tuple[int, int]:
        where = finding.first if finding.first is not None else finding.size
        return (_AFTER.get(finding.class_, 0), 1 << 63 if where is None else where)

    return tuple(sorted(findings, key=place))


def amount(n: int, one: str, many: str = "") -> str:
    """Return ``1 head``, ``86,400 records``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
