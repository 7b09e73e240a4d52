"""Deviations: what raises them, how they join, what each revision says, and that nothing here closes one."""

from __future__ import annotations

import inspect
import itertools

import pytest

from gateway.domain import deviation, deviation_states
from gateway.domain.deviation import Deviations
from gateway.domain.deviation_rules import (
    BatchPresence,
    ExcursionView,
    Surroundings,
    event_class,
    propose_severity,
    raising_rule,
)
from gateway.domain.deviation_states import TABLE, TEXTS, Course, DeviationAct, DeviationState, next_deviation_state
from gateway.domain.identity import delivery_id, deviation_id, excursion_id
from gateway.domain.limits import SECOND_NS, DeviationRule
from gateway.errors import Refused

RULE = DeviationRule(sink="main")
HERE = (BatchPresence("B-1", "C-014"), BatchPresence("B-2", "C-021"))


def seconds(n: float) -> int:
    return int(n * SECOND_NS)


def excursion(t0: float = 0, *, condition="FRZ-01/temp:high.action", **more) -> ExcursionView:
    fields = {
        "name": "each",
        "level": "action",
        "signal": "FRZ-01/temp",
        "side": "high",
        "equipment": "FRZ-01",
    } | more
    return ExcursionView(
        id=excursion_id("gw-01", condition, seconds(t0)), condition=condition, t0_ns=seconds(t0), **fields
    )


class Desk:
    """Plans and records, as one frame does."""

    def __init__(self) -> None:
        self.deviations = Deviations("gw-01")
        self.told: list[tuple] = []

    def record(self, *revisions):
        for one in revisions:
            self.deviations.apply(one)
            self.told.append((one.deviation.removeprefix("DEV-gw01-"), one.revision, one.event, bool(one.sinks)))
        return revisions

    def raised(self, one: ExcursionView, around: Surroundings | None = None, *, at: float | None = None):
        now = one.t0_ns if at is None else seconds(at)
        return self.record(*self.deviations.plan_raised(one, around or Surroundings(rule=RULE), now))

    def returned(self, one: ExcursionView, at: float) -> None:
        self.deviations.apply_return(one.id, seconds(at))

    def wait(self, at: float):
        return self.record(*self.deviations.due(seconds(at)))


PAGE = {
    "open": "updated; →returned, condition_ended; event of that name; event of that name; →superseded; →retracted; mirrored",
    "returned": "→open, updated; =; event of that name; event of that name; →superseded; →retracted; mirrored",
    "superseded": "to the parent; =; to the parent; to the parent; DEV-01; DEV-01; mirrored",
    "retracted": "new deviation; =; =; event of that name; DEV-01; DEV-01; mirrored",
}


@pytest.mark.parametrize(("state", "act"), list(itertools.product(DeviationState, DeviationAct)))
def test_us_07_every_pair_of_deviation_state_and_act(state, act):
    cell = PAGE[state].split("; ")[list(DeviationAct).index(act)].replace("→", "->")
    assert TABLE[state][act] is Course(cell)
    goes = cell.removeprefix("->").split(",")[0] if cell.startswith("->") else state.value
    assert next_deviation_state(state, act).value == goes
    assert set(TEXTS) == {"DEV-01", "DEV-02"}


def test_us_22_nothing_here_closes_a_deviation():
    names = [n for module in (deviation, deviation_states) for n, _ in inspect.getmembers(module)]
    names += [n for n, _ in inspect.getmembers(Deviations)] + [s.value for s in DeviationState]
    assert not [n for n in names if "close" in n.lower()]


def test_cm_01_ids_follow_from_what_they_name():
    assert excursion_id("gw-01", "FRZ-01/temp:high.action", 1795316480000000000) == "EXC-2XTLFAWY"
    assert excursion_id("gw-01", "BR-201-CTL/temp:high.action", 1792888220000000000) == "EXC-ROB4IJ65"
    assert deviation_id("gw-01", 42) == "DEV-gw01-000042"
    assert deviation_id("gw-01", 7, scope="C-014") == "DEV-gw01-C014-000007"
    assert deviation_id("gw-01", 1, test=True) == "DEV-gw01-T000001"
    assert delivery_id("gw-01", "DEV-gw01-000042", 3) == "gw-01:dev:000042:3"
    assert delivery_id("gw-01", "DEV-gw01-C014-000007", 3) == "gw-01:dev:C014-000007:3"


