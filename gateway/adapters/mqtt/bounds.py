"""Bounds of quarantine: a publisher gone wild must fill neither ledger nor disk, and what is not kept is a counted gap."""

from __future__ import annotations

from typing import Final

from gateway.ports import Fact

MESSAGES_A_SECOND: Final = 100
BYTES_A_DAY: Final = 1 << 30
QUIET_NS: Final = 10_000_000_000

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_KEY: Final = "quarantine_full"


class QuarantineBound:
    """Counts what goes to quarantine; over the bound the gap ``quarantine_full`` stands open until it has been quiet."""

    def __init__(self) -> None:
        self._second_ns = self._day_ns = self._last_ns = 0
        self._messages = self._bytes = self._lost = 0

    def admit(self, size: int, now_ns: int) -> tuple[bool, tuple[Fact, ...]]:
        """Return whether ``size`` bytes may be kept now (monotonic ns), and the gap facts that stand before them."""
        if now_ns - self._second_ns >= _SECOND:
            self._second_ns, self._messages = now_ns, 0
        if now_ns - self._day_ns >= _DAY:
            self._day_ns, self._bytes = now_ns, 0
        if self._messages >= MESSAGES_A_SECOND or self._bytes + size > BYTES_A_DAY:
            self._lost += 1
            self._last_ns = now_ns
            return False, (Fact(kind="gap_opened", key=_KEY, cause=_KEY),) if self._lost == 1 else ()
        self._messages += 1
        self._bytes += size
        return True, ()

    def quiet(self, now_ns: int) -> tuple[Fact, ...]:
        """Return the closing of the gap, with its count, once nothing was refused for ten seconds."""
        if not self._lost or now_ns - self._last_ns < QUIET_NS:
            return ()
        lost, self._lost = self._lost, 0
        return (Fact(kind="gap_closed", key=_KEY, cause=_KEY, missing=lost, recovery="none", recovered=0),)
