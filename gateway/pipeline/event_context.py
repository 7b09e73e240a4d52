"""Event context: what records say around a deviation, in the shapes of its event. Pure: records in, shapes out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from gateway.domain.batch import Batches
from gateway.domain.limits import LimitSet, Rule
from gateway.domain.plan import SignalPlan
from gateway.ledger.records import Batch, Deviation, Excursion, Reading
from gateway.pipeline.batch_records import judged_of
from gateway.pipeline.deviation_body import ReadingsSummary
from gateway.pipeline.event_data import (
    BatchFacts,
    CalibrationState,
    DataQuality,
    HourBefore,
    Number,
    Requirement,
    SignalFacts,
    Spec,
)
from gateway.pipeline.reading_views import view_of

SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3_600 * SECOND_NS
OPERATORS: Final = {"high": "gt", "low": "lt"}
QUANTITIES: Final = {
    "Cel": "temperature",
    "K": "temperature",
    "[degF]": "temperature",
    "%{RH}": "humidity",
    "Pa": "pressure",
    "mbar": "pressure",
    "bar": "pressure",
    "kPa": "pressure",
}


class Placed(Struct, frozen=True):
    """A reading with its index and effective time, ns."""

    index: int
    te_ns: int
    reading: Reading


def placed(readings: Iterable[tuple[int, Reading]]) -> list[Placed]:
    """Return readings in order of effective time; retained ones are no readings of that time."""
    views = ((view_of(index, reading), reading) for index, reading in readings if reading.provenance != "retained")
    found = [Placed(view.index, view.te_ns, reading) for view, reading in views]
    return sorted(found, key=lambda one: (one.te_ns, one.index))


def summarise(
    readings: Sequence[Placed], t0_ns: int, t1_ns: int | None, limit: Decimal | None, side: str
) -> ReadingsSummary:
    """Return first and last value out of the limit, how many are out, and the hour before."""
    inside = [one for one in readings if one.te_ns >= t0_ns and (t1_ns is None or one.te_ns < t1_ns)]
    out = [one for one in inside if _is_out(one.reading.value, limit, side)]
    before = [
        one.reading.value
        for one in readings
        if t0_ns - HOUR_NS <= one.te_ns < t0_ns and isinstance(one.reading.value, int | float)
    ]
    hour = (
        HourBefore(min=min(before), mean=round(math.fsum(before) / len(before), 6), max=max(before)) if before else None
    )
    newest = readings[-1] if readings else None
    return ReadingsSummary(
        first=out[0].reading.value if out else None,
        last=newest.reading.value if newest is not None else None,
        until_ns=max(t0_ns, newest.te_ns) if newest is not None else t0_ns,
        readings_out=len(out),
        hour_before=hour,
    )


def quality(
    readings: Sequence[Placed],
    t0_ns: int,
    until_ns: int,
    unknown_ns: int,
    clock_bound_ns: int | None,
    doubts: Sequence[str],
) -> DataQuality:
    """Return how complete and sure the interval is; a value counts until the next one."""
    held = {"bad": 0, "uncertain": 0}
    inside = [one for one in readings if t0_ns <= one.te_ns < until_ns]
    ends = [*(one.te_ns for one in inside[1:]), until_ns]
    for one, end in zip(inside, ends, strict=False):
        if one.reading.quality in held:
            held[one.reading.quality] += end - one.te_ns
    whole = max(1, until_ns - t0_ns)
    missing = min(whole, unknown_ns)
    return DataQuality(
        completeness_pct=math.floor(10_000 * (whole - missing) / whole) / 100,
        gap_s=round(max(0, missing - held["bad"]) / SECOND_NS, 3),
        bad_s=round(held["bad"] / SECOND_NS, 3),
        uncertain_s=round(held["uncertain"] / SECOND_NS, 3),
        clock_error_ms=None if clock_bound_ns is None else round(clock_bound_ns / 1e6),
        doubts=list(doubts),
    )


def requirement(record: Excursion, found: tuple[LimitSet, Rule] | None, config_sha256: str) -> Requirement | None:
    """Return what was required; None for data and system conditions, which have no limit."""
    if found is None:
        return None
    limit_set, rule = found
    side = side_of(record)
    levels = rule.high if side == "high" else rule.low
    limit = {"alert": levels.alert, "action": levels.action, "critical": levels.critical}[record.level]
    spec = None
    if rule.spec.low is not None or rule.spec.high is not None:
        spec = Spec(low=_number(rule.spec.low), high=_number(rule.spec.high))
    return Requirement(
        condition=record.condition,
        level=record.level,
        operator=OPERATORS[side],
        value=_number(limit),
        unit=rule.unit,
        hysteresis=_number(rule.hysteresis) or 0.0,
        on_delay_s=rule.on_delay_s,
        off_delay_s=rule.off_delay_s,
        spec=spec,
        document=f"{limit_set.document} rev {limit_set.revision}",
        limits=limit_set.name,
        config_hash=config_sha256,
    )


def limit_of(record: Excursion, found: tuple[LimitSet, Rule] | None) -> Decimal | None:
    """Return the limit that was broken."""
    if found is None:
        return None
    levels = found[1].high if side_of(record) == "high" else found[1].low
    return {"alert": levels.alert, "action": levels.action, "critical": levels.critical}[record.level]


def side_of(record: Excursion) -> str:
    """Return high or low; high for conditions without a side."""
    return "low" if record.condition.partition(":")[2].startswith("low.") else "high"


def signal_facts(signal: SignalPlan, serial: str | None, today: str) -> SignalFacts:
    """Return the signal with its calibration state on a day (ISO)."""
    entry = signal.calibration
    if entry is None:
        state = CalibrationState(state="none" if signal.calibration_required else "not_required")
    else:
        valid = today <= entry.due
        state = CalibrationState(state="valid" if valid else "expired", due=entry.due, certificate=entry.certificate)
    quantity = QUANTITIES.get(signal.unit or "", signal.id.partition("/")[2])
    return SignalFacts(
        id=signal.id, quantity=quantity, unit=signal.unit, profile=signal.profile, serial=serial, calibration=state
    )


def batch_facts(
    record: Deviation,
    batch_records: Iterable[Batch],
    places: Sequence[str],
    t0_ns: int,
    t1_ns: int | None,
    until_ns: int,
) -> tuple[BatchFacts, ...]:
    """Return the batches of a revision as their records stood then; one that left the interval says withdrawn."""
    batches = Batches()
    for one in batch_records:
        judged = judged_of(one)
        if judged is not None:
            batches.apply(judged)
    end_ns = until_ns if t1_ns is None else t1_ns
    facts: list[BatchFacts] = []
    for name in record.batches:
        context = batches.batch(name)
        here = [m for m in context.memberships if m.node in places or m.room in places]
        live = [m for m in here if not m.withdrawn and m.overlaps(t0_ns, t1_ns)]
        shown = (live or here)[:1]
        membership = "withdrawn" if not live else "open" if live[0].to_ns is None else "ended"
        facts.append(
            BatchFacts(
                batch_id=name,
                client=context.client or "",
                product=context.header.get("product", ""),
                lot=context.header.get("lot", ""),
                use=shown[0].use if shown else "process",
                phase=context.phase_at(t0_ns),
                membership=membership,
                overlap_s=round(sum(m.overlap_ns(t0_ns, end_ns) for m in live) / SECOND_NS, 3),
            )
        )
    return tuple(facts)


def _is_out(value: Any, limit: Decimal | None, side: str) -> bool:
    if limit is None or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    exact = Decimal(repr(value))
    return exact > limit if side == "high" else exact < limit


def _number(value: Decimal | None) -> Number | None:
    return None if value is None else float(value)
