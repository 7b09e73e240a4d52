"""Channel: one signal's way from sample to reading; holds what only the newest reading of the signal can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from gateway.domain.decode import Decoded, Previous, companions_of, compile_decoder
from gateway.domain.plan import SignalPlan
from gateway.domain.sample import Provenance, Quality, Sample
from gateway.domain.source_clock import ClockClass, SourceClock
from gateway.ledger.records import Reading, format_raw
from gateway.pipeline.standing import SignalStanding

_NOT_LIVE = frozenset((Provenance.HISTORICAL, Provenance.RETAINED))

# An enum's `.value` is a call; on the way of every reading a table is not.
_WORDS = {quality: quality.value for quality in Quality}
_PROVENANCES = {provenance: provenance.value for provenance in Provenance}
_CLASSES: dict[ClockClass, Any] = {one: UNSET if one is ClockClass.TRUSTED else one.value for one in ClockClass}


class Channel:
    """Mutable state of one signal in the running plan; readings are made here and nowhere else."""

    __slots__ = ("_clock", "_decode", "_last", "_previous", "_shared", "companions", "id", "plan", "standing")

    def __init__(self, plan: SignalPlan, standing: SignalStanding, shared: Mapping[str, Any]) -> None:
        """``shared`` holds what every reading of the signal says alike: config, dev, test."""
        self.plan = plan
        self.id = plan.id
        self.standing = standing
        self.companions = companions_of(plan)
        self._decode = compile_decoder(plan)
        self._clock = SourceClock(plan.skew_ns_max)
        self._last: tuple[Any, str] | None = None
        self._previous: Previous | None = None
        self._shared: dict[str, Any] = {"signal": plan.id, **shared}

    def decode(self, sample: Sample, companions: Mapping[str, Decoded]) -> Decoded:
        """Judge a sample; the previous usable number is remembered where the plan judges rates."""
        decoded = self._decode(sample, companions, self._previous)
        if self.plan.rate_per_min is not None and isinstance(decoded.value, int | float):
            self._previous = Previous(float(decoded.value), sample.source_ns, sample.received_ns)
        return decoded

    def reading(
        self, sample: Sample, decoded: Decoded, moment: Mapping[str, Any], part: Any, payload: Any
    ) -> Reading | None:
        """Return the reading of a judged sample, None where the declared reduction leaves it out.

        ``part``: its place where the message holds more than one sample. ``payload``: the message itself, once. ``moment``
        holds what all readings of a parcel share: clock, clock_state, incarnation, epoch, position, hash of the message.
        """
        if self.plan.record == "on_change":
            seen = (decoded.value, decoded.quality)
            if seen == self._last:
                return None
            self._last = seen
        standing, source_ns = self.standing, sample.source_ns
        standing.n += 1
        if source_ns is not None and source_ns > (standing.source_ns or 0):
            standing.source_ns = source_ns
        judged = self._clock.observe(
            source_ns,
            sample.received_ns,
            decoded.value,
            initial="initial" in sample.flags,
            historical=sample.provenance in _NOT_LIVE,
        )
        flags = decoded.flags
        if judged.flags:
            flags = tuple(sorted({*flags, *judged.flags}))
        return Reading(
            received_ns=sample.received_ns,
            boot_ns=sample.boot_ns,
            n=standing.n,
            value=decoded.value,
            raw=UNSET if decoded.raw is None else format_raw(decoded.raw),
            status=UNSET if sample.status is None else sample.status,
            quality=_WORDS[decoded.quality],
            reason=list(decoded.reasons) if decoded.reasons else UNSET,
            source_ns=UNSET if source_ns is None else source_ns,
            source_clock=_CLASSES[judged.clock_class],
            server_ns=UNSET if sample.server_ns is None else sample.server_ns,
            provenance=_PROVENANCES[sample.provenance],
            from_=UNSET if sample.came_from is None else sample.came_from,
            part=part,
            calibration=UNSET if standing.calibration is None else standing.calibration,
            flags=list(flags) if flags else UNSET,
            payload=payload,
            **moment,
            **self._shared,
        )
