"""A small log for tests: its key, its seal, records, and commits planned by the product's own planner."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import count

from gateway.adapters.keys import Ed25519Sealer
from gateway.ledger.commit import CommitPlan, plan_commit
from gateway.ledger.merkle import Tree
from gateway.ledger.records import Gateway, Reading, format_record

ORIGIN = "acme.example/basel/gw-01"
SEALER = Ed25519Sealer(ORIGIN, bytes(range(32)))
NOON_NS = 1_792_888_200_000_000_000


def plan(tree: Tree, records: Sequence[bytes]) -> CommitPlan:
    """Frames for ``records`` after ``tree``; the seeds follow from the size, so that a test runs twice alike."""
    seeds = (sha256(b"%d %d" % (tree.size, number)).digest() for number in count())
    return plan_commit(tree, ORIGIN, records, seeds, SEALER.seal)


def reading(n: int, signal: str = "BR-201-CTL/temp", **changes) -> bytes:
    """The n-th reading of a signal, one a second."""
    given = {
        "received_ns": NOON_NS + n * 1_000_000_000 + 5_000_000,
        "boot_ns": 86_400_000_000_000 + n * 1_000_000_000,
        "clock": 1,
        "signal": signal,
        "config": "05b3abf2579a5eb6",
        "n": n,
        "value": 37.0 + n % 7 / 100,
        "quality": "good",
        "source_ns": NOON_NS + n * 1_000_000_000,
        "clock_state": "synced",
        "provenance": "live",
        "incarnation": 1,
        "epoch": 1,
        "position": n,
    }
    return format_record(Reading(**given | changes))


def gateway(event: str, **changes) -> bytes:
    """A record of the gateway itself."""
    given = {"at_ns": NOON_NS, "boot_ns": 86_400_000_000_000, "clock": 1, "event": event, "gateway": "gw-01", "run": 1}
    return format_record(Gateway(**given | changes))
