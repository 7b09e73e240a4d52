"""Revocations: the newest lists of the authority, fetched when they are due, kept beside every stamp, and a stamp refused over one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from gateway.errors import EvidenceRefused, Unavailable
from gateway.ledger.authority import Chain
from gateway.ledger.revocation import addresses_in, demand_unrevoked, next_update_ns, read_lists
from gateway.ports import RevocationLists, SystemClock

LONGEST_NS: Final = 24 * 3600 * 1_000_000_000
"""A list is asked for again after a day at most, however long its issuer lets it hold."""
SHORTEST_NS: Final = 3600 * 1_000_000_000
"""And after an hour at least, also when nobody answered."""

_log = structlog.get_logger(component="timestamping")


class Revocations:
    """``configured``: addresses or files instead of those that the certificates name."""

    def __init__(self, lists: RevocationLists, configured: Sequence[str], clock: SystemClock) -> None:
        self._lists = lists
        self._configured = tuple(configured)
        self._clock = clock
        self._addresses: tuple[str, ...] = ()
        self._kept = b""
        self._due_ns = 0
        self._failed = False

    async def beside(self, chain: Chain, gen_ns: int) -> bytes:
        """Return the lists to keep beside a stamp as PEM, empty if none are published or none came.

        Raises `EvidenceRefused` when one says that the chain was revoked by the time of the stamp.
        """
        addresses = self._configured or addresses_in(chain)
        now_ns = self._clock.now().monotonic_ns
        if addresses != self._addresses or now_ns >= self._due_ns:
            await self._renew(addresses, chain, now_ns)
        demand_unrevoked(chain, self._kept, gen_ns)
        return self._kept

    async def _renew(self, addresses: tuple[str, ...], chain: Chain, now_ns: int) -> None:
        if addresses != self._addresses:
            self._addresses, self._kept = addresses, b""
        self._due_ns = now_ns + SHORTEST_NS
        if not addresses:
            return
        try:
            self._kept = read_lists([await self._lists.fetch(one) for one in addresses], chain)
        except (Unavailable, EvidenceRefused) as error:
            if not self._failed:
                remedy = error.remedy or "name the right list in timestamping.crl"
                _log.warning("timestamp.no_revocation_list", error=error.text, remedy=remedy)
            self._failed = True
            return
        self._failed = False
        until = next_update_ns(self._kept)
        left_ns = LONGEST_NS if until is None else until - self._clock.now().wall_ns
        self._due_ns = now_ns + min(max(left_ns, SHORTEST_NS), LONGEST_NS)
