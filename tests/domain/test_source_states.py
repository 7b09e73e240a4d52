"""Every pair of source state and event."""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.source_states import TABLE, SourceEvent, SourceState, next_source_state

S, E = SourceState, SourceEvent
CHANGES = {
    (S.LOST, E.STEP): S.RECOVERING,
    (S.RECOVERING, E.ACCEPTED): S.RECORDING,
    (S.RECORDING, E.FLAW): S.DEGRADED,
    (S.DEGRADED, E.FLAW_GONE): S.RECORDING,
    (S.RECORDING, E.STEP): S.RECOVERING,
    (S.DEGRADED, E.STEP): S.RECOVERING,
    (S.REFUSED, E.RECONFIGURED): S.LOST,
    **{
        (state, end): S.LOST
        for state in (S.RECOVERING, S.RECORDING, S.DEGRADED)
        for end in (E.SILENT, E.CUT, E.STOPPED)
    },
    **{(state, E.RULE_BROKEN): S.REFUSED for state in S},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(S, E)))
def test_us_07_every_pair_of_source_state_and_event(state, event):
    assert next_source_state(state, event) is CHANGES.get((state, event), state)


def test_us_07_the_table_is_total():
    assert set(TABLE) == set(S)
    assert all(set(row) == set(E) for row in TABLE.values())


@pytest.mark.parametrize("state", [s for s in S if s is not S.RECORDING])
def test_al_11_traffic_alone_is_never_recording(state):
    assert next_source_state(state, E.ALIVE) is not S.RECORDING
