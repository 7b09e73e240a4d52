"""Conditions of what others sign (`excursions.md` 6): witnesses and time stamps that fail to come, the machine of the limits over flags.

Onset is when the cause began: the oldest published head that lacks its quorum, the newest time stamp there is.
"""

from __future__ import annotations

from gateway.domain.data_conditions import GONE_NS
from gateway.domain.limits import SECOND_NS, Condition, Level

WITNESS_STALE = "system:witness_stale"
TIMESTAMP_STALE = "system:timestamp_stale"
"""Flag tracks; their conditions are ``<track>.alert`` and ``<track>.action``."""

QUORUM_ALERT_NS = 60 * SECOND_NS
QUORUM_ACTION_NS = 900 * SECOND_NS
STAMP_ACTION_NS = 24 * 3600 * SECOND_NS
STAMPS_MISSED = 3


def witness_conditions() -> tuple[Condition, ...]:
    """Return ``witness_stale``: no quorum of witnesses for 60 s, for 15 min."""
    return _flag(WITNESS_STALE, QUORUM_ALERT_NS, QUORUM_ACTION_NS)


def timestamp_conditions(every_ns: int) -> tuple[Condition, ...]:
    """Return ``timestamp_stale``: no time stamp for three times ``every_ns``, for 24 h."""
    return _flag(TIMESTAMP_STALE, *stamp_delays(every_ns))


def stamp_delays(every_ns: int) -> tuple[int, int]:
    """Return after how long without a time stamp alert and action come, ns."""
    alert_ns = STAMPS_MISSED * every_ns
    return alert_ns, max(STAMP_ACTION_NS, alert_ns)


def _flag(track: str, alert_ns: int, action_ns: int) -> tuple[Condition, ...]:
    delays: tuple[tuple[Level, int], ...] = (("alert", alert_ns), ("action", action_ns))
    return tuple(
        Condition(
            id=f"{track}.{level}",
            signal=track,
            level=level,
            evaluate="flag",
            class_="system",
            on_delay_ns=delay_ns,
            off_delay_ns=GONE_NS,
        )
        for level, delay_ns in delays
    )
