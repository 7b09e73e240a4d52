"""Batch adapters: what the check demands of an MQTT adapter, and the route that comes of a good one."""

from __future__ import annotations

import pytest

from gateway.domain.plan import BatchRoute
from tests.config.example import GATEWAY, changed, seen

GOOD = (
    "batch: {adapters: {mes: {kind: mqtt, connection: plant, topic: mes/batch, reply: mes/batch/answer, auto_create: true,"
    " paths: {batch_id: id, event: what, product: product.code}, states: {RUN: start}, nodes: {R1: BR-201}}}}"
)


def said(block: str) -> list[tuple[str, str]]:
    found = seen(changed((GATEWAY, "accounts: {", f"{block}\naccounts: {{")))
    return [(one[0], one[4]) for one in found if one[1] == GATEWAY]


def test_batch_topic_becomes_a_route_of_its_connection():
    loaded = changed((GATEWAY, "accounts: {", f"{GOOD}\naccounts: {{"))
    assert seen(loaded) == []
    (plan,) = loaded.plan.mqtt
    assert plan.batches == (
        BatchRoute(
            adapter="mes",
            topic="mes/batch",
            paths={"batch_id": "id", "event": "what", "product": "product.code"},
            states={"RUN": "start"},
            nodes={"R1": "BR-201"},
            reply="mes/batch/answer",
            zone=loaded.plan.zone,
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "id_", "message"),
    [
        ("topic: mes/batch, ", "", "SCH-02", "missing key 'topic': batch events come on a topic"),
        ("mes/batch,", "mes/+,", "SCH-03", "'mes/+' is not one topic without wildcard"),
        ("mes/batch/answer", "mes/batch", "SCH-03", "'mes/batch' is not another topic without wildcard"),
        ("batch_id: id, ", "", "SCH-02", "missing key 'batch_id': path of the batch id"),
        ("product.code", "product.", "MAP-01", None),
        ("product.code", "length(product)", "MAP-02", "a function is not allowed in a mapping"),
        ("RUN: start", "RUN: begin", "SCH-03", "'begin' is no batch event"),
        ("RUN: start", "RUN: stat", "SCH-03", "'stat' is no batch event - did you mean 'start'?"),
        ("R1: BR-201", "R1: BR-210", "REF-01", None),
        (
            "kind: mqtt",
            "kind: packml",
            "SCH-03",
            "kind packml is not read by this version: use mqtt, REST or the command",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(old, new, id_, message):
    assert GOOD.count(old) >= 1
    found = said(GOOD.replace(old, new, 1))
    assert [one for one in found if one[0] == id_ and message in {None, one[1]}], found


def test_ref_06_one_topic_is_read_once():
    two = GOOD.replace("{adapters: {", "{adapters: {erp: {kind: mqtt, connection: plant, topic: mes/batch, "
                       "paths: {batch_id: id, event: what}}, ")  # fmt: skip
    assert ("REF-06", "topic 'mes/batch' is already read by 'erp'") in said(two)
