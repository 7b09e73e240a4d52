"""Body of a deviation event: the whole state of one revision in one scope, from its records and their context. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from gateway.domain.identity import delivery_id
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.records import Deviation, Excursion
from gateway.pipeline.deviation_text import make_description, make_title
from gateway.pipeline.event_body import format_ms
from gateway.pipeline.event_data import (
    Acknowledgement,
    BatchFacts,
    Budget,
    Correlation,
    DataQuality,
    DeviationData,
    Envelope,
    Equipment,
    Evidence,
    ExcursionFacts,
    HourBefore,
    Initiator,
    Links,
    Number,
    Observed,
    Requirement,
    SignalFacts,
)


class ExcursionStory(NamedTuple):
    """An excursion by the record that raised it and the newest one before the deviation's frame ended."""

    raised: Excursion
    newest: Excursion


class ReadingsSummary(Struct, frozen=True, kw_only=True):
    """What the readings of the interval say; ``until_ns`` is the effective time up to which they are known."""

    first: Any
    last: Any
    until_ns: int
    readings_out: int
    mkt: Number | None = None
    budgets: tuple[Budget, ...] = ()
    hour_before: HourBefore | None = None


class DeviationContext(Struct, frozen=True, kw_only=True):
    """What the deviation and excursion records do not hold, already in the words of the scope (aliases, own batches).

    ``url`` is the base of links (`http.url`), without a slash at its end. ``names`` maps recorded ids of signals and
    equipment to the words of the scope; what is not in it stands under its own id.
    """

    gateway: str
    site: str
    area: str | None
    room: str | None
    timezone: str
    build: str
    duty: str | None
    url: str
    event_class: str
    names: dict[str, str] = {}
    equipment: Equipment | None
    signal: SignalFacts | None
    requirement: Requirement | None
    summary: ReadingsSummary
    batches: tuple[BatchFacts, ...] = ()
    data_quality: DataQuality
    acknowledgement: Acknowledgement | None = None
    correlation: Correlation = Correlation()


class ProvenLeaf(Struct, frozen=True, kw_only=True):
    """The deviation's leaf in the tree of its frame; hashes as bytes, ``entry`` is salt and JSON as stored."""

    origin: str
    first: int
    index: int
    entry: bytes
    size: int
    root: bytes
    proof: tuple[bytes, ...]
    checkpoint: bytes
    key_id: bytes


class BundleRef(NamedTuple):
    """The evidence bundle, addressed by its hash (hex)."""

    sha256: str
    size: int


def build_deviation_event(
    record: Deviation,
    excursions: Sequence[ExcursionStory],
    context: DeviationContext,
    leaf: ProvenLeaf,
    bundle: BundleRef,
) -> Envelope:
    """Return the event of one deviation record; equal inputs give equal bytes."""
    lifecycle = record.event.removeprefix("deviation.")
    return Envelope(
        id=delivery_id(context.gateway, record.deviation, record.revision),
        source=f"urn:gw:{context.site}:{context.gateway}",
        subject=f"deviation/{record.deviation}",
        type=f"gxp.gateway.deviation.{lifecycle}.v1",
        time=format_ms(record.at_ns),
        dataschema="urn:gxp:gateway:schema:deviation:v1",
        sequence=str(record.revision),
        data=_data(record, lifecycle, excursions, context, leaf, bundle),
    )


def _data(
    record: Deviation,
    lifecycle: str,
    excursions: Sequence[ExcursionStory],
    context: DeviationContext,
    leaf: ProvenLeaf,
    bundle: BundleRef,
) -> DeviationData:
    t0_ns = min(story.newest.t0_ns for story in excursions)
    ended_ns = _ended(excursions)
    duration_ns = (context.summary.until_ns if ended_ns is None else ended_ns) - t0_ns
    extreme, extreme_ns = _extreme(excursions, context.requirement)
    observed = _observed(excursions, context.summary, extreme, extreme_ns, duration_ns)
    cause = excursions[0].newest.cause
    what = cause if isinstance(cause, str) else excursions[0].newest.class_
    return DeviationData(
        deviation_id=record.deviation,
        revision=record.revision,
        lifecycle=lifecycle,
        state=record.state,
        test=record.test is True,
        scope=record.scope,
        title=make_title(
            _subject(context, excursions[0].newest.condition),
            context.requirement,
            what,
            t0_ns,
            None if ended_ns is None else duration_ns,
        ),
        description=make_description(
            context.requirement, what, extreme, duration_ns, ended=ended_ns is not None, addition=_addition(record)
        ),
        event_class=context.event_class,
        severity_proposed=record.severity,
        severity_basis=record.severity_basis,
        occurred_at=format_ms(t0_ns),
        detected_at=format_ms(min(story.raised.detected_ns for story in excursions)),
        reported_at=format_ms(record.at_ns),
        ended_at=None if ended_ns is None else format_ms(ended_ns),
        timezone=context.timezone,
        site=context.site,
        area=context.area,
        room=context.room,
        equipment=context.equipment,
        signal=context.signal,
        requirement=context.requirement,
        observed=observed,
        excursions=[_excursion(story.newest, context) for story in excursions],
        batches=[*context.batches],
        data_quality=context.data_quality,
        acknowledgement=context.acknowledgement,
        initiator=Initiator(gateway=context.gateway, build=context.build, duty=context.duty),
        correlation=context.correlation,
        evidence=_evidence(leaf, bundle, context.url),
        links=Links(
            deviation=f"{context.url}/deviations/{record.deviation}",
            chart=f"{context.url}/evidence/{bundle.sha256[:8]}.svg",
        ),
    )


