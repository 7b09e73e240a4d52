"""What the tests of the evaluation share: seconds, readings, and a signal played through the evaluator."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from gateway.domain.evaluator import Evaluator
from gateway.domain.excursion_event import ExcursionEvent
from gateway.domain.limits import SECOND_NS, Condition
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import NEVER_NS, Instant, SignalWatch
from gateway.domain.timer_effect import WrittenEvent

SIGNAL = "FRZ-01/temp"
START_S = 1_000_000


def ns(seconds: float) -> int:
    """Test seconds to effective time in ns."""
    return int((START_S + seconds) * SECOND_NS)


def s(instant_ns: int | None) -> float | None:
    """Effective time in ns to test seconds."""
    return None if instant_ns is None else instant_ns / SECOND_NS - START_S


def high(limit: str = "8.0", *, hysteresis: str = "0.5", on: int = 60, off: int = 30, **more: Any) -> Condition:
    return Condition(
        id=f"{SIGNAL}:high.action",
        signal=SIGNAL,
        level="action",
        side="high",
        limit=Decimal(limit),
        hysteresis=Decimal(hysteresis),
        on_delay_ns=on * SECOND_NS,
        off_delay_ns=off * SECOND_NS,
        rule="COLD@1",
        **more,
    )


class Bench:
    """One signal, one evaluator; keeps what was folded and what came out."""

    def __init__(self, *conditions: Condition, stale_s: float | None = None, at: float = 0.0) -> None:
        self.evaluator = Evaluator()
        self.events: list[ExcursionEvent] = []
        self.index = 0
        self.stale_ns = NEVER_NS if stale_s is None else int(stale_s * SECOND_NS)
        self.rules(at, *conditions)

    def rules(self, at: float, *conditions: Condition, ended_by: str = "limit_change") -> None:
        watch = SignalWatch(signal=SIGNAL, stale_ns=self.stale_ns, conditions=conditions)
        self.events += self.evaluator.apply_rules(watch, Instant(self._next(), ns(at), ns(at)), ended_by)

    def read(
        self,
        at: float,
        value: Any,
        *,
        quality: str = "good",
        basis: str = "source",
        boot: float | None = None,
        **more: Any,
    ) -> tuple[ExcursionEvent, ...]:
        told = self.evaluator.apply_reading(
            ReadingView(
                index=self._next(),
                signal=SIGNAL,
                te_ns=ns(at),
                value=value,
                quality=quality,
                basis=basis,
                monotonic_ns=ns(at if boot is None else boot),
                received_ns=ns(at),
                **more,
            ),
        )
        self.events += told
        return told

    def play(self, samples: Iterable[tuple[float, Any]], **more: Any) -> Bench:
        for at, value in samples:
            self.read(at, value, **more)
        return self

    def write(self, event: ExcursionEvent) -> None:
        """The event's record is committed and comes back."""
        self.events += self.evaluator.apply_written(written(event, self._next()))

    def silence(self, until: float) -> tuple[ExcursionEvent, ...]:
        """The clock shows `until` and nothing has arrived: what the timers propose is committed and comes back."""
        told = self.evaluator.due(ns(until), ns(until))
        self.events += told
        for event in told:
            self.write(event)
        return told

    def state(self, condition: str = f"{SIGNAL}:high.action") -> Any:
        return next(st for ch, st in self.evaluator.track(SIGNAL).conditions() if ch.condition.id == condition)

    def of(self, event: str) -> list[ExcursionEvent]:
        return [e for e in self.events if e.event == event]

    def shorts(self) -> tuple[int, float, float]:
        """Count, sum of lengths and sum of time strictly beyond of all short breaches, told or still waiting."""
        told = self.of("short_breach")
        count, length, beyond = (sum(getattr(e, f) for e in told) for f in ("count", "duration_ns", "breach_ns"))
        waiting = self.state().short
        if waiting is not None:
            count, length, beyond = count + waiting.count, length + waiting.duration_ns, beyond + waiting.breach_ns
        return count, length / SECOND_NS, beyond / SECOND_NS

    def _next(self) -> int:
        self.index += 1
        return self.index


def written(event: ExcursionEvent, index: int) -> WrittenEvent:
    return WrittenEvent(
        index=index,
        signal=event.signal,
        condition=event.condition,
        event=event.event,
        t0_ns=event.t0_ns,
        decided=event.decided,
        class_=event.class_,
        level=event.level,
        rule=event.rule,
        test=event.test,
        raised_ns=event.raised_ns,
        cause=event.cause,
    )
