"""Diagnostics: structlog, JSON Lines on stderr. For people who run the box; the evidence is the ledger, never this.

Fixed fields ``logged_at, level, event, component, boot_id, ledger_size``; never client, product, person names, comments,
topics, URLs, secrets or values. Repeats within 60 s are summed and told with ``count``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from gateway.ports import SystemClock

REPEAT_NS = 60_000_000_000
LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

Event = MutableMapping[str, Any]


class _Repeats:
    """Drops what was said less than a minute ago and says how often when it is said again."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._told: dict[tuple[Any, ...], tuple[int, int]] = {}

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        del logger, method
        key = (event.get("event"), event.get("component"), event.get("source"), event.get("sink"), event.get("task"))
        now = self._clock.now().monotonic_ns
        since, count = self._told.get(key, (now - REPEAT_NS, 0))
        if now - since < REPEAT_NS and count:
            self._told[key] = (since, count + 1)
            raise structlog.DropEvent
        self._told[key] = (now, 1)
        if count > 1:
            event["count"] = count
        return event


def configure(
    clock: SystemClock, ledger_size: Callable[[], int], *, level: str = "info", stream: TextIO | None = None
) -> None:
    """Configure structlog once, in the composition root; foreign libraries' loggers speak from ERROR up."""

    def fixed(logger: Any, method: str, event: Event) -> Event:
        del logger
        return {
            "logged_at": _utc(clock.now().wall_ns),
            "level": method,
            "event": event.pop("event"),
            "component": event.pop("component", "gateway"),
            "boot_id": clock.boot_id,
            "ledger_size": ledger_size(),
            **event,
        }

    structlog.configure(
        processors=[
            _Repeats(clock),
            fixed,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    for name in ("asyncua", "paho", "aiohttp", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _utc(wall_ns: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - only where a line is written

    return datetime.fromtimestamp(wall_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
