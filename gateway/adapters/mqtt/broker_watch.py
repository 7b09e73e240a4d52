"""Broker watch: what the broker says of itself under ``$SYS``: a restart or dropped messages are possible gaps."""

from __future__ import annotations

import re
from typing import Any, Final

UPTIME: Final = b"$SYS/broker/uptime"
DROPPED: Final = b"$SYS/broker/publish/messages/dropped"
TOPICS: Final = (UPTIME.decode(), DROPPED.decode())
TOLERANCE_NS: Final = 30_000_000_000
"""The broker publishes its uptime every ten seconds: two looks may differ by that and by its delay."""

_NUMBER: Final = re.compile(rb"(\d{1,15})(?:\D.*)?", re.DOTALL)
_SECOND: Final = 1_000_000_000


class BrokerWatch:
    """Remembers the last look; lives over all connections of a source."""

    def __init__(self) -> None:
        self._uptime_s: int | None = None
        self._started_ns = 0
        self._dropped: int | None = None

    def look(self, topic: bytes, payload: bytes, now_ns: int) -> tuple[str, dict[str, Any]] | None:
        """Return the cause and the facts of a possible gap between the last look and this one (monotonic ns), or None."""
        found = _NUMBER.fullmatch(payload)
        if found is None:
            return None
        number = int(found[1])
        return self._uptime(number, now_ns) if topic == UPTIME else self._drops(number)

    def _uptime(self, uptime_s: int, now_ns: int) -> tuple[str, dict[str, Any]] | None:
        before, started = self._uptime_s, self._started_ns
        self._uptime_s, self._started_ns = uptime_s, now_ns - uptime_s * _SECOND
        if before is None or (uptime_s >= before and self._started_ns <= started + TOLERANCE_NS):
            return None
        self._dropped = None
        return "broker_restart", {"uptime_before_s": before, "uptime_s": uptime_s}

    def _drops(self, dropped: int) -> tuple[str, dict[str, Any]] | None:
        before, self._dropped = self._dropped, dropped
        if before is None or dropped <= before:
            return None
        return "broker_dropped", {"dropped": dropped - before}
