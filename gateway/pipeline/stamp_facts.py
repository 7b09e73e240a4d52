"""What the record of a time stamp says beside its time, and the side objects that it names."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from gateway.ledger.authority import Chain
from gateway.ledger.token_list import ENDS


def stamp_facts(authority: bytes, chain: Chain, lists: bytes, **more: str) -> dict[str, Any]:
    """Return the facts in their order; ``lists``: revocation lists as PEM, empty if there are none."""
    facts: dict[str, Any] = {"authority_sha256": sha256(authority).hexdigest(), ENDS: chain.ends_ns, **more}
    if lists:
        facts["crl_sha256"] = sha256(lists).hexdigest()
    return dict(sorted(facts.items()))


def beside_stamp(authority: bytes, lists: bytes) -> list[bytes]:
    """Return the side objects that these facts name."""
    return [authority, lists] if lists else [authority]
