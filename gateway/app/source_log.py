"""Source log: what the ledger records of links and gaps, said in the log as well, so that an operator sees why nothing arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from gateway.ports import Fact, Inlet, Parcel, Resume

UP: Final = frozenset({"connected", "recording"})
"""What a source says when it records again: an MQTT link, an OPC UA source."""
_REMEDY: Final = "is it switched on and reachable? it is tried again by itself, and what is missed is recorded as a gap"

_log = structlog.get_logger(component="source")


class LoggedInlet:
    """Implements `gateway.ports.Inlet`; passes everything on as it came. Never a line per reading."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet

    async def offer(self, parcel: Parcel) -> None:
        """Say what the parcel's facts mean to people, then offer it."""
        for fact in parcel.facts:
            _say(parcel.source, fact)
        await self._inlet.offer(parcel)

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        """Say what the parcels' facts mean to people, then offer them."""
        for parcel in parcels:
            for fact in parcel.facts:
                _say(parcel.source, fact)
        await self._inlet.offer_run(parcels)

    def resume(self, source: str) -> Resume:
        """Return where a source stood."""
        return self._inlet.resume(source)


def _say(source: str, fact: Fact) -> None:
    """Log a change of the link, or a gap of the whole source; single signals and messages stand in the ledger alone."""
    detail = fact.detail or {}
    if fact.kind == "link":
        if "reason" in detail:
            _log.warning("source.unreachable", source=source, error=str(detail["reason"]), remedy=_REMEDY)
        elif UP & {fact.cause, str(detail.get("state"))}:
            _log.info("source.connected", source=source)
    elif not fact.addresses and fact.kind == "gap_opened":
        _log.warning("gap.opened", source=source, cause=fact.cause, certainty=fact.certainty)
    elif not fact.addresses and fact.kind == "gap_closed":
        _log.info("gap.closed", source=source, cause=fact.cause, recovered=fact.recovered, missing=fact.missing)
