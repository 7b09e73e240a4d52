"""Scenes of the limit: alert, action, the deviation's way to the QMS, the return."""

from __future__ import annotations

from gateway.cli.demo_story.acts import (
    ACTION_CONDITION,
    ALERT_CONDITION,
    TEMPERATURE,
    Held,
    NotHeld,
    as_number,
    check_deviation,
    check_raised,
    check_returned,
    is_deviation_of,
    is_excursion,
    is_receipt,
    is_transport,
)
from gateway.cli.demo_story.context import Context, as_deviation, as_excursion
from gateway.cli.demo_story.plant_files import ACTION_C, ALERT_C
from gateway.cli.demo_story.watch import Entry
from gateway.ledger.records import Delivery, Excursion

PLANT_S = 60.0
"""Demo seconds the freezer may need to pass a limit or to come back."""


async def alert(told: Context) -> Held:
    """The alert limit is broken after the door opened."""
    found = await _raised(told, ALERT_CONDITION, ALERT_C)
    return Held(found.index, _line("ALERT ", as_excursion(found), ALERT_C))


async def action(told: Context) -> Held:
    """The action limit is broken, and its deviation, naming the batch, is sealed with it."""
    found = await _raised(told, ACTION_CONDITION, ACTION_C)
    excursion = as_excursion(found)
    told.deviation = await told.find(
        f"the deviation of {excursion.excursion}",
        lambda record: is_deviation_of(record, excursion.excursion, "opened"),
    )
    deviation = as_deviation(told.deviation)
    check_deviation(deviation, excursion, (found.index, told.deviation.index))
    onset_s = (excursion.t0_ns - told.opened_ns) / 1e9 * told.stage.pace.speed
    line = f"{_line('ACTION', excursion, ACTION_C)}, onset {onset_s:.0f} s after the door opened"
    return Held(told.deviation.index, f"{line}; {deviation.deviation} sealed")


async def delivered(told: Context) -> Held:
    """The QMS has the deviation under a record id of its own, and the ledger says so."""
    deviation = as_deviation(told.deviation)
    name = deviation.deviation
    found = await told.find(f"the receipt of {name}", lambda record: is_receipt(record, deviation))
    assert isinstance(found.record, Delivery), "found by its kind"
    told.record_id = str(found.record.external_id)
    known = told.stage.qms.records.get(f"deviation/{name}")
    if known is None or known[0] != told.record_id:
        raise NotHeld(f"{name}: the ledger names QMS record {told.record_id}, the QMS keeps {known}")
    waited_ms = (found.record.at_ns - deviation.at_ns) / 1e6
    return Held(found.index, f"{name} delivered in {waited_ms:.0f} ms: QMS record {told.record_id}")


async def returned(told: Context) -> Held:
    """Both excursions end after the door closes; the QMS is told that the condition has ended, which closes nothing."""
    told.stage.freezer.chamber.door_open = False
    told.stage.room.move_door(is_open=False)
    opened = as_deviation(told.deviation)
    end = await _returned(told, ACTION_CONDITION)
    await _returned(told, ALERT_CONDITION)
    found = await told.find(
        f"the end of {opened.deviation}",
        lambda record: is_deviation_of(record, end.excursion, "condition_ended"),
        demo_s=PLANT_S,
    )
    ended = as_deviation(found)
    if ended.deviation != opened.deviation or ended.state != "returned" or ended.revision <= opened.revision:
        raise NotHeld(f"{ended.deviation} revision {ended.revision} is {ended.state}, not returned")
    await told.find(f"the delivery of {ended.deviation}'s end", lambda record: is_transport(record, ended))
    known = told.stage.qms.records.get(f"deviation/{ended.deviation}")
    if known != (told.record_id, ended.revision):
        raise NotHeld(f"the QMS keeps {known}, not {told.record_id} in revision {ended.revision}")
    assert isinstance(end.t1_ns, int), "checked above"
    lasted_s = (end.t1_ns - end.t0_ns) / 1e9 * told.stage.pace.speed
    line = f"returned after {lasted_s:.0f} s, peak {as_number(end.extreme)} Cel"
    return Held(found.index, f"{line}; {ended.deviation} revision {ended.revision}: condition ended")


async def _raised(told: Context, condition: str, limit: str) -> Entry:
    found = await told.find(
        f"{condition} raised", lambda record: is_excursion(record, condition, "raised"), demo_s=PLANT_S
    )
    check_raised(as_excursion(found), float(limit), told.opened_ns)
    told.raised[condition] = found
    return found


async def _returned(told: Context, condition: str) -> Excursion:
    found = await told.find(
        f"{condition} returned", lambda record: is_excursion(record, condition, "returned"), demo_s=PLANT_S
    )
    check_returned(as_excursion(told.raised[condition]), as_excursion(found))
    return as_excursion(found)


def _line(word: str, excursion: Excursion, limit: str) -> str:
    return f"{word} {TEMPERATURE} {as_number(excursion.extreme)} Cel > {limit}  {excursion.excursion}"
