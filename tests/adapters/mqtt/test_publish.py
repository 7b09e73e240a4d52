"""The PUBLISH reader against paho's own decoder, byte for byte, and against bytes that no broker may send."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.enums import MQTTProtocolVersion

from gateway.adapters.mqtt.inbound import Inbound
from gateway.adapters.mqtt.publish import Arrival, MalformedPublish, PublishReader
from gateway.ports import Moment
from tests.adapters.mqtt.scripted_broker import publish_packet, varint

NOW = Moment(1, 2, 3, 4)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)

PROPERTIES = st.lists(
    st.sampled_from(
        [
            b"\x0b\x01",
            b"\x0b\xff\x01",
            b"\x01\x01",
            b"\x02\x00\x00\x00\x3c",
            b"\x03\x00\x04json",
            b"\x08\x00\x01r",
            b"\x09\x00\x02\x00\x0b",
            b"\x26\x00\x01k\x00\x01v",
        ]
    ),
    max_size=8,
    unique_by=lambda blob: blob[0] if blob[0] not in {0x0B, 0x26} else blob,
).map(b"".join)


def arrivals_of(stream: bytes, *, v5: bool = True, room: int = 1000) -> tuple[list[Arrival], list[bytes]]:
    others: list[bytes] = []
    inbound = Inbound(v5=v5, serve=lambda packet: others.append(packet) is None)
    found: deque[Arrival] = deque()
    inbound.feed(stream, NOW)
    inbound.drain(found, room)
    return list(found), others


@given(TEXT, st.binary(max_size=300), st.integers(0, 65535), st.booleans(), st.booleans(), PROPERTIES)
def test_reader_agrees_with_paho(
    topic: str, payload: bytes, mid: int, dup: bool, retain: bool, properties: bytes
) -> None:
    packet = publish_packet(topic, payload, mid, dup=dup, retain=retain, properties=properties)
    ((ours,), _) = arrivals_of(packet)
    header = 1 + len(varint(len(packet)))
    body = packet[header:] if len(varint(len(packet) - header)) == header - 1 else packet[header - 1 :]
    theirs = decode_publish(packet[0], bytearray(body), MQTTProtocolVersion.MQTTv5)
    assert (ours.topic, ours.mid, ours.dup, ours.retain, ours.qos, ours.payload) == (
        theirs.topic, theirs.mid, theirs.dup, theirs.retain, theirs.qos, bytes(theirs.payload),
    )  # fmt: skip
    assert list(ours.ids) == getattr(theirs.properties, "SubscriptionIdentifier", [])


@given(st.lists(st.tuples(TEXT, st.binary(max_size=300), st.integers(1, 65535)), max_size=6), st.data())
def test_stream_cut_anywhere_gives_the_same_messages(messages: list[tuple[str, bytes, int]], data: Any) -> None:
    stream = b"".join([publish_packet(*one) for one in messages] + [b"\xd0\x00", b"\x40\x02\x00\x01"])
    others: list[bytes] = []
    inbound = Inbound(v5=True, serve=lambda packet: others.append(packet) is None)
    found: deque[Arrival] = deque()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        part, stream = stream[:size], stream[size:]
        if inbound.feed(part, NOW):
            inbound.drain(found, 1000)
    assert [(one.topic.decode(), one.payload, one.mid) for one in found] == messages
    assert others == [b"\x40\x02\x00\x01"]


def test_no_room_leaves_the_message_in_the_buffer() -> None:
    inbound = Inbound(v5=True, serve=lambda _: True)
    found: deque[Arrival] = deque()
    inbound.feed(b"".join(publish_packet("a", b"%d" % k, k) for k in (1, 2, 3)), NOW)
    assert not inbound.drain(found, 2)
    assert inbound.drain(found, 1)
    assert [one.mid for one in found] == [1, 2, 3]


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(1, 65535)), min_size=1, max_size=6), st.data())
def test_a_message_has_the_moment_of_its_last_byte_however_long_it_waits(
    messages: list[tuple[bytes, int]], data: Any
) -> None:
    packets = [publish_packet("a", *one) for one in messages]
    stream, ends = b"".join(packets), list(accumulate(map(len, packets)))
    inbound = Inbound(v5=True, serve=lambda _: True)
    found: deque[Arrival] = deque()
    came: list[int] = []
    while len(came) < len(stream):
        size = data.draw(st.integers(1, len(stream) - len(came)))
        inbound.feed(stream[len(came) : len(came) + size], NOW._replace(wall_ns=len(came) + size))
        came += [len(came) + size] * size
        inbound.drain(found, data.draw(st.integers(0, 2)))
        assert inbound.size == len(came) - sum(map(len, packets[: len(found)]))
    inbound.drain(found, 1000)
    assert [one.moment.wall_ns for one in found] == [came[end - 1] for end in ends]
    assert [(one.payload, one.mid) for one in found] == messages


def test_3_1_1_has_no_properties() -> None:
    body = b"\x00\x01a" + b"\x00\x05" + b"\x0b\x01"
    ((one,), _) = arrivals_of(bytes([0x32, len(body)]) + body, v5=False)
    assert (one.mid, one.payload, one.ids) == (5, b"\x0b\x01", ())


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (0x30, b""),
        (0x30, b"\x00"),
        (0x30, b"\x00\x05a"),
        (0x32, b"\x00\x01a"),
        (0x32, b"\x00\x01a\x00"),
        (0x32, b"\x00\x01a\x00\x00\x00"),
        (0x34, b"\x00\x01a\x00\x01\x00"),
        (0x36, b"\x00\x01a\x00\x01\x00"),
        (0x30, b"\x00\x01a"),
        (0x30, b"\x00\x01a\x05\x0b"),
        (0x30, b"\x00\x01a\x01\x0b"),
        (0x30, b"\x00\x01a\x02\x99\x00"),
        (0x30, b"\x00\x01a\x03\x23\x00\x01"),
        (0x30, b"\x00\x01a\x04\x03\x00\x09x"),
        (0x30, b"\x00\x00\x00"),
    ],
)
def test_what_mqtt_forbids_is_malformed(first: int, body: bytes) -> None:
    with pytest.raises(MalformedPublish):
        PublishReader(v5=True).read(first, body, 0, len(body), NOW)


def test_length_of_five_bytes_is_malformed() -> None:
    with pytest.raises(MalformedPublish):
        arrivals_of(b"\x30\xff\xff\xff\xff\x01" + b"x" * 10)
