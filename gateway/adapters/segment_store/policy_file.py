"""`keys/policy` of a ledger folder: the keys it names itself."""

from __future__ import annotations

from gateway.adapters.segment_store.layout import Layout
from gateway.errors import EvidenceRefused
from gateway.ledger.policy import Policy, parse_policy


def own_policy(layout: Layout) -> Policy:
    """Return the policy of a folder; one without keys where there is none that can be read."""
    try:
        return parse_policy(layout.policy.read_text())
    except (FileNotFoundError, EvidenceRefused):
        return Policy(logs=())
