"""Client: the gateway's own MQTT source and intake alone, with the ledger behind them or with nothing.

As a process: `python -m bench.client CONFIG COUNT decode|ledger` prints `ready`, then the CLOCK_MONOTONIC ns at which the
last of COUNT readings was settled, and the CPU seconds spent since `ready`. `decode` settles at the commit's own rhythm and keeps nothing; `ledger` puts the whole
integrity layer behind the same client: encode, salt, hash, tree, seal, fdatasync.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.adapters.entropy import os_entropy
from gateway.adapters.system_clock import OsClock
from gateway.app.collector import calm
from gateway.app.setup import open_store, seal_key
from gateway.app.site import Site, open_site
from gateway.app.sources import early_commits, make_sources
from gateway.pipeline.committer import CommitSettings, Committer
from gateway.pipeline.intake import Intake
from gateway.pipeline.opening import carry
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import Standing
from gateway.ports import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.ledger.records import Record

POLL_S = 0.01


class NoLedger:
    """Stands where the committer stands and keeps nothing; settles after the interval or when half a window waits."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._settles: list[Callable[[Outcome], None]] = []
        self._due = asyncio.Event()
        self._index = 0

    @property
    def next_index(self) -> int:
        """Index of the next record."""
        return self._index

    def index_of(self, nth: int) -> int:
        """Index of the nth record of an append made now."""
        return self._index + nth

    def append(
        self,
        records: Sequence[Record],
        *,
        settle: Callable[[Outcome], None] | None = None,
        side_objects: Sequence[bytes] = (),
        urgent: bool = False,
    ) -> int:
        """Count records and remember who waits."""
        del side_objects, urgent
        self._index += len(records)
        if settle is not None:
            self._settles.append(settle)
        return self._index - len(records)

    async def room(self) -> None:
        """There is always room."""

    def hurry(self) -> None:
        """Settle now."""
        self._due.set()

    async def run(self) -> None:
        """Settle what waits, once an interval or in a hurry."""
        while True:
            self._due.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), self._interval_s)
            settles, self._settles = self._settles, []
            for settle in settles:
                settle(Outcome.COMMITTED)


async def read(site: Site, count: int, *, ledger: bool, stack: ExitStack) -> tuple[int, float]:
    """Read until ``count`` readings are settled; return when that was, and the CPU seconds it took."""
    clock, standing = OsClock(), Standing()
    stamp = Stamper(clock, dev=site.development, run=1, clock_number=1)
    interval_ns = site.settings.ledger.commit_ms * 1_000_000
    journal: Committer | NoLedger = NoLedger(interval_ns / 1e9)
    if ledger:
        sealer = seal_key(site)
        store = open_store(site, sealer)
        head = store.open()
        stack.callback(store.close)
        journal = Committer(
            store,
            head,
            origin=site.settings.ledger.origin,
            sealer=sealer,
            entropy=os_entropy,
            clock=clock,
            carry=lambda: carry(standing, stamp, site.plan.gateway),
            settings=CommitSettings(commit_ns=interval_ns, pool_leaves_max=site.settings.ledger.pool_leaves_max),
        )
    intake = Intake(site.plan, standing, journal, journal, stamp, early=early_commits(site))
    (source,) = make_sources(site, clock, "gateway_stopped").values()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(journal.run()), tasks.create_task(source.run(intake))]
        print("ready", flush=True)
        began_s = time.process_time()
        while intake.figures.samples.total() < count or intake.unsettled:
            await asyncio.sleep(POLL_S)
        ended_ns, spent_s = time.monotonic_ns(), time.process_time() - began_s
        for task in running:
            task.cancel()
    return ended_ns, spent_s


def main() -> None:
    config, count, mode = sys.argv[1:]
    with ExitStack() as stack:
        site = open_site(Path(config))
        calm()
        print(*asyncio.run(read(site, int(count), ledger=mode == "ledger", stack=stack)), flush=True)


if __name__ == "__main__":
    main()