@pytest.mark.parametrize(
    ("more", "around", "rule"),
    [
        ({}, {}, "DR-1"),
        ({"level": "critical"}, {}, "DR-1"),
        ({"level": "alert"}, {}, None),
        ({"level": "alert"}, {"rule": DeviationRule(sink="main", from_="alert")}, "DR-5"),
        ({}, {"rule": DeviationRule(sink="main", when="batch")}, None),
        ({}, {"rule": DeviationRule(sink="main", when="batch"), "batches": HERE}, "DR-1"),
        ({}, {"rule": None}, None),
        ({}, {"masked": True}, None),
        ({}, {"masked": True, "batches": HERE}, "DR-1"),
        ({"name": "cumulative"}, {}, "DR-2"),
        ({"name": "cumulative", "level": "alert"}, {"rule": DeviationRule(sink="main", from_="alert")}, None),
        ({"name": "no_data"}, {"rule": None}, None),
        ({"name": "no_data", "critical": True}, {"rule": None}, "DR-3"),
        ({"name": "comm_lost"}, {"rule": None, "batches": HERE}, "DR-3"),
        ({"name": "no_data", "critical": True, "level": "alert"}, {"rule": None}, None),
        ({"name": "config_drift"}, {"rule": None}, None),
        ({"name": "config_drift"}, {"rule": None, "batches": HERE}, "DR-4"),
        ({"name": "config_drift", "level": "alert"}, {"rule": None, "batches": HERE}, None),
        ({"name": "calibration_due"}, {"rule": None}, "DR-4"),
        ({"name": "ledger_integrity", "level": "critical"}, {"rule": None}, "DR-4"),
    ],
)
def test_qm_01_what_raises_a_deviation(more, around, rule):
    assert raising_rule(excursion(**more), Surroundings(**({"rule": RULE} | around))) == rule


@pytest.mark.parametrize(
    ("rule", "more", "around", "kind"),
    [
        ("DR-1", {}, {"rule": RULE}, "equipment"),
        ("DR-1", {"relevance": "cpp"}, {"rule": RULE}, "process"),
        ("DR-1", {"relevance": "cpp", "in_room": True}, {"rule": RULE}, "environmental"),
        ("DR-1", {}, {"rule": DeviationRule(sink="main", class_="utility")}, "utility"),
        ("DR-3", {"name": "no_data"}, {}, "data_integrity"),
        ("DR-4", {"name": "calibration_due"}, {}, "calibration"),
        ("DR-4", {"name": "config_drift"}, {}, "computer_system"),
    ],
)
def test_qm_01_event_class(rule, more, around, kind):
    assert event_class(rule, excursion(**more), Surroundings(**around)) == kind


@pytest.mark.parametrize(
    ("rule", "more", "around", "severity", "basis"),
    [
        ("DR-1", {}, {"rule": RULE}, "major", ("SEV-1",)),
        ("DR-1", {"level": "critical"}, {"rule": RULE}, "critical", ("SEV-2",)),
        (
            "DR-1",
            {},
            {"rule": DeviationRule(sink="m", severity="minor"), "repeats_30d": 3},
            "major",
            ("SEV-1", "SEV-5"),
        ),
        ("DR-1", {}, {"rule": RULE, "repeats_30d": 2}, "major", ("SEV-1",)),
        ("DR-1", {}, {"rule": DeviationRule(sink="m", severity="critical"), "repeats_30d": 9}, "critical", ("SEV-1",)),
        ("DR-3", {"name": "gap"}, {"missing_share": 0.01}, "minor", ("SEV-3",)),
        ("DR-3", {"name": "gap"}, {"missing_share": 0.011}, "major", ("SEV-3",)),
        ("DR-4", {"name": "config_drift"}, {}, "major", ("SEV-4",)),
        ("DR-4", {"name": "ledger_integrity"}, {}, "critical", ("SEV-2",)),
    ],
)
def test_qm_01_severity_proposed(rule, more, around, severity, basis):
    assert propose_severity(rule, excursion(**more), Surroundings(**around)) == (severity, basis)


