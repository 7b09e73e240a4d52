"""States of a source: one total table of state x event (`ingest.md` 1).

An open socket alone is never ``recording``: that needs items accepted and a value or keep-alive in time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SourceState(StrEnum):
    """What a source is doing now."""

    LOST = "lost"
    RECOVERING = "recovering"
    RECORDING = "recording"
    DEGRADED = "degraded"
    REFUSED = "refused"


class SourceEvent(StrEnum):
    """What happens to a source; STEP is a step of its recovery ladder, FLAW a reason to be degraded."""

    STEP = "step"
    ACCEPTED = "accepted"
    ALIVE = "alive"
    FLAW = "flaw"
    FLAW_GONE = "flaw_gone"
    SILENT = "silent"
    CUT = "cut"
    RULE_BROKEN = "rule_broken"
    RECONFIGURED = "reconfigured"
    STOPPED = "stopped"


_S, _E = SourceState, SourceEvent

TABLE: Final[dict[SourceState, dict[SourceEvent, SourceState]]] = {
    _S.LOST: {
        _E.STEP: _S.RECOVERING,
        _E.ACCEPTED: _S.LOST,  # late word of a link that is gone
        _E.ALIVE: _S.LOST,
        _E.FLAW: _S.LOST,
        _E.FLAW_GONE: _S.LOST,
        _E.SILENT: _S.LOST,
        _E.CUT: _S.LOST,
        _E.RULE_BROKEN: _S.REFUSED,
        _E.RECONFIGURED: _S.LOST,
        _E.STOPPED: _S.LOST,
    },
    _S.RECOVERING: {
        _E.STEP: _S.RECOVERING,
        _E.ACCEPTED: _S.RECORDING,
        _E.ALIVE: _S.RECOVERING,  # traffic alone proves no accepted items
        _E.FLAW: _S.RECOVERING,
        _E.FLAW_GONE: _S.RECOVERING,
        _E.SILENT: _S.LOST,
        _E.CUT: _S.LOST,
        _E.RULE_BROKEN: _S.REFUSED,
        _E.RECONFIGURED: _S.RECOVERING,
        _E.STOPPED: _S.LOST,
    },
    _S.RECORDING: {
        _E.STEP: _S.RECOVERING,
        _E.ACCEPTED: _S.RECORDING,
        _E.ALIVE: _S.RECORDING,
        _E.FLAW: _S.DEGRADED,
        _E.FLAW_GONE: _S.RECORDING,
        _E.SILENT: _S.LOST,
        _E.CUT: _S.LOST,
        _E.RULE_BROKEN: _S.REFUSED,
        _E.RECONFIGURED: _S.RECORDING,
        _E.STOPPED: _S.LOST,
    },
    _S.DEGRADED: {
        _E.STEP: _S.RECOVERING,
        _E.ACCEPTED: _S.DEGRADED,  # items are accepted, the reason stands until it is gone
        _E.ALIVE: _S.DEGRADED,
        _E.FLAW: _S.DEGRADED,
        _E.FLAW_GONE: _S.RECORDING,
        _E.SILENT: _S.LOST,
        _E.CUT: _S.LOST,
        _E.RULE_BROKEN: _S.REFUSED,
        _E.RECONFIGURED: _S.DEGRADED,
        _E.STOPPED: _S.LOST,
    },
    _S.REFUSED: {
        _E.STEP: _S.REFUSED,  # no attempt until the configuration changes
        _E.ACCEPTED: _S.REFUSED,
        _E.ALIVE: _S.REFUSED,
        _E.FLAW: _S.REFUSED,
        _E.FLAW_GONE: _S.REFUSED,
        _E.SILENT: _S.REFUSED,
        _E.CUT: _S.REFUSED,
        _E.RULE_BROKEN: _S.REFUSED,
        _E.RECONFIGURED: _S.LOST,
        _E.STOPPED: _S.REFUSED,
    },
}


def next_source_state(state: SourceState, event: SourceEvent) -> SourceState:
    """Return the state after an event."""
    return TABLE[state][event]
