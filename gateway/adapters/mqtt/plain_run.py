"""Plain runs: messages that arrived together, cut into samples stage by stage instead of message by message.

A stage is a short loop over the whole run, which a processor goes through a third faster than the whole way of each message
after that of another. What is not plain, and what fails, takes the way of `gateway.adapters.mqtt.payload.cut`, with its
answer and its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from gateway.adapters.mqtt.json_payload import OBJECT, Unreadable, parse_json
from gateway.adapters.mqtt.path import MISSING
from gateway.adapters.mqtt.payload import Cut, Quarantined, Receipt, cut, sample_of, sequence_of, time_of
from gateway.adapters.mqtt.publish import Arrival
from gateway.adapters.mqtt.route import Route
from gateway.adapters.mqtt.times import NO_TIME
from gateway.domain.sample import Payload

_FRESH: Final = sha256()
_NOT_READ: Final = object()


def digests_of(contents: Sequence[bytes]) -> list[str]:
    """Return the SHA-256 of each in hex; a copy of a fresh hash costs half of a new one."""
    found: list[str] = []
    for content in contents:
        one = _FRESH.copy()
        one.update(content)
        found.append(one.hexdigest())
    return found


def cut_run(
    routes: Sequence[Route], arrivals: Sequence[Arrival], digests: Sequence[str], payload_bytes_max: int
) -> list[Cut | Quarantined]:
    """Return what `cut` returns for each live message of QoS 1, in order."""
    receipts = [Receipt(one.moment.wall_ns, one.moment.boot_ns) for one in arrivals]
    trees = [
        _tree(one.payload) if route.quick and len(one.payload) <= payload_bytes_max else _NOT_READ
        for route, one in zip(routes, arrivals, strict=True)
    ]
    stamps = [
        NO_TIME if tree is _NOT_READ else time_of(route.time, tree, receipt)
        for route, tree, receipt in zip(routes, trees, receipts, strict=True)
    ]
    found: list[Cut | Quarantined] = []
    for route, arrival, digest, receipt, tree, stamp in zip(
        routes, arrivals, digests, receipts, trees, stamps, strict=True
    ):
        if tree is _NOT_READ:
            found.append(cut(route, arrival.payload, receipt, payload_bytes_max=payload_bytes_max, digest=digest))
            continue
        sequences: list[int] = []
        key = sequence_of(route, tree, sequences) if route.keyed else None
        payload = Payload(arrival.payload, digest)
        try:
            samples = tuple(
                [
                    sample_of(field, tree.get(field.name, MISSING), stamp, receipt, payload, part, key)
                    for part, field in enumerate(route.fields)
                ]
            )
        except Unreadable as error:
            found.append(Quarantined(error.reason, error.why))
            continue
        found.append(Cut(samples, tuple(sequences)))
    return found


def _tree(content: bytes) -> Any:
    """Return the one record of a message; what is no object, or cannot be read, is for the general way."""
    try:
        tree = parse_json(content)
    except Unreadable:
        return _NOT_READ
    return tree if type(tree) is OBJECT else _NOT_READ