def _ended(excursions: Sequence[ExcursionStory]) -> int | None:
    """Return the last t1 once every excursion has one."""
    ends = [story.newest.t1_ns for story in excursions]
    known = [end for end in ends if isinstance(end, int)]
    return max(known) if len(known) == len(ends) else None


def _observed(
    excursions: Sequence[ExcursionStory],
    summary: ReadingsSummary,
    extreme: Any,
    extreme_ns: int | None,
    duration_ns: int,
) -> Observed:
    newest = [story.newest for story in excursions]
    degree_minutes = [one.degree_minutes for one in newest if isinstance(one.degree_minutes, float | int)]
    return Observed(
        first=summary.first,
        extreme=extreme,
        extreme_at=None if extreme_ns is None else format_ms(extreme_ns),
        last=summary.last,
        duration_s=_seconds(duration_ns),
        breach_s=_seconds(sum(one.breach_ns for one in newest)),
        unknown_s=_seconds(sum(one.unknown_ns for one in newest)),
        readings_out=summary.readings_out,
        crossings=sum(one.crossings for one in newest),
        degree_minutes=sum(degree_minutes) if degree_minutes else None,
        mkt=summary.mkt,
        budgets=[*summary.budgets],
        hour_before=summary.hour_before,
    )


def _extreme(excursions: Sequence[ExcursionStory], requirement: Requirement | None) -> tuple[Any, int | None]:
    """Return the worst value of all excursions and its time; the largest, but for a low limit the smallest."""
    seen = [
        (one.extreme, one.extreme_ns if isinstance(one.extreme_ns, int) else None)
        for one in (story.newest for story in excursions)
        if isinstance(one.extreme, int | float | str)
    ]
    if not seen:
        return None, None
    numbers = [one for one in seen if isinstance(one[0], int | float)]
    if not numbers:
        return seen[0]
    low = requirement is not None and requirement.operator == "lt"
    return min(numbers, key=lambda one: one[0]) if low else max(numbers, key=lambda one: one[0])


def _excursion(newest: Excursion, context: DeviationContext) -> ExcursionFacts:
    return ExcursionFacts(
        id=newest.excursion,
        condition=_condition(newest.condition, context),
        level=newest.level,
        t0=format_ms(newest.t0_ns),
        t1=format_ms(newest.t1_ns) if isinstance(newest.t1_ns, int) else None,
    )


def _condition(condition: str, context: DeviationContext) -> str:
    """Return the condition in the words of the scope: what it is about stands before the first colon."""
    about, colon, rest = condition.partition(":")
    return f"{context.names.get(about, about)}{colon}{rest}"


def _subject(context: DeviationContext, condition: str) -> str:
    if context.signal is not None:
        device = context.equipment.id if context.equipment is not None else context.signal.id
        return f"{device} {context.signal.quantity}"
    return context.equipment.id if context.equipment is not None else _condition(condition, context).partition(":")[0]


def _addition(record: Deviation) -> str:
    if record.state == "superseded" and isinstance(record.parent, str):
        return f"Merged into {record.parent}."
    if record.state == "retracted" and isinstance(record.reason, str):
        return f"Retracted: {record.reason}"
    return ""


def _evidence(leaf: ProvenLeaf, bundle: BundleRef, url: str) -> Evidence:
    return Evidence(
        origin=leaf.origin,
        first=leaf.first,
        last=leaf.index,
        leaf_index=leaf.index,
        leaf_hash=_base64(hash_leaf(leaf.entry)),
        tree_size=leaf.size,
        root_hash=_base64(leaf.root),
        inclusion_proof=[_base64(node) for node in leaf.proof],
        checkpoint=leaf.checkpoint.decode(),
        key_id=leaf.key_id.hex(),
        bundle_url=f"{url}/evidence/{bundle.sha256[:8]}.zip",
        bundle_sha256=bundle.sha256,
        bundle_bytes=bundle.size,
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _seconds(duration_ns: int) -> float:
    return round(duration_ns / 1e9, 3)
