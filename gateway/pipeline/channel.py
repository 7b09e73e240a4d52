"""Channel: one signal's way from sample to reading; holds what only the newest reading of the signal can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from msgspec import UNSET

from gateway.domain.decode import Decoded, Previous, companions_of, compile_decoder
from gateway.domain.plan import SignalPlan
from gateway.domain.sample import Provenance, Quality, Sample
from gateway.domain.source_clock import ClockClass, Judgement, SourceClock
from gateway.ledger.records import Reading, format_raw, new_reading
from gateway.pipeline.standing import SignalStanding

_NOT_LIVE = frozenset((Provenance.HISTORICAL, Provenance.RETAINED))

# An enum's `.value` is a call; on the way of every reading a table is not.
_WORDS = {quality: quality.value for quality in Quality}
_PROVENANCES = {provenance: provenance.value for provenance in Provenance}
_CLASSES: dict[ClockClass, Any] = {one: UNSET if one is ClockClass.TRUSTED else one.value for one in ClockClass}


Judged: TypeAlias = tuple[int, Judgement]
"""The number of a reading among those of its signal, and what its source's clock is like."""


class ParcelHead(NamedTuple):
    """What all readings of one parcel say alike: our newest clock record and its state, the place in the transport."""

    clock: int
    clock_state: str
    incarnation: int
    epoch: int
    position: int


class Channel:
    """Mutable state of one signal in the running plan; readings are made here and nowhere else."""

    __slots__ = (
        "_clock",
        "_config",
        "_decode",
        "_dev",
        "_last",
        "_previous",
        "_test",
        "companions",
        "id",
        "plan",
        "reduces",
        "standing",
    )

    def __init__(
        self, plan: SignalPlan, standing: SignalStanding, config: str, *, dev: bool = False, test: bool = False
    ) -> None:
        """``config``, ``dev`` and ``test`` are what every reading of the signal says alike."""
        self.plan = plan
        self.id = plan.id
        self.standing = standing
        self.companions = companions_of(plan)
        self._decode = compile_decoder(plan)
        self._clock = SourceClock(plan.skew_ns_max)
        self._last: tuple[Any, str] | None = None
        self._previous: Previous | None = None
        self.reduces = plan.record == "on_change"
        self._config = config
        self._dev = True if dev else UNSET
        self._test = True if test else UNSET

    def decode(self, sample: Sample, companions: Mapping[str, Decoded]) -> Decoded:
        """Judge a sample; the previous usable number is remembered where the plan judges rates."""
        decoded = self._decode(sample, companions, self._previous)
        if self.plan.rate_per_min is not None and isinstance(decoded.value, int | float):
            self._previous = Previous(float(decoded.value), sample.source_ns, sample.received_ns)
        return decoded

    def unchanged(self, decoded: Decoded) -> bool:
        """Tell whether value and quality are those of the sample before: the declared reduction leaves it out then."""
        seen = (decoded.value, decoded.quality)
        same, self._last = seen == self._last, seen
        return same

    def judge(self, sample: Sample, decoded: Decoded) -> Judged:
        """Count a reading and judge its source's clock; once for each reading, in order."""
        standing, source_ns = self.standing, sample.source_ns
        standing.n += 1
        if source_ns is not None and source_ns > (standing.source_ns or 0):
            standing.source_ns = source_ns
        found = self._clock.observe(
            source_ns,
            sample.received_ns,
            decoded.value,
            initial="initial" in sample.flags,
            historical=sample.provenance in _NOT_LIVE,
        )
        return standing.n, found

    def reading(
        self, sample: Sample, decoded: Decoded, judged: Judged, head: ParcelHead, part: Any, payload: Any
    ) -> Reading:
        """Return the reading of a judged sample.

        ``part``: its place where the message holds more than one sample. ``payload``: the message itself, once.
        """
        n, clock = judged
        flags, source_ns, calibration = decoded.flags, sample.source_ns, self.standing.calibration
        if clock.flags:
            flags = tuple(sorted({*flags, *clock.flags}))
        held = sample.payload
        return new_reading(
            1,
            "reading",
            sample.received_ns,
            sample.boot_ns,
            head.clock,
            self._dev,
            self._test,
            self.id,
            self._config,
            n,
            decoded.value,
            UNSET if decoded.raw is None else format_raw(decoded.raw),
            UNSET if sample.status is None else sample.status,
            _WORDS[decoded.quality],
            list(decoded.reasons) if decoded.reasons else UNSET,
            UNSET if source_ns is None else source_ns,
            _CLASSES[clock.clock_class],
            UNSET if sample.server_ns is None else sample.server_ns,
            head.clock_state,
            _PROVENANCES[sample.provenance],
            UNSET if sample.came_from is None else sample.came_from,
            head.incarnation,
            head.epoch,
            head.position,
            part,
            UNSET if calibration is None else calibration,
            list(flags) if flags else UNSET,
            UNSET if held is None else held.sha256,
            payload,
        )
