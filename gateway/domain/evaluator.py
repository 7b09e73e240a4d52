"""Evaluator: the fold of ledger entries into excursion events, for all signals (`excursions.md` 3).

State changes by ledger entries alone: readings, gaps, rule changes and our own `excursion` records. Timers only *propose*
events; what they change is applied when their record (``cause: timer``) comes back through the ledger. So the live path
and the rebuild after a start are the same fold, and an event is written once whatever crashed in between: what the fold
found and no record tells yet stays `outstanding`.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gateway.domain.evaluation import Steps, advance, due_d
from gateway.domain.excursion_event import EndedBy, EventKey, ExcursionEvent
from gateway.domain.limits import SECOND_NS
from gateway.domain.reading_view import ReadingView
from gateway.domain.signal_track import Instant, SignalTrack, SignalWatch
from gateway.domain.timer_effect import TIMER, WrittenEvent, adopt, take_effect
from gateway.domain.track_state import TrackState

TIMER_GRACE_NS = 2 * SECOND_NS
"""How long a timer waits beyond its due time for a reading that is still on its way."""

Events = tuple[ExcursionEvent, ...]
NOTHING: Events = ()


class EvaluatorState(Struct, frozen=True, kw_only=True):
    """Canonical state, as a snapshot stores it; ``index`` is the newest ledger index folded in."""

    index: int
    tracks: dict[str, TrackState]
    outstanding: list[ExcursionEvent]


class Evaluator:
    """Folds entries, returns the events to write. One owner; no clock, no I/O."""

    def __init__(self) -> None:
        self.index = -1
        self._tracks: dict[str, SignalTrack] = {}
        self._outstanding: dict[EventKey, ExcursionEvent] = {}
        self._proposed: dict[EventKey, ExcursionEvent] = {}

    def apply_reading(self, reading: ReadingView) -> Events:
        """Fold one committed reading; a signal that nobody watches has nothing to say."""
        self.index = reading.index
        track = self._tracks.get(reading.signal)
        if track is None or track.passes(reading):
            return NOTHING
        return self._tell(track.take(reading))

    def apply_rules(self, watch: SignalWatch, at: Instant, ended_by: EndedBy = "limit_change") -> Events:
        """Put the conditions of one signal into force from an instant on (configuration, phase or state changed)."""
        self.index = at.at
        track = self._tracks.get(watch.signal)
        if track is None:
            self._tracks[watch.signal] = SignalTrack(watch, at)
            return NOTHING
        if track.watch == watch:
            return NOTHING
        return self._tell(track.change(watch, at, ended_by))

    def apply_gap(self, signals: tuple[str, ...], at: Instant) -> Events:
        """A gap opened: the values of its signals are unknown at once."""
        self.index = at.at
        events: Steps = []
        for signal in signals:
            track = self._tracks.get(signal)
            if track is not None:
                events += track.lose(at)
        return self._tell(events)

    def apply_boot(self, index: int) -> None:
        """A clock record shows another boot: the monotonic clock started anew."""
        self.index = index
        for track in self._tracks.values():
            track.reboot()

    def apply_written(self, record: WrittenEvent) -> Events:
        """Fold one of our own records: the event is told; what a timer decided or what came late and lasts takes effect now."""
        self.index = record.index
        found = self._outstanding.pop(record.key, None)
        self._proposed.pop(record.key, None)
        track = self._tracks.get(record.signal)
        if track is not None and record.event == "late" and record.t1_ns is None:
            return self._tell(adopt(track, record))
        if record.cause != TIMER or track is None or found is not None:  # found: a reading has decided the same
            return NOTHING
        return self._tell(take_effect(track, record))

    def settle_late(self, signal: str, through: int) -> None:
        """The re-evaluation job judged the late readings of a signal up to a ledger index.

        Called when the record that says so is folded, so that a rebuild settles them at the same place.
        """
        track = self._tracks.get(signal)
        if track is not None and track.late is not None and track.late.last <= through:
            track.late = None

    def adopt(self, record: WrittenEvent) -> None:
        """Go on with an excursion that records tell and the fold could not follow: its rules were not understood."""
        track = self._tracks.get(record.signal)
        if track is not None:
            self._tell(adopt(track, record))

    def forget(self, signal: str | None = None) -> None:
        """Judge nothing, or nothing of one signal, from here on until rules are put into force again."""
        if signal is None:
            self._tracks.clear()
        else:
            self._tracks.pop(signal, None)

    def due(self, monotonic_ns: int, wall_ns: int) -> Events:
        """Return the events that silence has decided by now; each is proposed once until its record comes back.

        ``wall_ns`` is used only for signals whose newest reading was received before the machine was started.
        """
        events: list[ExcursionEvent] = []
        for track in self._tracks.values():
            elapsed = track.elapsed_ns(monotonic_ns, wall_ns) - TIMER_GRACE_NS
            if elapsed > 0 and track.may_be_due(elapsed):
                events += self._propose(track, track.last_d + elapsed)
        return tuple(events)

    def outstanding(self) -> Events:
        """Return the events found by the fold that no record tells yet, in the order they were found."""
        return tuple(self._outstanding.values())

    def drop_outstanding(self, before: int) -> None:
        """Forget the events that entries below ``before`` decided and no record tells: they rest on what was pruned."""
        self._outstanding = {key: event for key, event in self._outstanding.items() if event.decided >= before}

    def track(self, signal: str) -> SignalTrack:
        """Return the track of a watched signal."""
        return self._tracks[signal]

    def signals(self) -> tuple[str, ...]:
        """Return the watched signals."""
        return tuple(self._tracks)

    def state(self) -> EvaluatorState:
        """Return the canonical state: the same after a full fold as after a snapshot and its tail."""
        return EvaluatorState(
            index=self.index,
            tracks={signal: self._tracks[signal].canonical() for signal in sorted(self._tracks)},
            outstanding=list(self._outstanding.values()),
        )

    def snapshot(self) -> bytes:
        """Return the canonical state as bytes."""
        return msgspec.json.encode(self.state(), order="sorted")

    def restore(self, snapshot: bytes, watches: tuple[SignalWatch, ...]) -> None:
        """Take up a snapshot under the rules that were in force when it was taken.

        Raises `msgspec.ValidationError` if the bytes are no snapshot of this version: fold from the start instead.
        """
        saved = msgspec.json.decode(snapshot, type=EvaluatorState)
        self.index = saved.index
        for watch in watches:
            track = self._tracks[watch.signal] = SignalTrack(watch, Instant(saved.index, 0))
            track.restore(saved.tracks[watch.signal])
        self._outstanding = {event.key: event for event in saved.outstanding}

    def _tell(self, events: Steps) -> Events:
        """Note events as outstanding; return those that no timer has proposed already."""
        if not events:
            return NOTHING
        for event in events:
            self._outstanding[event.key] = event
        return tuple(event for event in events if event.key not in self._proposed)

    def _propose(self, track: SignalTrack, now_d: int) -> Steps:
        held = track.held()
        events: Steps = []
        for check, state in track.conditions():
            due = due_d(check, state, held)
            if due is None or due > now_d:
                continue
            _, told = advance(check, state, held, due, track.last.index, TIMER)
            events += [e for e in told if e.key not in self._proposed and e.key not in self._outstanding]
        self._proposed.update({event.key: event for event in events})
        return events
