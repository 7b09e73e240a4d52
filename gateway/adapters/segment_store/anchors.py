"""The newest anchor at a start, wherever it stands: the tree that was found must have the root that others have seen.

An anchor stands after the size it speaks of, so what it can show is another root at that size. The last segment is read
whole at a start; for what stands before it the segment's `carry` names the newest anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.merkle import Tree
from gateway.ledger.proof import range_hash
from gateway.ledger.records import Anchor, Gateway, parse_record
from gateway.ledger.tile import ReadTile, TileReader

ANCHOR_INDEX: Final = "anchor_index"
"""The fact of a `carry` record: index of the newest anchor below the segment."""
SEEN: Final = frozenset({"cosigned", "timestamped"})
FORK: Final = "bring the files back from mirror or backup; if there are none, an approver starts a new log"


def check_newest_anchor(
    tree: Tree,
    segment: int,
    told: Iterable[Any],
    carry: bytes | None,
    record_at: Callable[[int], bytes | None],
    read_tile: ReadTile,
    first: int = 0,
) -> None:
    """Raise `LedgerDoubt` when the tree has another root at the size of the newest anchor.

    ``segment``: size at which the last segment begins; anchors of larger ones were compared by the verifier. ``told``: the records of the last segment that a verifier acts upon; ``carry``: the JSON of its first record, None for the first segment;
    ``record_at``: index → JSON, None where it is not stored. ``first``: what stands below it was pruned, and no root inside it
    can be computed any more.
    """
    here = [one for one in told if isinstance(one, Anchor) and one.event in SEEN]
    anchor = here[-1] if here else _carried(carry, record_at)
    if anchor is None:
        return
    if anchor.size > tree.size:
        raise LedgerDoubt(f"rollback: ledger ends at {tree.size:,}, {anchor.size:,} were {anchor.event}", remedy=FORK)
    if anchor.size > segment or anchor.size < first:
        return
    try:
        root = range_hash(TileReader(tree.size, tree.root(), read_tile), 0, anchor.size)
    except EvidenceRefused as error:
        raise LedgerDoubt(f"damaged: {error.text}", remedy="restore its file from backup or mirror") from error
    if root.hex() != anchor.root:
        raise LedgerDoubt(
            f"fork: size {anchor.size:,} has root {root.hex()[:8]}, {anchor.root[:8]} was {anchor.event}", remedy=FORK
        )


def _carried(carry: bytes | None, record_at: Callable[[int], bytes | None]) -> Anchor | None:
    """Return the anchor that a `carry` record names; None where there is none, or where it was pruned."""
    record = None if carry is None else _parsed(carry)
    facts = record.facts if isinstance(record, Gateway) and record.event == "carry" else None
    index = facts.get(ANCHOR_INDEX) if isinstance(facts, dict) else None
    content = record_at(index) if isinstance(index, int) else None
    if content is None:
        return None
    anchor = _parsed(content)
    if not isinstance(anchor, Anchor):
        raise LedgerDoubt(
            f"damaged: record {index:,} is no anchor, though the newest segment says so",
            remedy="restore its file from backup or mirror",
        )
    return anchor


def _parsed(content: bytes) -> Any:
    """Return a record; None for what this version does not know."""
    try:
        return parse_record(content)
    except (EvidenceRefused, msgspec.DecodeError, KeyError):
        return None
