"""What a record that is no reading leaves in the index: its object, its links, its memberships, its anchor."""

from __future__ import annotations

from typing import Any, Final, cast

Document = dict[str, Any]

_OBJECT: Final = {
    "config": "change_set",
    "key": "key",
    "signal": "signal",
    "gap": "gap",
    "clock": "boot_id",
    "quarantine": "source",
    "calibration": "signal",
    "batch": "batch",
    "excursion": "excursion",
    "deviation": "deviation",
    "delivery": "delivery",
    "annotation": "signal",
    "anchor": "size",
}
_NESTED: Final = {"audit": "object", "signature": "subject", "review": "scope"}
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
    kind = str(record.get("kind", ""))
    if kind == "gateway":
        return str(record.get("source") or record.get("code") or "")
    if kind in _NESTED:
        return str(_part(record, _NESTED[kind]).get("id", ""))
    return str(record.get(_OBJECT.get(kind, ""), ""))


def event_of(record: Document) -> str:
    """Return the event of a record: for kinds without one what distinguishes them."""
    return str(record.get(_EVENT.get(record.get("kind", ""), "event"), ""))


def links_of(record: Document) -> set[tuple[str, str]]:
    """Return (what, key) of everything a record names."""
    found = {(what, record[what]) for what in _LINKS if isinstance(record.get(what), str)}
    for member, what in _MANY.items():
        found.update((what, key) for key in _strings(record.get(member)))
    for member in ("object", "subject", "scope"):
        named = _part(record, member)
        if named.get("kind") in _NAMED:
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


def anchor_event(record: Document) -> str:
    """Return the event of an anchor; a time stamp over the list of all others is `restamped`: it is about no note."""
    return "restamped" if "list_sha256" in _part(record, "facts") else str(record["event"])


def closes(record: Document) -> int | None:
    """Return the effective time at which a batch record ends every open membership, None if it does not."""
    if record.get("kind") != "batch" or record.get("effect", "applied") != "applied":
        return None
    if record.get("event") not in {"end", "abort", "cancel"}:
        return None
    ended = record.get("effective_ns")
    return ended if isinstance(ended, int) else None


def _part(record: Document, member: str) -> Document:
    """Return a member that is an object, an empty one if it is not there."""
    part: Any = record.get(member)
    return cast("Document", part) if isinstance(part, dict) else {}


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list):
        return []
    return [one for one in cast("list[object]", value) if isinstance(one, str)]
