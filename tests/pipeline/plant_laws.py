"""What holds of every ledger that a small plant wrote, and what its tests pick out of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.ledger.records import Deviation, Excursion, Gateway, Reading, Record
from tests.pipeline.plant_life import Plant


def excursions(records: Iterable[Record]) -> list[Excursion]:
    return [record for record in records if isinstance(record, Excursion)]


def deviations(records: Iterable[Record]) -> list[Deviation]:
    return [record for record in records if isinstance(record, Deviation)]


def notes(records: Iterable[Record], event: str) -> list[Gateway]:
    return [record for record in records if isinstance(record, Gateway) and record.event == event]


def check_laws(plant: Plant, *, whole: bool = True) -> list[Record]:
    """What holds of every ledger, however often power was lost; ``whole``: its last life found the time to finish."""
    records = plant.records()
    told = excursions(records)
    keys = [written.key for index, one in enumerate(told) if (written := _written(index, one)) is not None]
    assert len(keys) == len(set(keys)), "an event was written twice"
    raised = [one.excursion for one in told if one.event in {"raised", "late"}]
    assert len(raised) == len(set(raised)), "an excursion was raised twice"
    revisions: dict[str, list[int]] = {}
    holders: dict[str, set[str]] = {}
    numbers: list[int] = []
    for one in deviations(records):
        revisions.setdefault(one.deviation, []).append(one.revision)
        if one.revision == 1:
            numbers.append(one.facts["number"])
        for excursion in one.excursions:
            holders.setdefault(excursion, set()).add(one.deviation)
    assert all(found == list(range(1, len(found) + 1)) for found in revisions.values()), revisions
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    assert all(len(found) == 1 for found in holders.values()), holders
    if whole:
        due = {one.excursion for one in told if one.event in {"raised", "late"} and one.level != "alert"}
        process = {one.excursion for one in told if one.class_ == "process"}
        assert due & process <= holders.keys(), "an excursion has no deviation"
    counts: dict[str, list[int]] = {}
    for one in records:
        if isinstance(one, Reading):
            counts.setdefault(one.signal, []).append(one.n)
    assert all(found == list(range(1, len(found) + 1)) for found in counts.values()), "n has a hole"
    return records


def _written(index: int, record: Excursion) -> Any:
    from gateway.pipeline.excursion_records import written_of

    return written_of(index, record)
