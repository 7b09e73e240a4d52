"""Repeat keys: by what a message or a value sent twice is known again, live and after a restart (`ingest.md` 4.2)."""

from __future__ import annotations

from msgspec import Struct


class TransportKey(Struct, frozen=True, gc=False):
    """An MQTT message without a device counter: session incarnation, message id, payload hash, topic.

    All four stand in the committed readings (incarnation, position, payload_sha256, topic of the address), so the newest
    keys can be rebuilt from the ledger.
    """

    incarnation: int
    mid: int
    payload_sha256: str
    topic: str


def format_transport_key(key: TransportKey) -> str:
    """Return ``mqtt/<incarnation>/<mid>/<payload sha256>/<topic>``."""
    return f"mqtt/{key.incarnation}/{key.mid}/{key.payload_sha256}/{key.topic}"


def parse_transport_key(text: str) -> TransportKey | None:
    """Return the key, or None when ``text`` is another kind of repeat key."""
    kind, _, rest = text.partition("/")
    incarnation, _, rest = rest.partition("/")
    mid, _, rest = rest.partition("/")
    payload_sha256, _, topic = rest.partition("/")
    if kind != "mqtt" or not (incarnation.isdigit() and mid.isdigit()):
        return None
    return TransportKey(int(incarnation), int(mid), payload_sha256, topic)


def value_key(address: str, source_ns: int | None, sequence: str, value: str) -> str:
    """Return the key of one value whose profile names `sequence` or `dedupe`."""
    return f"{address}|{source_ns}|{sequence}|{value}"


def topic_of(address: str) -> str:
    """Return the topic of a plan address ``<topic>#<path>``; a topic holds no ``#``."""
    return address.split("#", 1)[0]
