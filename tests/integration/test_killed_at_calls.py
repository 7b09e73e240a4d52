"""`gateway run` itself, killed by the kernel on entering a call of its ledger: started again, all that it acknowledged is there, verified."""

from __future__ import annotations

import contextlib
import time

import pytest

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.records import Batch
from tests.counterparts.gateway_process import NODE, GatewayProcess
from tests.counterparts.missing import need

pytestmark = [pytest.mark.integration, pytest.mark.fault, pytest.mark.timeout(600)]

CASES = [(call, nth) for call in ("pwrite64", "fdatasync", "fsync", "rename") for nth in (1, 2, 3, 5)]
"""The nth such call of any one of its threads: of the start, of the first commits, of a publication."""


class TracedGateway(GatewayProcess):
    """Runs as usual, or until the kernel kills it at the call named by `dies_at`."""

    dies_at: tuple[str, int] | None = None

    def ready(self) -> bool:
        try:
            return super().ready()
        except OSError:  # it dies while it is asked
            return False

    def command(self) -> list[str]:
        if self.dies_at is None:
            return super().command()
        call, nth = self.dies_at
        inject = f"inject={call}:signal=SIGKILL:when={nth}"
        strace = [need("strace"), "-D", "-f", "-qq", "-o", str(self.folder / "trace"), "-e", f"trace={call}"]
        return [*strace, "-e", inject, *super().command()]


def test_di_19_the_gateway_killed_on_entering_a_call_keeps_what_it_acknowledged(tmp_path):
    gateway = TracedGateway(tmp_path / "gw", connections={}, devices={})
    gateway.set_up()
    acknowledged: list[str] = []
    published: dict[int, bytes] = {}
    died = 0
    for call, nth in CASES:
        gateway.dies_at = (call, nth)
        with contextlib.suppress(AssertionError):  # it may die before it is ready
            gateway.start(30)
        batch = f"B-{call}-{nth}"
        with contextlib.suppress(AssertionError):
            gateway.batch("start", batch, "--equipment", NODE)
            acknowledged.append(batch)
            gateway.batch("end", batch)
        end = time.monotonic() + 3
        while gateway.running and time.monotonic() < end:
            time.sleep(0.05)
        died += not gateway.running
        gateway.kill()
        head = LedgerFolder(gateway.ledger).published()
        gateway.dies_at = None
        gateway.start(30)
        gateway.stop()
        gateway.verified()
        if head is not None:
            root = published.setdefault(head.checkpoint.size, head.checkpoint.root)
            assert root == head.checkpoint.root
        starts = {one.batch for one in gateway.records() if isinstance(one, Batch) and one.event == "start"}
        assert starts >= set(acknowledged), (call, nth)
    for size, root in published.items():
        found = LedgerFolder(gateway.ledger).head(size - 1)
        assert found is not None
        assert (found.checkpoint.size, found.checkpoint.root) == (size, root)
    assert died > len(CASES) // 2, "most of these calls are reached"
