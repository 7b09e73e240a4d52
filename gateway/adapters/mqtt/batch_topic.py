"""Batch topics: one message of the plant about a batch, cut into a fact, or the reason why it is quarantined.

Pure: bytes and a moment in, a fact out. Whether the event can be, and what it changes, is judged where the ledger is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from gateway.adapters.mqtt.json_payload import ARRAY, OBJECT, Unreadable, format_tree, parse_json
from gateway.adapters.mqtt.path import MISSING, Getter, compile_path
from gateway.adapters.mqtt.payload import Quarantined
from gateway.adapters.mqtt.times import TimeReader, compile_time
from gateway.domain.batch_states import BatchAct
from gateway.domain.plan import BATCH_PATHS, BatchRoute, TimeRule
from gateway.ports import Fact

TEXT_CHARS_MAX: Final = 1000
BATCH_CHARS_MAX: Final = 64
KEY_CHARS_MAX: Final = 200
NODES_MAX: Final = 100
USES: Final = frozenset({"process", "room", "storage"})
_JOINING: Final = frozenset({BatchAct.START, BatchAct.USE, BatchAct.RELEASE})
_PLANT_ACTS: Final = {act.value: act for act in BatchAct if act is not BatchAct.AMEND}

Answer = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class BatchTopic:
    """One batch topic, compiled."""

    route: BatchRoute
    topic_bytes: bytes
    paths: Mapping[str, Getter]
    header: Mapping[str, Getter]
    read_time: TimeReader

    def cut(
        self,
        content: bytes,
        received_ns: int,
        *,
        flags: tuple[str, ...],
        retained: bool,
        payload_bytes_max: int,
        answer: Answer | None,
    ) -> Fact | Quarantined:
        """Return the fact of kind ``batch`` that a message tells, or why it goes to quarantine.

        ``retained``: the broker had kept it from before we subscribed; then our received time says nothing of the event.
        """
        if len(content) > payload_bytes_max:
            return Quarantined("too_large", f"{len(content)} bytes, limit {payload_bytes_max}")
        try:
            detail = self._detail(parse_json(content), received_ns, retained=retained)
        except Unreadable as error:
            return Quarantined(error.reason, error.why)
        if "key" not in detail:
            detail["key"] = sha256(self.topic_bytes + content).hexdigest()
        return Fact(kind="batch", address=self.route.topic, content=content, flags=flags, detail=detail, answer=answer)

    def _detail(self, tree: Any, received_ns: int, *, retained: bool) -> dict[str, Any]:
        batch = self._need(tree, "batch_id", BATCH_CHARS_MAX)
        if "/" in batch:
            raise Unreadable("no_binding", "batch_id: a batch id has no '/'")
        act = self._act(self._need(tree, "event", TEXT_CHARS_MAX))
        detail: dict[str, Any] = {"adapter": self.route.adapter, "batch": batch, "act": act.value}
        detail |= self._time(tree, received_ns, retained=retained)
        for name, path, limit in (
            ("key", "message_id", KEY_CHARS_MAX),
            ("client", "client_key", TEXT_CHARS_MAX),
            ("phase", "phase", TEXT_CHARS_MAX),
        ):
            found = self._text(tree, path, limit)
            if found is not None:
                detail[name] = found
        nodes = self._nodes(tree) if act in _JOINING else []
        if nodes:
            detail["nodes"] = nodes
        header = {name: text for name, get in self.header.items() if (text := _text(get(tree), name, TEXT_CHARS_MAX))}
        if header:
            detail["header"] = header
        return detail

    def _act(self, word: str) -> BatchAct:
        act = _PLANT_ACTS.get(self.route.states.get(word, word))
        if act is None:
            raise Unreadable(
                "no_binding", f"event: '{word[:100]}' is no batch event and no state of '{self.route.adapter}'"
            )
        return act

    def _time(self, tree: Any, received_ns: int, *, retained: bool) -> dict[str, Any]:
        """Return the effective time: the one of the path; received where the message has none."""
        get = self.paths.get("effective_time")
        found = MISSING if get is None else get(tree)
        if found is MISSING or found is None:
            if retained:
                raise Unreadable("no_binding", "retained, and it does not say when it happened")
            return {"effective_ns": received_ns, "basis": "received"}
        stamp = self.read_time(found, received_ns)
        if stamp.ns is None:
            raise Unreadable("no_binding", f"effective_time: {format_tree(found)[:100]} is no time")
        return {"effective_ns": stamp.ns, "basis": stamp.reason or "source"}

    def _nodes(self, tree: Any) -> list[dict[str, str]]:
        """Return the nodes a message names; an adapter without a path for them speaks of all the nodes that it lists."""
        get = self.paths.get("nodes")
        if get is None:
            return [{"node": node} for node in dict.fromkeys(self.route.nodes.values())]
        found = get(tree)
        if found is MISSING or found is None:
            return []
        many = found if type(found) is ARRAY else [found]
        if len(many) > NODES_MAX:
            raise Unreadable("too_many", f"{len(many)} nodes, limit {NODES_MAX}")
        return [self._node(one) for one in many]

    def _node(self, found: Any) -> dict[str, str]:
        if type(found) is not OBJECT:
            return {"node": self._plant(_need(found, "nodes", TEXT_CHARS_MAX))}
        node = {"node": self._plant(_need(found.get("node", MISSING), "nodes: node", TEXT_CHARS_MAX))}
        use = _text(found.get("use", MISSING), "nodes: use", TEXT_CHARS_MAX)
        if use is not None:
            if use not in USES:
                raise Unreadable("no_binding", f"nodes: use '{use[:100]}' is not process, room or storage")
            node["use"] = use
        room = _text(found.get("room", MISSING), "nodes: room", TEXT_CHARS_MAX)
        return node if room is None else node | {"room": self._plant(room)}

    def _plant(self, wire: str) -> str:
        return self.route.nodes.get(wire, wire)

    def _need(self, tree: Any, path: str, limit: int) -> str:
        return _need(self.paths[path](tree), path, limit)

    def _text(self, tree: Any, path: str, limit: int) -> str | None:
        get = self.paths.get(path)
        return None if get is None else _text(get(tree), path, limit)


def compile_batch(route: BatchRoute) -> BatchTopic:
    """Return one compiled batch topic; raise `SourceRefused` for a path or a zone that cannot be used."""
    compiled = {name: compile_path(path) for name, path in route.paths.items()}
    return BatchTopic(
        route=route,
        topic_bytes=route.topic.encode(),
        paths={name: get for name, get in compiled.items() if name in BATCH_PATHS},
        header={name: get for name, get in compiled.items() if name not in BATCH_PATHS},
        read_time=compile_time(TimeRule(path=None, format="iso8601", zone=route.zone)),
    )


def _need(found: Any, name: str, limit: int) -> str:
    text = _text(found, name, limit)
    if text is None:
        raise Unreadable("no_binding", f"{name}: missing or empty")
    return text


def _text(found: Any, name: str, limit: int) -> str | None:
    """Return text, a number as typed, or None for nothing; anything else cannot stand in an event."""
    if found is MISSING or found is None:
        return None
    if type(found) is OBJECT or type(found) is ARRAY:
        raise Unreadable("no_binding", f"{name}: a list or an object is no text")
    text = found if type(found) is str else format_tree(found)
    if not text:
        return None
    if len(text) > limit or not text.isprintable():
        raise Unreadable("no_binding", f"{name}: not 1 to {limit} printable characters")
    return text