def test_qm_07_fifty_breaches_make_one_deviation():
    desk = Desk()
    for n in range(50):
        one = excursion(72 * n)
        desk.raised(one)
        desk.returned(one, 72 * n + 10)
        desk.wait(72 * n + 20)
    last = 72 * 49 + 10
    assert desk.wait(last + 299) == ()
    desk.wait(last + 300)
    desk.wait(last + 900)
    events = [event for _, _, event, _ in desk.told]
    assert [events.count(e) for e in ("opened", "updated", "condition_ended")] == [1, 49, 1]
    assert len(events) == 51
    assert {name for name, *_ in desk.told} == {"000001"}
    (only,) = desk.deviations.all()
    assert (only.state, len(only.excursions), only.revision) == (DeviationState.RETURNED, 50, 51)


def test_qm_07_within_a_minute_an_update_is_recorded_and_sent_later():
    desk = Desk()
    first, second = excursion(0), excursion(20)
    desk.raised(first)
    desk.returned(first, 10)
    desk.raised(second)
    assert desk.wait(40) == ()
    desk.wait(60)
    assert desk.told == [("000001", 1, "opened", True), ("000001", 2, "updated", False), ("000001", 3, "updated", True)]


def test_qm_07_worse_or_wider_is_told_at_once():
    desk = Desk()
    desk.raised(excursion(0))
    (worse,) = desk.raised(excursion(5, condition="FRZ-01/temp:high.critical", level="critical"))
    assert (worse.severity, worse.severity_basis, worse.sinks) == ("critical", ("SEV-2",), ("main",))
    (wider,) = desk.raised(excursion(10), Surroundings(rule=RULE, batches=HERE[:1]))
    assert (wider.severity, wider.batches, wider.sinks) == ("critical", ("B-1",), ("main",)), "updates only raise it"


def test_qm_07_reopens_within_the_window_and_not_after():
    desk = Desk()
    one = excursion(0)
    desk.raised(one)
    desk.returned(one, 10)
    desk.wait(310)
    (again,) = desk.raised(excursion(3610))
    assert (again.state, again.event, again.deviation) == (DeviationState.OPEN, "updated", "DEV-gw01-000001")
    desk.returned(excursion(3610), 3620)
    (new,) = desk.raised(excursion(3620 + 3601))
    assert (new.event, new.deviation, new.previous) == ("opened", "DEV-gw01-000002", None)


def test_qm_07_joining_ends_after_a_day_or_when_the_qms_is_done():
    desk = Desk()
    desk.raised(excursion(0))
    (new,) = desk.raised(excursion(86_400))
    assert (new.event, new.previous) == ("opened", "DEV-gw01-000001")
    desk.deviations.apply_qms_status("DEV-gw01-000002", "investigation")
    assert desk.raised(excursion(86_500))[0].event == "updated"
    desk.deviations.apply_qms_status("DEV-gw01-000002", "rejected")
    (third,) = desk.raised(excursion(86_600))
    assert (third.event, third.previous) == ("opened", "DEV-gw01-000002")


@pytest.mark.parametrize(
    ("second", "rule", "joins"),
    [
        (excursion(100, condition="FRZ-01/temp:high.critical", level="critical"), RULE, True),
        (excursion(100, condition="FRZ-01/temp:low.action", side="low"), RULE, False),
        (excursion(100, condition="FRZ-01/rh:high.action", signal="FRZ-01/rh"), RULE, False),
        (excursion(100, condition="R/p:low.action", signal="R/p", parent=excursion(0).id), RULE, True),
        (
            excursion(100, condition="FRZ-01/rh:high.action", signal="FRZ-01/rh"),
            DeviationRule(sink="main", group="equipment"),
            True,
        ),
        (
            excursion(301, condition="FRZ-01/rh:high.action", signal="FRZ-01/rh"),
            DeviationRule(sink="main", group="equipment"),
            False,
        ),
        (excursion(100, test=True), RULE, False),
    ],
)
def test_qm_07_what_joins(second, rule, joins):
    desk = Desk()
    desk.raised(excursion(0))
    (found,) = desk.raised(second, Surroundings(rule=rule))
    assert (found.event == "updated") is joins


