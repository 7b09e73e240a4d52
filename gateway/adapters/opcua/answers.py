"""Answers of the server that carry values, cut into parts and read without rounding: Publish, Republish, HistoryRead."""

from __future__ import annotations

from msgspec import Struct

from gateway.adapters.opcua.wire import Reader, WireValue

DATA_CHANGE, STATUS_CHANGE, EVENTS = 811, 820, 916
"""Encoding ids of what a NotificationMessage may hold."""

HISTORY_DATA = 658


class Part(Struct, frozen=True):
    """One notification inside a message: encoding id (None: foreign), and where its body stands in the bytes."""

    kind: int | None
    start: int
    stop: int


class Message(Struct, frozen=True):
    """A NotificationMessage; without parts it is a keep-alive and ``sequence`` is the number the next one will have."""

    sequence: int
    publish_ticks: int
    parts: tuple[Part, ...]
    data: bytes
    status_change: int | None = None


class PublishAnswer(Struct, frozen=True):
    """A PublishResponse: results of the acknowledgements that rode in, and one message of one subscription."""

    result: int
    subscription: int
    available: tuple[int, ...]
    more: bool
    message: Message
    acknowledged: tuple[int, ...]


class HistoryPage(Struct, frozen=True):
    """One node's result of a HistoryRead; ``continuation`` None or empty: there is no more."""

    status: int
    continuation: bytes | None
    values: tuple[WireValue, ...]


def read_publish(data: bytes) -> PublishAnswer:
    """Return a PublishResponse; raise `Unreadable`."""
    reader = Reader(data)
    result = reader.response_header()
    subscription = reader.u32()
    available = tuple(reader.u32_array())
    more = reader.u8() != 0
    message = _message(reader)
    return PublishAnswer(result, subscription, available, more, message, tuple(reader.u32_array()))


def read_republish(data: bytes) -> Message:
    """Return the message of a RepublishResponse; raise `Unreadable`."""
    reader = Reader(data)
    reader.response_header()
    return _message(reader)


def read_history(data: bytes) -> tuple[HistoryPage, ...]:
    """Return the results of a HistoryReadResponse in the order asked; raise `Unreadable`."""
    reader = Reader(data)
    reader.response_header()
    return tuple(_page(reader) for _ in range(reader.length()))


def _page(reader: Reader) -> HistoryPage:
    status = reader.u32()
    continuation = reader.blob()
    kind, start, stop = reader.extension()
    values: tuple[WireValue, ...] = ()
    if kind == HISTORY_DATA:
        inner = Reader(reader.data, start, stop)
        values = tuple(inner.data_value() for _ in range(inner.length()))
    return HistoryPage(status, continuation, values)


def _message(reader: Reader) -> Message:
    sequence = reader.u32()
    publish_ticks = reader.i64()
    parts: list[Part] = []
    status = None
    for _ in range(reader.length()):
        part = Part(*reader.extension())
        if part.kind == STATUS_CHANGE:
            status = Reader(reader.data, part.start, part.stop).u32()
        parts.append(part)
    return Message(sequence, publish_ticks, tuple(parts), reader.data, status)
