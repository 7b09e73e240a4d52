"""Limit sets: the conditions they make, and when a rule is in force."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.domain.data_conditions import signal_conditions
from gateway.domain.limits import SECOND_NS, DeviationRule, Levels, LimitSet, Rule, rule_applies, rule_conditions

RULE = Rule(
    name="temp",
    signals=("BR-201-CTL/temp", "BR-201-CTL/temp~test"),
    unit="Cel",
    justification="Growth range of the cell bank, SPEC-0412",
    deviation=DeviationRule(sink="main"),
    low=Levels(action=Decimal("36.2"), alert=Decimal("36.5")),
    high=Levels(critical=Decimal("38.5")),
    hysteresis=Decimal("0.1"),
    on_delay_s=60,
    off_delay_s=30,
    phases=("growth",),
    when={"BR-201-CTL/state": "running"},
)


def limit_set(**more) -> LimitSet:
    return LimitSet(
        id="BR-201-GROWTH", version=4, title="growth", document="SPEC-0412", revision="7", rules=(RULE,), **more
    )


def test_al_07_each_level_and_side_is_its_own_condition():
    conditions = list(rule_conditions(limit_set(), RULE))
    assert [(c.id, c.limit, c.back, c.test) for c in conditions] == [
        (f"{signal}:{name}", Decimal(limit), Decimal(back), signal.endswith("~test"))
        for signal in RULE.signals
        for name, limit, back in (
            ("low.alert", "36.5", "36.6"),
            ("low.action", "36.2", "36.3"),
            ("high.critical", "38.5", "38.4"),
        )
    ]
    first = conditions[0]
    assert (first.rule, first.on_delay_ns, first.off_delay_ns, first.signal) == (
        "BR-201-GROWTH@4",
        60 * SECOND_NS,
        30 * SECOND_NS,
        "BR-201-CTL/temp",
    )


def test_cm_01_a_clients_set_makes_conditions_of_its_own():
    assert next(rule_conditions(limit_set(client="C-014"), RULE)).id == "BR-201-CTL/temp:low.alert@BR-201-GROWTH"


@pytest.mark.parametrize(
    ("phase", "state", "applies"),
    [
        ("growth", "running", True),
        ("growth", "stopped", False),
        ("harvest", "running", False),
        (None, "running", True),
        ("growth", None, True),
        (None, None, True),
    ],
)
def test_al_07_phase_and_state_choose_the_rule_and_unknown_chooses_every_candidate(phase, state, applies):
    assert rule_applies(RULE, phase=phase, states={"BR-201-CTL/state": state}) is applies
    assert rule_applies(RULE, phase="growth", states={})


def test_al_10_missing_data_speaks_at_the_pages_own_times():
    def totals(expected_s, stale_s):
        conditions = signal_conditions("A/t~test", expected_ns=expected_s * SECOND_NS, stale_ns=stale_s * SECOND_NS)
        assert all(c.test for c in conditions)
        return {c.id.partition(":")[2]: c.on_delay_ns // SECOND_NS for c in conditions}

    assert totals(10, 20) == {
        "no_data.alert": 20,
        "no_data.action": 280,
        "bad_quality.alert": 20,
        "bad_quality.action": 300,
    }
    assert totals(60, 120)["no_data.action"] == 600 - 120
    assert totals(600, 1200)["bad_quality.action"] == 1200
