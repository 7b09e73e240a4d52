"""Where a state is unknown every candidate rule counts, and a condition still has one state and one end."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from gateway.domain.limits import Levels
from tests.fakes.virtual_loop import run_virtually
from tests.pipeline.plant_laws import check_laws, excursions
from tests.pipeline.plant_life import Life, Plant, epoch, rule

RULES = (
    rule("shut", ["FRZ-1/temp"], when={"FRZ-1/door": "shut"}, on_delay_s=300),
    rule("open", ["FRZ-1/temp"], when={"FRZ-1/door": "open"}, high=Levels(action=Decimal("12.0")), on_delay_s=0),
)


async def _hold(life: Life, value: float, times: int) -> None:
    for _ in range(times):
        await life.say("FRZ-1/temp", value)
        await asyncio.sleep(10)


def test_an_excursion_of_an_unknown_state_ends_when_the_state_is_known():
    """The tightest limit at once while nobody knows; then the rule of the state takes the excursion over and ends it."""
    plant = Plant(epoch(1, *RULES))

    async def story() -> None:
        async with Life(plant) as life:
            await _hold(life, 9.0, 10)
            await life.say("FRZ-1/door", "open")
            await _hold(life, 9.0, 10)

    run_virtually(story())
    told = [one for one in excursions(check_laws(plant)) if one.class_ == "process"]
    assert [one.event for one in told] == ["raised", "returned"]
    assert told[0].facts["rule_name"] == "shut"
    assert told[1].facts["ended_by"] == "phase_change"