def test_al_11_missing_data_of_one_source_is_one_deviation():
    desk = Desk()
    around = Surroundings(required_sinks=("main", "second"), batches=HERE)
    data = {"name": "no_data", "group": "line1", "critical": True}
    desk.raised(excursion(0, condition="A/t:no_data.action", signal="A/t", **data), around)
    (found,) = desk.raised(excursion(1, condition="B/t:no_data.action", signal="B/t", **data), around)
    assert (found.event, found.event_class, found.all_sinks) == ("updated", "data_integrity", ("main", "second"))
    (other,) = desk.raised(
        excursion(1, condition="C/t:no_data.action", signal="C/t", **(data | {"group": "line2"})), around
    )
    assert other.event == "opened"


def test_cm_01_each_client_sees_its_own_batches_in_its_own_series():
    desk = Desk()
    around = Surroundings(
        rule=RULE, batches=HERE, client_sinks={"C-014": ("c14", "main"), "C-099": ("c99",), "C-021": ("main",)}
    )
    site, client = desk.raised(excursion(0), around)
    assert (site.deviation, site.batches, site.sinks) == ("DEV-gw01-000001", ("B-1", "B-2"), ("main",))
    assert (client.deviation, client.batches, client.sinks) == ("DEV-gw01-C014-000001", ("B-1",), ("c14",))
    assert "B-2" not in repr(client)
    assert desk.deviations.find(client.deviation, "C-014") == client
    assert desk.deviations.find(client.deviation) == client
    for scope, wanted in (("C-021", client.deviation), ("C-014", site.deviation), ("site", "DEV-gw01-000099")):
        with pytest.raises(Refused, match="DEV-02"):
            desk.deviations.find(wanted, scope)


def test_qm_04_an_excursion_is_in_one_deviation_whatever_is_repeated():
    desk = Desk()
    desk.raised(excursion(0))
    assert desk.raised(excursion(0)) == ()
    assert desk.raised(excursion(0, level="alert", condition="x")) == ()


def test_qm_07_break_and_bounds_and_batches_update():
    desk = Desk()
    one = excursion(0)
    desk.raised(one, Surroundings(rule=RULE, batches=HERE[:1]))
    desk.returned(one, 5)
    desk.wait(305)
    desk.deviations.apply_return(one.id, None)
    (again,) = desk.record(*desk.deviations.plan_changed(one.id, seconds(310)))
    assert (again.state, again.event, again.sinks) == (DeviationState.OPEN, "updated", ())
    (wider,) = desk.record(*desk.deviations.plan_changed(one.id, seconds(311), batches={"site": ("B-1", "B-2")}))
    assert (wider.batches, wider.sinks) == (("B-1", "B-2"), ("main",))
    (fewer,) = desk.record(*desk.deviations.plan_changed(one.id, seconds(400), batches={"site": ("B-2",)}))
    assert (fewer.batches, fewer.sinks) == (("B-2",), ("main",))
    assert desk.deviations.plan_changed("EXC-UNKNOWN1", 0) == ()


def test_qm_07_acts_of_people_are_events_of_their_name():
    desk = Desk()
    desk.raised(excursion(0))
    desk.raised(excursion(1, condition="other:high.action", signal="other"))
    first, second = "DEV-gw01-000001", "DEV-gw01-000002"
    act = desk.deviations.plan_act
    (noted,) = desk.record(act(first, "acknowledged", seconds(9), person="P-1", reason="equipment_event"))
    assert (noted.event, noted.person, noted.revision) == ("acknowledged", "P-1", 2)
    (merged,) = desk.record(act(second, "superseded", seconds(10), parent=first))
    assert (merged.state, merged.parent) == (DeviationState.SUPERSEDED, first)
    assert act(second, "annotated", seconds(11)).deviation == first
    with pytest.raises(Refused, match="DEV-01: DEV-gw01-000002 is superseded"):
        act(second, "retracted", seconds(12))
    (retracted,) = desk.record(act(first, "retracted", seconds(13), person="P-2", reason="sensor pulled for service"))
    assert retracted.state is DeviationState.RETRACTED
    assert act(first, "annotated", seconds(14)).event == "annotated"
    with pytest.raises(Refused, match="DEV-01: DEV-gw01-000001 is retracted"):
        act(first, "acknowledged", seconds(15))
    assert desk.deviations.plan_changed(excursion(0).id, seconds(16)) == ()
    assert desk.wait(99_999) == ()
    assert desk.raised(excursion(17))[0].event == "opened", "a retracted deviation takes nothing in"
