"""Conditions of missing and bad data (`excursions.md` 6): the machine of the limits with other questions.

Onset of ``no_data`` is the instant the value went stale, of ``bad_quality`` the bad reading, of ``comm_lost`` the loss.
Each ends when its cause has been gone for 60 s.
"""

from __future__ import annotations

from gateway.domain.limits import SECOND_NS, Condition

GONE_NS = 60 * SECOND_NS
"""How long the cause must be gone before a data or system condition ends."""

COMM_LOST_ALERT_NS = 10 * SECOND_NS
FIVE_MINUTES_NS = 300 * SECOND_NS


def signal_conditions(signal: str, *, expected_ns: int, stale_ns: int) -> tuple[Condition, ...]:
    """Return ``no_data`` and ``bad_quality`` at alert and action for one signal.

    ``no_data``: alert 2 x ``stale_ns`` after the last reading, action after max(10 x expected, 300 s); the delays count
    from the onset, which is ``stale_ns`` after that reading.
    """
    missing_action = max(10 * expected_ns, FIVE_MINUTES_NS, 2 * stale_ns)
    bad_action = max(stale_ns, FIVE_MINUTES_NS)
    test = signal.endswith("~test")

    def no_data(level: str, delay_ns: int) -> Condition:
        return Condition(
            id=f"{signal}:no_data.{level}",
            signal=signal,
            level="alert" if level == "alert" else "action",
            evaluate="no_data",
            class_="data",
            on_delay_ns=delay_ns,
            off_delay_ns=GONE_NS,
            test=test,
        )

    def bad_quality(level: str, delay_ns: int) -> Condition:
        return Condition(
            id=f"{signal}:bad_quality.{level}",
            signal=signal,
            level="alert" if level == "alert" else "action",
            evaluate="bad_quality",
            class_="data",
            on_delay_ns=delay_ns,
            off_delay_ns=GONE_NS,
            test=test,
        )

    return (
        no_data("alert", stale_ns),
        no_data("action", missing_action - stale_ns),
        bad_quality("alert", stale_ns),
        bad_quality("action", bad_action),
    )


def source_conditions(source: str) -> tuple[Condition, ...]:
    """Return ``comm_lost`` at alert (10 s) and action (300 s) for one source; its flag track is ``<source>:comm_lost``."""
    track = f"{source}:comm_lost"
    return (
        Condition(
            id=f"{track}.alert",
            signal=track,
            level="alert",
            evaluate="flag",
            class_="data",
            on_delay_ns=COMM_LOST_ALERT_NS,
            off_delay_ns=GONE_NS,
        ),
        Condition(
            id=f"{track}.action",
            signal=track,
            level="action",
            evaluate="flag",
            class_="data",
            on_delay_ns=FIVE_MINUTES_NS,
            off_delay_ns=GONE_NS,
        ),
    )
