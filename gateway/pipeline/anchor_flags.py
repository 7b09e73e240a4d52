"""Anchor flags: what our own records say of witnesses and time stamps, as readings of the flags that conditions judge.

A flag goes up with the notice that says since when; it goes down with the notice that it is over, and with the anchor that shows
it: after a restart there may be no more than that.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.anchor_conditions import TIMESTAMP_STALE, WITNESS_STALE
from gateway.domain.reading_view import ReadingView
from gateway.ledger.records import Anchor, Gateway

UP: Final = {"witness_stale": WITNESS_STALE, "timestamp_stale": TIMESTAMP_STALE}
DOWN: Final = {"witness_quorum": WITNESS_STALE, "timestamp_back": TIMESTAMP_STALE}
SHOWN_BY: Final = {"cosigned": WITNESS_STALE, "timestamped": TIMESTAMP_STALE}
_NS: Final = 1_000_000_000


class AnchorFlags:
    """Knows which flags are up; a fold of the ledger."""

    def __init__(self) -> None:
        self.up: dict[str, int] = {}
        self._down_ns: dict[str, int] = {}

    def notice(self, index: int, record: Gateway) -> ReadingView | None:
        """Return the reading of a flag that a notice changes, None if it changes none."""
        code = record.code if isinstance(record.code, str) else ""
        if code in DOWN:
            return self._lower(index, DOWN[code], record.at_ns, record.boot_ns)
        track = UP.get(code)
        if track is None or track in self.up:
            return None
        facts = record.facts if isinstance(record.facts, dict) else {}
        seconds = facts.get("seconds", 0)
        # not before the flag went down last, and not before the machine was started: the monotonic clock must not step back
        ago_ns = min(
            (seconds if isinstance(seconds, int) else 0) * _NS,
            record.at_ns - self._down_ns.get(track, 0),
            record.boot_ns,
        )
        ago_ns = max(0, ago_ns)
        self.up[track] = record.at_ns - ago_ns
        return _flag(index, track, record.at_ns - ago_ns, record.boot_ns - ago_ns, value=True)

    def anchor(self, index: int, record: Anchor) -> ReadingView | None:
        """Return the reading of a flag that an anchor lowers, None where it was not up."""
        track = SHOWN_BY.get(record.event)
        return None if track is None else self._lower(index, track, record.at_ns, record.boot_ns)

    def _lower(self, index: int, track: str, at_ns: int, boot_ns: int) -> ReadingView | None:
        if self.up.pop(track, None) is None:
            return None
        self._down_ns[track] = at_ns
        return _flag(index, track, at_ns, boot_ns, value=False)


def _flag(index: int, track: str, te_ns: int, boot_ns: int, *, value: bool) -> ReadingView:
    return ReadingView(
        index=index,
        signal=track,
        te_ns=te_ns,
        value=value,
        quality="good",
        basis="received",
        monotonic_ns=boot_ns,
        received_ns=te_ns,
    )
