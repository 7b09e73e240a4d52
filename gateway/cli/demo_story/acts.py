"""The acts of the story: when each is due, what its line must say of the ledger, and how far `--until` goes. Pure."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct, UnsetType

from gateway.ledger.records import Batch, Delivery, Deviation, Excursion, Reading

BATCH: Final = "B-DEMO"
TEMPERATURE: Final = "FRZ-01/temp"
DOOR: Final = "R-1-DOOR/door"
ROOM_TEMPERATURE: Final = "R-1-ENV/temp"
ALERT_CONDITION: Final = f"{TEMPERATURE}:high.alert"
ACTION_CONDITION: Final = f"{TEMPERATURE}:high.action"
CUT_S: Final = 8.0


class Act(Struct, frozen=True):
    """One act: its word, the demo second it is due at, what happens in it."""

    name: str
    at_s: float
    title: str


ACTS: Final = (
    Act("ready", 0, "keys, configuration, every link secured"),
    Act("batch", 10, f"{BATCH} starts on FRZ-01 in room R-1"),
    Act("door", 20, "the freezer's door is left open"),
    Act("alert", 35, "-20.0 Cel is passed: early warning"),
    Act("action", 50, "-15.0 Cel is passed: an excursion, and its deviation is sealed"),
    Act("delivered", 50, "the QMS confirms the deviation"),
    Act("cut", 70, f"the freezer's link is cut for {CUT_S:.0f} s"),
    Act("returned", 100, "the door closes, the temperature comes back"),
    Act("sealed", 120, "the batch ends; its content has one root"),
    Act("verified", 130, "its bundle is checked, by us and by its own verify.py"),
    Act("refused", 135, "one byte of a copy is changed: it must fail"),
)
ENDED: Final = Act("ended", 140, "the gateway stops in order; its whole ledger verifies")
"""Played last, after the plant has stayed for whoever looks around."""
UNTIL: Final = {"alert": "alert", "delivered": "delivered", "returned": "returned", "sealed": "refused"}
"""Word of `--until` → last act. Sealed, while nobody can sign yet: ended, root computed, verified, tampered copy refused."""


class NotHeld(Exception):
    """An act whose assertion does not hold; the text says what was expected and what was found."""


class Held(Struct, frozen=True):
    """An act that held: the ledger index that shows it, and its line for people."""

    ledger_index: int
    text: str


def acts_until(until: str | None, *, cut: bool) -> tuple[Act, ...]:
    """Return the acts of a run, in order."""
    acts = tuple(act for act in ACTS if cut or act.name != "cut")
    if until is None:
        return acts
    last = next(number for number, act in enumerate(acts) if act.name == UNTIL[until])
    return acts[: last + 1]


def is_good(record: object, signal: str) -> bool:
    """Tell whether a record is a good reading of a signal."""
    return isinstance(record, Reading) and record.signal == signal and record.quality == "good"


def is_batch_event(record: object, event: str) -> bool:
    """Tell whether a record applies ``event`` to the demo's batch."""
    return isinstance(record, Batch) and record.batch == BATCH and record.event == event and record.effect == "applied"


def is_door_open(record: object) -> bool:
    """Tell whether a record is the switch's word that the door is open."""
    return isinstance(record, Reading) and record.signal == DOOR and record.value == "open"


def is_excursion(record: object, condition: str, event: str) -> bool:
    """Tell whether a record is ``event`` of an excursion of ``condition``."""
    return isinstance(record, Excursion) and record.condition == condition and record.event == event


def is_deviation_of(record: object, excursion: str, event: str) -> bool:
    """Tell whether a record is ``event`` of the site's deviation that holds an excursion."""
    return (
        isinstance(record, Deviation)
        and record.scope == "site"
        and record.event == event
        and excursion in record.excursions
    )


def is_receipt(record: object, deviation: Deviation) -> bool:
    """Tell whether a record says that the QMS has this revision of a deviation, under a record id of its own."""
    return (
        isinstance(record, Delivery)
        and record.event == "receipt"
        and record.object.id == deviation.deviation
        and record.object.version in {UNSET, deviation.revision}
        and bool(record.external_id)
    )


def is_transport(record: object, deviation: Deviation) -> bool:
    """Tell whether a record says that the QMS took this revision of a deviation."""
    return (
        isinstance(record, Delivery)
        and record.event in {"transported", "receipt"}
        and record.object.id == deviation.deviation
        and record.object.version in {UNSET, deviation.revision}
    )


def check_raised(excursion: Excursion, limit: float, opened_ns: int) -> None:
    """Hold a raised excursion against its limit and the door: beyond the limit, with an onset after the opening."""
    extreme = as_number(excursion.extreme)
    if extreme is None or extreme <= limit:
        raise NotHeld(f"{excursion.excursion}: extreme {extreme} is not above {limit}")
    if excursion.t0_ns < opened_ns:
        raise NotHeld(f"{excursion.excursion}: onset {excursion.t0_ns} lies before the door opened at {opened_ns}")
    if not isinstance(excursion.raised_ns, int) or excursion.raised_ns < excursion.t0_ns:
        raise NotHeld(f"{excursion.excursion}: raised at {excursion.raised_ns}, onset {excursion.t0_ns}")


def check_returned(raised: Excursion, returned: Excursion) -> None:
    """Hold a returned excursion against the one raised: same onset, an end after it, an extreme no smaller."""
    if returned.excursion != raised.excursion or returned.t0_ns != raised.t0_ns:
        raise NotHeld(f"{returned.excursion} from {returned.t0_ns} is not {raised.excursion} from {raised.t0_ns}")
    if not isinstance(returned.t1_ns, int) or returned.t1_ns <= raised.t0_ns:
        raise NotHeld(f"{returned.excursion}: end {returned.t1_ns} is not after its onset {raised.t0_ns}")
    before, after = as_number(raised.extreme), as_number(returned.extreme)
    if before is None or after is None or after < before:
        raise NotHeld(f"{returned.excursion}: extreme {after} is below the {before} it was raised with")


def check_deviation(deviation: Deviation, excursion: Excursion, events: tuple[int, int]) -> None:
    """Hold a deviation against its excursion: severity proposed, batch named, both records side by side (one frame)."""
    if deviation.batches != [BATCH]:
        raise NotHeld(f"{deviation.deviation} names {deviation.batches or 'no batch'}, not {BATCH}")
    if deviation.severity != "major":
        raise NotHeld(f"{deviation.deviation} proposes {deviation.severity}, the rule says major")
    if excursion.excursion not in deviation.excursions:
        raise NotHeld(f"{deviation.deviation} does not hold {excursion.excursion}")
    if not events[0] < events[1]:
        raise NotHeld(f"{deviation.deviation} at {events[1]} does not follow its excursion at {events[0]}")


def as_number(value: float | str | UnsetType | None) -> float | None:
    """Return a recorded value as a number, None when it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
