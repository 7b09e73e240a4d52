"""Ledger of a benchmark: readings as the pipeline makes them, a store on the disk, and the verifier as witness."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from gateway.adapters.entropy import os_entropy
from gateway.adapters.keys import Ed25519Sealer
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.adapters.system_clock import OsClock
from gateway.ledger.commit import plan_commit
from gateway.ledger.policy import Policy
from gateway.ledger.records import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.ledger.commit import CommitPlan
    from gateway.ledger.merkle import Tree

ORIGIN = "acme.example/bench/gw-01-dev"
PER_COMMIT = 1_000
_SEALER = Ed25519Sealer(ORIGIN, bytes(range(32)))
_BEGAN_NS = 1_792_888_200_000_000_000


def make_readings(count: int) -> list[Reading]:
    """Return readings of ten signals, a second apart, as a live source gives them."""
    return [
        Reading(
            received_ns=_BEGAN_NS + n * 1_000_000_000 + 5_123_456,
            boot_ns=86_400_000_000_000 + n * 1_000_000_000,
            clock=1,
            signal=f"BR-201-CTL/temp{n % 10}",
            config="05b3abf2579a5eb6",
            n=n // 10 + 1,
            value=37.0 + n % 70 / 10,
            quality="good",
            source_ns=_BEGAN_NS + n * 1_000_000_000,
            clock_state="synced",
            provenance="live",
            incarnation=1,
            epoch=1,
            position=n % 65_535 + 1,
        )
        for n in range(count)
    ]


def policy() -> Policy:
    """Return the keys that a verifier of these ledgers trusts."""
    return Policy((_SEALER.key,))


def open_ledger(path: Path) -> tuple[SegmentStore, Tree]:
    """Return an empty store and its tree."""
    store = SegmentStore(path, ORIGIN, OsClock(), vkeys=(_SEALER.vkey,))
    return store, store.open().tree


def plan(tree: Tree, contents: Sequence[bytes]) -> CommitPlan:
    """Return the sealed frames of one commit."""
    return plan_commit(tree, ORIGIN, contents, (os_entropy(size) for size in repeat(32)), _SEALER.seal)


def verified_readings(path: Path) -> int:
    """Return how many readings the verified ledger holds."""
    result = verify_folder(path, policy=policy())
    assert result.exit_code == 0, result.last_line
    return sum(
        content.startswith(b'{"v":1,"kind":"reading"') for _, _, content in LedgerFolder(path).reader.read(0, 1 << 62)
    )
