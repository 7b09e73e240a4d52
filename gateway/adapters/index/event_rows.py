"""What a record that is no reading leaves in the index: its object, its links, its memberships, its anchor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

Document = dict[str, Any]

_OBJECT: Final[dict[str, Callable[[Document], object]]] = {
    "gateway": lambda r: r.get("source") or r.get("code") or "",
    "config": lambda r: r.get("change_set"),
    "key": lambda r: r.get("key"),
    "signal": lambda r: r.get("signal"),
    "gap": lambda r: r.get("gap"),
    "clock": lambda r: r.get("boot_id"),
    "quarantine": lambda r: r.get("source"),
    "calibration": lambda r: r.get("signal"),
    "batch": lambda r: r.get("batch"),
    "excursion": lambda r: r.get("excursion"),
    "deviation": lambda r: r.get("deviation"),
    "delivery": lambda r: r.get("delivery"),
    "audit": lambda r: (r.get("object") or {}).get("id"),
    "signature": lambda r: (r.get("subject") or {}).get("id"),
    "annotation": lambda r: r.get("signal", ""),
    "review": lambda r: (r.get("scope") or {}).get("id"),
    "anchor": lambda r: str(r.get("size")),
}
_EVENT: Final = {
    "clock": "trigger",
    "quarantine": "reason",
    "annotation": "class",
    "audit": "operation",
    "signature": "meaning",
}
_LINKS: Final = (
    "batch",
    "excursion",
    "condition",
    "deviation",
    "person",
    "change_set",
    "source",
    "client",
    "signal",
    "gap",
)
_MANY: Final = {"batches": "batch", "excursions": "excursion", "signals": "signal"}
_NAMED: Final = frozenset(_LINKS)


def object_of(record: Document) -> str:
    """Return the id of what a record is about."""
    make = _OBJECT.get(record.get("kind", ""))
    return str(make(record) or "") if make is not None else ""


def event_of(record: Document) -> str:
    """Return the event of a record: for kinds without one what distinguishes them."""
    return str(record.get(_EVENT.get(record.get("kind", ""), "event"), ""))


def links_of(record: Document) -> set[tuple[str, str]]:
    """Return (what, key) of everything a record names."""
    found = {(what, record[what]) for what in _LINKS if isinstance(record.get(what), str)}
    for member, what in _MANY.items():
        found.update((what, key) for key in _strings(record.get(member)))
    for member in ("object", "subject", "scope"):
        named = record.get(member)
        if isinstance(named, dict) and named.get("kind") in _NAMED:
            found.add((str(named["kind"]), str(named.get("id", ""))))
    parent = record.get("parent")
    if isinstance(parent, str) and record.get("kind") in {"excursion", "deviation"}:
        found.add((str(record["kind"]), parent))
    return found


def memberships_of(record: Document, index: int) -> list[tuple[object, ...]]:
    """Return the membership rows of a batch record that changed something."""
    if record.get("kind") != "batch" or record.get("effect", "applied") != "applied":
        return []
    return [
        (
            record["batch"], node["node"], node["use"], node.get("room"), node["from_ns"], node.get("to_ns"),
            node["pre_roll_s"], node["post_roll_s"], index,
        )
        for node in record.get("nodes") or ()
    ]  # fmt: skip


def closes(record: Document) -> int | None:
    """Return the effective time at which a batch record ends every open membership, None if it does not."""
    if record.get("kind") != "batch" or record.get("effect", "applied") != "applied":
        return None
    if record.get("event") not in {"end", "abort", "cancel"}:
        return None
    ended = record.get("effective_ns")
    return ended if isinstance(ended, int) else None


def _strings(value: object) -> Iterable[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
