"""The MQTT adapter's own cutting and time reading, in the shape that captures want."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.adapters.mqtt.payload import Quarantined, Receipt, cut
from gateway.adapters.mqtt.route import compile_route
from gateway.adapters.mqtt.times import compile_time
from gateway.domain.plan import MqttRoute, TimeRule
from gateway.domain.sample import Sample

PAYLOAD_BYTES_MAX = 256 * 1024


def cut_mqtt(route: MqttRoute, topic: str, payload: bytes, received_ns: int) -> Sequence[Sample]:
    assert route.topic == topic
    found = cut(compile_route(route, {}), payload, Receipt(received_ns, 0), payload_bytes_max=PAYLOAD_BYTES_MAX)
    if isinstance(found, Quarantined):
        raise ValueError(found.reason)  # noqa: TRY004 - the contract of a capture
    return found.samples


def read_time(rule: TimeRule, text: str, received_ns: int) -> int | None:
    return compile_time(rule)(text, received_ns).ns
