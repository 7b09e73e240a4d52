"""SignalTrack: the value in force on one signal, its data time, and the state of every condition on it.

A reading inside all bands while all conditions are idle touches nothing but ``last`` (see `SignalTrack.passes`).

Data time is the effective time itself while readings rest on source time, and advances by monotonic differences while they
rest on received time, so that a step of the wall clock changes no duration. ``shift_ns`` joins the pieces.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.band import as_number, is_number
from gateway.domain.check import Arrival, Check, calm_range
from gateway.domain.condition_state import ConditionState
from gateway.domain.evaluation import Held, Steps, advance, due_d, step
from gateway.domain.excursion_event import EndedBy
from gateway.domain.limits import Condition
from gateway.domain.reading_view import ReadingView
from gateway.domain.rule_change import carry_over, end, enter
from gateway.domain.track_state import LateReadings, TrackState

CLOCK_STEP_NS = 50_000_000
"""Wall clock against monotonic clock between two readings: beyond this an excursion names the doubt ``clock``."""

NEVER_NS = 1 << 62
"""Stale time of a flag: what it says stays in force until it says otherwise."""

NOTHING_YET = "none"
"""Provenance of the stand-in that a track holds until its first reading."""


class SignalWatch(Struct, frozen=True, kw_only=True):
    """What to judge on one signal: how long a value stays in force, and the conditions that apply now."""

    signal: str
    stale_ns: int
    conditions: tuple[Condition, ...]


class Instant(NamedTuple):
    """A place in the ledger and in time that is not a reading: a rule change, a gap."""

    at: int
    te_ns: int
    monotonic_ns: int | None = None


class SignalTrack:
    """The fold of one signal; changed in place, by ledger entries only."""

    __slots__ = (
        "_calm_ns",
        "_cause",
        "_checks",
        "_done_d",
        "_high",
        "_known_d",
        "_low",
        "_numeric",
        "_quiet",
        "_rebooted",
        "_shift_ns",
        "_stale_ns",
        "_states",
        "last",
        "late",
        "watch",
    )

    def __init__(self, watch: SignalWatch, since: Instant) -> None:
        self.last = ReadingView(
            index=since.at,
            signal=watch.signal,
            te_ns=since.te_ns,
            value=None,
            quality="bad",
            basis="received",
            monotonic_ns=since.monotonic_ns or 0,
            received_ns=since.te_ns,
            provenance=NOTHING_YET,
        )
        self._shift_ns = self.last.te_ns - self.last.monotonic_ns
        self._rebooted = since.monotonic_ns is None
        self._done_d = self._known_d = since.te_ns
        self._cause = "no_data"
        self.late: LateReadings | None = None
        self._states: list[ConditionState] = []
        self._install(watch)

    def passes(self, reading: ReadingView) -> bool:
        """Take a reading that can change nothing and return True; else leave everything to `take`.

        Hot path: all conditions idle, value known and in force until this reading, value inside every band.
        """
        last = self.last
        if (
            not self._quiet
            or reading.basis != last.basis
            or reading.quality == "bad"
            or reading.provenance == "retained"
        ):
            return False
        on_source = reading.basis == "source"
        elapsed = reading.te_ns - last.te_ns if on_source else reading.monotonic_ns - last.monotonic_ns
        value = reading.value
        if 0 <= elapsed <= self._stale_ns and value.__class__ in _FAST and self._low <= value <= self._high:  # type: ignore[operator]
            self.last = reading
            return True
        return False

    def take(self, reading: ReadingView) -> Steps:
        """Fold one reading into every condition of the signal."""
        if reading.provenance == "retained":
            return []
        last = self.last
        if reading.basis == "source" and last.basis == "source" and reading.te_ns < last.te_ns:
            self._put_aside(reading)
            return []
        given: object = reading.value  # the ledger holds text, lists and objects too
        if isinstance(given, str | list | dict):
            reading = replace(reading, value=as_number(given) if self._numeric else None)
        held = self.held()
        d, time_doubts = self._data_time(reading)
        d = max(d, held.from_d)
        bad = reading.quality == "bad"
        number = is_number(reading.value)
        arrival = Arrival(
            d=d,
            te_ns=reading.te_ns,
            value=reading.value if number and not bad else None,
            index=reading.index,
            doubts=reading.doubts,
            time_doubts=time_doubts,
            bad=bad,
            flag=reading.value if isinstance(reading.value, bool) else None,
        )
        events = self._step(held, arrival)
        self.last = reading
        self._done_d = d
        self._known_d = d + self._stale_ns if not bad and (number or not self._numeric) else d
        self._cause = "bad_quality" if bad else "no_data"
        self._settle()
        return events

    def lose(self, at: Instant) -> Steps:
        """A gap opens: the value is unknown at once, whatever `stale_s` would have allowed."""
        held = self.held()
        d = max(self._place(at), held.from_d)
        events = self._pass_time(held, d, at.at)
        self._done_d = d
        self._known_d = min(self._known_d, d)
        self._cause = "gap"
        self._settle()
        return events

    def change(self, watch: SignalWatch, at: Instant, ended_by: EndedBy) -> Steps:
        """Put other conditions into force: what was, is judged by the old; the value in force is compared anew."""
        held = self.held()
        d = max(self._place(at), held.from_d)
        te_ns = d + held.shift_ns
        events = self._pass_time(held, d, at.at)
        before = {check.condition.id: (check, state) for check, state in zip(self._checks, self._states, strict=True)}
        self._install(watch)
        arrival = Arrival(
            d=d, te_ns=te_ns, value=held.value if d < held.known_d else None, index=at.at, ended_by=ended_by
        )
        now = held._replace(from_d=d)
        for n, check in enumerate(self._checks):
            old = before.pop(check.condition.id, None)
            if old is None:
                self._states[n], told = enter(check, now, arrival)
            else:
                self._states[n], told = carry_over(check, old, now, arrival)
            events += told
        for check, state in before.values():
            events += end(check, state, arrival)
        self._done_d = d
        self._settle()
        return events

    def reboot(self) -> None:
        """Forget the monotonic clock: the machine started anew, the next step is measured on effective time."""
        self.held()
        self._rebooted, self._quiet = True, False

    def held(self) -> Held:
        """Return the value in force, where the fold stands."""
        last, d = self.last, self.last_d
        if self._quiet:  # the hot path touched nothing but `last`
            self._done_d, self._known_d, self._cause = d, d + self._stale_ns, "no_data"
        value = last.value if last.quality != "bad" and is_number(last.value) else None
        return Held(
            from_d=max(d, self._done_d),
            known_d=self._known_d,
            arrived_d=d,
            stale_ns=self._stale_ns,
            shift_ns=last.te_ns - d,
            value=value,
            cause=self._cause,
        )

    @property
    def last_d(self) -> int:
        """Return the data time of the newest reading."""
        last = self.last
        return (last.te_ns if last.basis == "source" else last.monotonic_ns) + self._shift_ns

    def may_be_due(self, elapsed_ns: int) -> bool:
        """Say whether silence of this length can mean anything here; a calm signal is dismissed at once."""
        return not self._quiet or elapsed_ns >= self._calm_ns

    def elapsed_ns(self, monotonic_ns: int, wall_ns: int) -> int:
        """Return how long ago the newest reading was received: monotonic, but over a boot by the wall clock."""
        if self._rebooted:
            return max(0, wall_ns - self.last.received_ns)
        return monotonic_ns - self.last.monotonic_ns

    @property
    def quiet(self) -> bool:
        """Return True when the next reading inside all bands can change nothing."""
        return self._quiet

    def next_due_d(self) -> int | None:
        """Return the data time at which something changes if nothing arrives any more, None if nothing will."""
        held = self.held()
        due = (due_d(check, state, held) for check, state in self.conditions())
        return min((d for d in due if d is not None), default=None)

    def conditions(self) -> list[tuple[Check, ConditionState]]:
        """Return each condition with its state."""
        return list(zip(self._checks, self._states, strict=True))

    def put(self, condition: str, state: ConditionState) -> None:
        """Replace the state of one condition (our own timer's record came back through the ledger)."""
        for n, check in enumerate(self._checks):
            if check.condition.id == condition:
                self._states[n] = state
        self._settle()

    def canonical(self) -> TrackState:
        """Return everything the future depends on, in one form whatever path led here."""
        self.held()
        return TrackState(
            last=self.last,
            shift_ns=self._shift_ns,
            done_d=self._done_d,
            known_d=self._known_d,
            cause=self._cause,
            rebooted=self._rebooted,
            late=self.late,
            states={check.condition.id: state for check, state in self.conditions() if state != _UNTOUCHED},
        )

    def restore(self, saved: TrackState) -> None:
        """Take up a saved state; a condition that the save does not know starts idle."""
        self.last, self._shift_ns, self._done_d = saved.last, saved.shift_ns, saved.done_d
        self._known_d, self._cause, self._rebooted, self.late = saved.known_d, saved.cause, saved.rebooted, saved.late
        self._states = [saved.states.get(check.condition.id, ConditionState()) for check in self._checks]
        self._settle()

    def _data_time(self, reading: ReadingView) -> tuple[int, tuple[str, ...]]:
        """Return the reading's data time and what is doubtful about it; joins the time axes where they break."""
        last = self.last
        wall_ns = reading.te_ns - last.te_ns
        run_ns = reading.monotonic_ns - last.monotonic_ns
        base = reading.te_ns if reading.basis == "source" else reading.monotonic_ns
        broken = self._rebooted or run_ns < 0
        self._rebooted = False
        if reading.basis == last.basis == "source":
            return base + self._shift_ns, ()
        if reading.basis == last.basis and not broken:
            return base + self._shift_ns, ("clock",) if abs(wall_ns - run_ns) > CLOCK_STEP_NS else ()
        d = self.last_d + max(0, wall_ns if broken else run_ns)
        self._shift_ns = d - base
        if last.provenance == NOTHING_YET:
            return d, ()
        return d, ("clock" if reading.basis == last.basis else "time_basis",)

    def _place(self, at: Instant) -> int:
        """Return the data time of an instant that is not a reading."""
        last = self.last
        if last.basis == "received" and at.monotonic_ns is not None and not self._rebooted:
            return at.monotonic_ns + self._shift_ns
        return self.last_d + at.te_ns - last.te_ns

    def _step(self, held: Held, arrival: Arrival) -> Steps:
        events: Steps = []
        for n, check in enumerate(self._checks):
            self._states[n], told = step(check, self._states[n], held, arrival)
            events += told
        return events

    def _pass_time(self, held: Held, to_d: int, index: int) -> Steps:
        events: Steps = []
        for n, check in enumerate(self._checks):
            self._states[n], told = advance(check, self._states[n], held, to_d, index)
            events += told
        return events

    def _install(self, watch: SignalWatch) -> None:
        self.watch = watch
        self._checks = [Check.of(condition) for condition in watch.conditions]
        self._states = [ConditionState() for _ in self._checks]
        self._stale_ns = watch.stale_ns
        delays = (c.on_delay_ns for c in watch.conditions if c.evaluate == "no_data")
        self._calm_ns = watch.stale_ns + min(delays, default=NEVER_NS)
        self._numeric = any(check.band is not None for check in self._checks)
        self._low, self._high = calm_range(self._checks)
        self._quiet = False

    def _settle(self) -> None:
        """Say whether the next reading may take the hot path."""
        self._quiet = (
            not self._rebooted
            and self._done_d == self.last_d
            and self._known_d == self._done_d + self._stale_ns
            and all(state.quiet for state in self._states)
        )

    def _put_aside(self, reading: ReadingView) -> None:
        """Note a reading older than the newest: it is judged by the re-evaluation job, not by the live state."""
        late = self.late
        self.late = LateReadings(
            first_ns=reading.te_ns if late is None else min(late.first_ns, reading.te_ns),
            last_ns=reading.te_ns if late is None else max(late.last_ns, reading.te_ns),
            first=reading.index if late is None else late.first,
            last=reading.index,
            count=1 if late is None else late.count + 1,
        )


_FAST = frozenset({float, int})
_UNTOUCHED = ConditionState()
