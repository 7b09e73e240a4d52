"""Repeats: the repeat keys of committed MQTT payloads, cut again by the code that cut them first (rule 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.adapters.mqtt.payload import Cut, Receipt, cut
from gateway.adapters.mqtt.route import compile_plan
from gateway.domain.plan import MqttPlan


def repeat_keys(plan: MqttPlan, payloads: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """Yield the keys of (topic, payload) pairs, oldest first; topics whose profile names no key give none."""
    routes = compile_plan(plan)
    for topic, payload in payloads:
        route = routes.get(topic.encode())
        if route is None:
            continue
        found = cut(route, payload, Receipt(0, 0, ()), payload_bytes_max=len(payload))
        if isinstance(found, Cut):
            yield from (sample.repeat_key for sample in found.samples if sample.repeat_key is not None)
