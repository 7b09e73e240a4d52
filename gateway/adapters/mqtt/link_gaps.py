"""Gaps of the link: which facts a loss, a return with or without session, a refusal and the first reading after give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.adapters.mqtt.route import Route
from gateway.ports import Fact

LINK_DOWN: Final = "link_down"
LINK_DOWN_QOS0: Final = "link_down_qos0"
SESSION_LOST: Final = "broker_session_lost"
STOPPED_QOS0: Final = "gateway_stopped"
BROKER: Final = ("broker_restart", "broker_dropped")
REFUSED: Final = "item_refused"
_OF_ALL: Final = (SESSION_LOST, *BROKER)


class LinkGaps:
    """Knows the gaps of one source that are open; ``open_before`` are those the ledger still holds open at start."""

    def __init__(self, routes: Iterable[Route], open_before: Mapping[str, str]) -> None:
        routes = tuple(routes)
        self._qos0 = tuple(address for route in routes if not route.qos_expected for address in route.addresses)
        self._open = dict(open_before)
        self._await_reading: dict[str, Fact] = {}

    def cut(self) -> list[Fact]:
        """Return what the end of a connection opens at once: topics at QoS 0 lose from the first moment."""
        return self._opened(LINK_DOWN_QOS0, LINK_DOWN, self._qos0, certainty="possible") if self._qos0 else []

    def silent(self) -> list[Fact]:
        """Return what ten seconds without traffic open."""
        return self._opened(LINK_DOWN, LINK_DOWN, (), certainty="possible")

    def returned(self, *, session_present: bool, known_before: bool, first: bool) -> list[Fact]:
        """Return what a new connection proves: an unbroken session fills every gap of the link, a lost one opens its own.

        ``first``: the first connection of this process. ``known_before``: the broker should have known our session.
        """
        facts: list[Fact] = []
        if first:
            stale = [key for key in self._open if key.startswith("seq:") or key == "quarantine_full"]
            facts += [self._closed(key, self._open[key], "none") for key in stale]
            if self._qos0 and known_before and LINK_DOWN_QOS0 not in self._open:
                facts += self._opened(STOPPED_QOS0, "gateway_stopped", self._qos0, certainty="possible")
        if session_present:
            if LINK_DOWN in self._open:
                facts.append(self._closed(LINK_DOWN, LINK_DOWN, "full", missing=0))
        else:
            if known_before:
                facts += self._opened(SESSION_LOST, SESSION_LOST, ())
            if LINK_DOWN in self._open:
                facts.append(self._closed(LINK_DOWN, LINK_DOWN, "none"))
        for key in (SESSION_LOST, LINK_DOWN_QOS0, STOPPED_QOS0, *BROKER):
            if key in self._open:
                self._await_reading[key] = Fact(kind="gap_bounded", key=key, cause=self._open[key])
        return facts

    def suspected(self, cause: str, detail: dict[str, Any]) -> list[Fact]:
        """Return what a restart of the broker or its drop counter opens: a possible gap since the last look."""
        facts = self._opened(cause, cause, (), certainty="possible", detail=detail)
        if facts:
            self._await_reading[cause] = Fact(kind="gap_bounded", key=cause, cause=cause)
        return facts

    @property
    def awaits_reading(self) -> bool:
        """Whether a gap ends with the next reading."""
        return bool(self._await_reading)

    def first_reading(self, route: Route) -> tuple[Fact, ...]:
        """Return bounding and closing of the gaps that end with a reading of ``route``."""
        if not self._await_reading:
            return ()
        facts: list[Fact] = []
        for key in list(self._await_reading):
            if key in _OF_ALL or not route.qos_expected:
                facts += [self._await_reading.pop(key), self._closed(key, self._open[key], "none")]
        return tuple(facts)

    def granted(self, routes: Iterable[Route], codes: Mapping[str, int]) -> list[Fact]:
        """Return what the SUBACKs say: refused topics open a gap, accepted ones close it."""
        facts: list[Fact] = []
        for route in routes:
            if route.topic not in codes:
                continue
            code, key = codes[route.topic], f"refused:{route.topic}"
            if is_refused(route, code):
                facts += self._opened(key, REFUSED, route.addresses, detail={"code": code, "topic": route.topic})
            elif key in self._open:
                facts.append(self._closed(key, REFUSED, "none"))
        return facts

    def _opened(
        self,
        key: str,
        cause: str,
        addresses: tuple[str, ...],
        *,
        certainty: str = "certain",
        detail: dict[str, Any] | None = None,
    ) -> list[Fact]:
        if key in self._open:
            return []
        self._open[key] = cause
        return [Fact(kind="gap_opened", key=key, cause=cause, certainty=certainty, addresses=addresses, detail=detail)]

    def _closed(self, key: str, cause: str, recovery: str, *, missing: int | None = None) -> Fact:
        del self._open[key]
        return Fact(kind="gap_closed", key=key, cause=cause, recovery=recovery, missing=missing, recovered=0)


def is_refused(route: Route, code: int) -> bool:
    """Tell whether a SUBACK code means that the topic cannot be recorded as declared."""
    return code >= 0x80 or code < route.qos_expected  # noqa: PLR2004 - codes from 0x80 are refusals
