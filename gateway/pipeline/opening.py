"""Opening: the records of a birth, of a start and of a configuration coming into force, in the order of `ledger.md` 1.

A log begins clock, gateway `genesis`, keys; a start clock, gateway `start`; a later segment with `carry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, structs

from gateway.domain.plan import CalibrationEntry, Plan, SignalPlan
from gateway.ledger.keys import endorse, endorsed_text
from gateway.ledger.note import Sign, VerifyKey, format_vkey
from gateway.ledger.records import (
    Build,
    Calibration,
    Clock,
    Config,
    Gateway,
    Key,
    Record,
    Signal,
    format_content,
)
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing


def genesis(
    clock: Clock, stamp: Stamper, *, gateway: str, build: Build, origin: str, key: VerifyKey, sign: Sign
) -> list[Record]:
    """Return the first records of a log; the seal key endorses itself (`ledger.md` 4, rotation text)."""
    introduced = Key(
        **stamp(),
        event="introduced",
        purpose="seal",
        key=format_vkey(key),
        from_size=0,
        endorsed=[endorse(endorsed_text(origin, "introduced", "seal", format_vkey(key), 0, UNSET), key, sign)],
    )
    born = Gateway(**stamp(), event="genesis", gateway=gateway, run=stamp.run, build=build, origin=origin)
    return [clock, born, introduced]


def start(
    clock: Clock,
    stamp: Stamper,
    plan: Plan,
    build: Build,
    origin: str,
    found: Mapping[str, Any],
    halted: Mapping[str, Any] | None = None,
) -> list[Record]:
    """Return the records of a start.

    ``found`` tells what recovery had to do (torn bytes, an unclean stop), ``halted`` what the last run left in `HALTED`.
    """
    records: list[Record] = [
        clock,
        Gateway(
            **stamp(),
            event="start",
            gateway=plan.gateway,
            run=stamp.run,
            build=build,
            origin=origin,
            config=plan.config,
        ),
    ]
    if found:
        facts = dict(sorted(found.items()))
        records.append(Gateway(**stamp(), event="recovered", gateway=plan.gateway, run=stamp.run, facts=facts))
    if halted is not None:
        told = {name: value for name, value in sorted(halted.items()) if isinstance(value, str | int | float)}
        records.append(Gateway(**stamp(), event="halted", gateway=plan.gateway, run=stamp.run, facts=told))
    return records


def stop(clock: Clock, stamp: Stamper, gateway: str, cause: str) -> list[Record]:
    """Return the last records of a run."""
    return [clock, Gateway(**stamp(), event="stop", gateway=gateway, run=stamp.run, code=cause)]


def carry(standing: Standing, stamp: Stamper, gateway: str) -> tuple[Gateway, list[bytes]]:
    """Return the record that opens each later segment, all that a start needs without index, and its side objects."""
    standing.clock, standing.run = stamp.clock_number, stamp.run  # moved on by records the intake never sees
    content, side = format_content(standing.carry())
    record = Gateway(
        **stamp(),
        event="carry",
        gateway=gateway,
        run=stamp.run,
        config=standing.config or UNSET,
        carry=content,
        facts=standing.carry_facts() or UNSET,
    )
    return record, [] if side is None else [side]


def effective(
    plan: Plan, files: Mapping[str, bytes], stamp: Stamper, standing: Standing
) -> tuple[list[Record], list[bytes]]:
    """Return the records of a configuration coming into force, and their side objects; none if it is in force already."""
    if standing.config == plan.config:
        return [], []
    records: list[Record] = []
    side_objects: list[bytes] = []
    for path, content in sorted(files.items()):
        kept, side = format_content(content)
        if side is not None:
            side_objects.append(side)
        records.append(Config(**stamp(), event="file", change_set=plan.change_set, path=path, content=kept))
    head = stamp()
    records.append(
        Config(
            **head,
            event="effective",
            change_set=plan.change_set,
            config=plan.config,
            sha256=plan.config_sha256,
            effective_ns=head["at_ns"],
        )
    )
    for signal in plan.signals.values():
        event = "changed" if signal.id in standing.signals and standing.signals[signal.id].n else "registered"
        records.append(_signal(signal, plan.config, stamp, event))
    records += [
        _calibration(signal, signal.calibration, plan.config, stamp)
        for signal in plan.signals.values()
        if signal.calibration is not None
    ]
    return records, side_objects


def _signal(signal: SignalPlan, config: str, stamp: Stamper, event: Any) -> Signal:
    return Signal(
        **stamp(),
        event=event,
        signal=signal.id,
        config=config,
        title=signal.title,
        node=signal.node,
        source=signal.source,
        address=signal.address,
        profile=signal.profile,
        profile_sha256=signal.profile_sha256,
        measure=_measure(signal.measure),
        type=UNSET if signal.type is None else signal.type,
        unit=UNSET if signal.unit is None else signal.unit,
        decimals=UNSET if signal.decimals is None else signal.decimals,
        acquire=dict(sorted(signal.acquire.items())),
        criticality=signal.criticality,
        relevance=signal.relevance,
        reduction=signal.reduction,
    )


def _measure(word: str) -> Any:
    return word


def _calibration(signal: SignalPlan, entry: CalibrationEntry, config: str, stamp: Stamper) -> Calibration:
    uncertainty: Any = UNSET
    if entry.uncertainty_value is not None:
        uncertainty = {"value": float(entry.uncertainty_value), "k": entry.uncertainty_k or 2}
    correction: Any = UNSET
    if entry.correction is not None:
        given = structs.asdict(entry.correction)
        correction = (
            {"table": [[float(a), float(b)] for a, b in given["table"]]}
            if given["table"]
            else {"offset": float(given["offset"])}
        )
    return Calibration(
        **stamp(),
        event="effective",
        signal=signal.id,
        config=config,
        certificate=entry.certificate,
        certificate_sha256=entry.certificate_sha256 or UNSET,
        performed=entry.performed,
        due=entry.due,
        laboratory=entry.laboratory,
        as_found=entry.as_found,
        last_good=entry.last_good or UNSET,
        uncertainty=uncertainty,
        correction=correction,
    )
