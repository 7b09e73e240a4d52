"""Scrubbing: every night what is stored is read again, and what is found goes into the ledger (`ledger.md` 6, scrub)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from msgspec import Struct

from gateway.errors import LedgerDoubt, Unavailable
from gateway.ledger.records import Gateway
from gateway.pipeline.stamp import Stamper
from gateway.ports import Journal, Scrubber, ScrubFinding, ScrubReport

LOOK_S: Final = 60.0
SETTLED_S: Final = 600.0
"""How long after a start a missed night waits: sources, fold and index come first."""
RETRY_S: Final = 3600.0
NIGHT_NS: Final = 2 * 3600 * 1_000_000_000
"""Two o'clock by the plant's own time."""
DAY_NS: Final = 24 * 3600 * 1_000_000_000
HOUR_NS: Final = DAY_NS // 24
NAMED_MAX: Final = 1_000
TEXT_MAX: Final = 300
EVENT: Final = "scrub"

_log = structlog.get_logger(component="scrub")

Last = Callable[[], Awaitable[tuple[int, int] | None]]
"""When the newest scrub was recorded (ns) and which night it was; None if there was none."""


class ScrubSettings(Struct, frozen=True):
    """Who we are, and how far the plant's clock is from UTC (ns) at a time."""

    gateway: str
    offset_ns: Callable[[int], int]


class ScrubStanding(Struct, kw_only=True):
    """What telemetry and pages are told of this run: files read, findings, the newest night, what is wrong."""

    files: int = 0
    findings: int = 0
    last_ns: int | None = None
    damaged: list[str] = []
    problem: str = ""


class Scrubbing:
    """Scrubs once a night; one that was missed is made up for. Turns are counted by nights done, so none is skipped."""

    def __init__(
        self,
        settings: ScrubSettings,
        scrubber: Scrubber,
        journal: Journal,
        stamp: Stamper,
        last: Last,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._scrubber = scrubber
        self._journal = journal
        self._stamp = stamp
        self._last = last
        self._sleep = sleep
        self.standing = ScrubStanding(damaged=[])

    async def run(self) -> None:
        """Scrub until cancelled."""
        await self._sleep(SETTLED_S)
        last = await self._last()
        began_ns = self._stamp.clock.now().wall_ns
        while True:
            since_ns = began_ns if last is None else last[0]
            if self._stamp.clock.now().wall_ns >= next_night(since_ns, self._settings.offset_ns):
                night = 0 if last is None else last[1] + 1
                try:
                    last = await self.scrub(night, (since_ns if last is not None else since_ns - DAY_NS) - HOUR_NS)
                except Unavailable as error:
                    self._fail(error)
                    await self._sleep(RETRY_S)
            await self._sleep(LOOK_S)

    async def scrub(self, night: int, since_ns: int) -> tuple[int, int]:
        """Read what is due and record it; return when and which night."""
        head = self._stamp()
        report = await self._scrubber.scrub_night(night, since_ns)
        standing = self.standing
        standing.files += report.files
        standing.last_ns, standing.problem = head["at_ns"], ""
        self._note(report.findings, report.more)
        self._append(_facts(report, night), urgent=bool(report.findings))
        _log.info("scrub.done", night=night, files=report.files, findings=len(report.findings) + report.more)
        return head["at_ns"], night

    def damaged(self, doubt: LedgerDoubt) -> None:
        """Record damage that was found outside the nights: by sealing a segment."""
        file = doubt.text.removeprefix("damaged: ").partition(" ")[0]
        found = ScrubFinding(file=file, text=doubt.text, remedy=doubt.remedy)
        self._note([found], 0)
        self._append(_found([found], 0), urgent=True)

    def report(self) -> dict[str, Any]:
        """Return what the health page says."""
        standing = self.standing
        return {
            "last_ns": standing.last_ns,
            "files": standing.files,
            "findings": standing.findings,
            "damaged": standing.damaged,
            "problem": standing.problem,
        }

    def _note(self, findings: Sequence[ScrubFinding], more: int) -> None:
        self.standing.findings += len(findings) + more
        for one in findings:
            self.standing.damaged = [*self.standing.damaged, one.text][-20:]
            _log.critical("ledger.damaged", file=one.file, error=one.text, remedy=one.remedy)

    def _append(self, facts: dict[str, Any], *, urgent: bool) -> None:
        record = Gateway(
            **self._stamp(), event="scrub", gateway=self._settings.gateway, run=self._stamp.run, facts=facts
        )
        self._journal.append([record], urgent=urgent)

    def _fail(self, error: Unavailable) -> None:
        if error.text != self.standing.problem:
            _log.error("scrub.failed", error=error.text, remedy=error.remedy)
        self.standing.problem = error.text


def next_night(since_ns: int, offset_ns: Callable[[int], int]) -> int:
    """Return the first two o'clock of the plant after ``since_ns`` (UTC, ns)."""
    local = since_ns + offset_ns(since_ns)
    due = local - local % DAY_NS + NIGHT_NS
    return (due if due > local else due + DAY_NS) - offset_ns(since_ns)


def _facts(report: ScrubReport, night: int) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "blobs": report.blobs,
        "bytes": report.bytes_read,
        "files": report.files,
        "night": night,
        "notes": report.notes,
        "segments": list(report.segments)[:NAMED_MAX],
        "size": report.size,
        **_found(report.findings, report.more),
    }
    return dict(sorted(facts.items()))


def _found(findings: Sequence[ScrubFinding], more: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"findings": len(findings) + more}
    if findings:
        facts["finding"] = [one.text[:TEXT_MAX] for one in findings]
        facts["finding_file"] = [one.file for one in findings]
    return dict(sorted(facts.items()))
