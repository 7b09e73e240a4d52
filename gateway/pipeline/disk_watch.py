"""Disk watch: a full disk stops acknowledgement in the committer; this says so in the log and, once it can, in the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from gateway.ledger.records import Gateway
from gateway.pipeline.committer import CommitFigures
from gateway.pipeline.stamp import Stamper
from gateway.ports import Journal

LOOK_S = 0.5

_log = structlog.get_logger(component="disk")


class DiskWatch:
    """Records the stretch in which nothing could be written, with its two edges."""

    def __init__(self, figures: CommitFigures, journal: Journal, stamp: Stamper, gateway: str) -> None:
        self._figures = figures
        self._journal = journal
        self._stamp = stamp
        self._gateway = gateway
        self._since: dict[str, Any] | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Notice the edges of a full disk."""
        if self._figures.disk_full and self._since is None:
            self._since = self._stamp()
            _log.error(
                "commit.failed",
                error="no space left on the ledger's disk: nothing is acknowledged, sources hold their data",
                remedy="make space; recording goes on by itself, nothing has to be restarted",
            )
        elif not self._figures.disk_full and self._since is not None:
            since, self._since = self._since, None
            full = Gateway(**since, event="disk_full", gateway=self._gateway, run=self._stamp.run)
            facts = {"full_since_ns": since["at_ns"]}
            over = Gateway(**self._stamp(), event="disk_ok", gateway=self._gateway, run=self._stamp.run, facts=facts)
            self._journal.append([full, over])
            _log.warning("commit.resumed", error="the disk was full", remedy="see the disk_full record in the ledger")
