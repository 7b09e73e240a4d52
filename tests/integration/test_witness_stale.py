"""A witness that is gone for more than a minute: a condition on a gateway that stays ready, over when the quorum is back."""

from __future__ import annotations

import json

import pytest

from gateway.ledger.records import Excursion
from tests.counterparts.gateway_process import NODE
from tests.counterparts.http import ask
from tests.threats.box import Box, until

pytestmark = [pytest.mark.integration, pytest.mark.fault, pytest.mark.timeout(400)]
NAME = "system:witness_stale.alert"


def standing(box: Box) -> tuple[int, list[str]]:
    answer = ask(f"http://127.0.0.1:{box.gateway.port}/ready")
    return answer.status, json.loads(answer.body)["conditions"]


def test_al_10_a_quorum_that_fails_to_come_is_a_condition_until_it_is_back(tmp_path):
    box = Box(tmp_path)
    try:
        gateway, witness = box.gateway, box.witnesses[0]
        gateway.start()
        until(lambda: box.anchors("cosigned"), "first quorum")
        witness.kill()
        gateway.batch("start", "B-1", "--equipment", NODE)
        until(lambda: standing(box)[1], "condition", 120)
        status, [told] = standing(box)
        assert (status, told.partition(" since ")[0]) == (200, NAME)
        bearer = {"authorization": f"Bearer {gateway.token.read_text().strip()}"}
        health = json.loads(ask(f"http://127.0.0.1:{gateway.api}/api/v1/health", headers=bearer).body)
        assert health["conditions"] == [told]
        assert health["witnesses"]["stale"] == "alert"
        said = gateway.run("witness", "status", "--config", str(gateway.config), code=1)
        assert "unwitnessed: records " in said
        assert "without their quorum" in gateway.run("ledger", "status", "--config", str(gateway.config))
        witness.start()
        until(lambda: not standing(box)[1], "end of the condition", 120)
        told = [one for one in gateway.records() if isinstance(one, Excursion)]
        assert [(one.condition, one.event) for one in told] == [(NAME, "raised"), (NAME, "returned")]
        gateway.stop()
        gateway.verified()
        assert "unwitnessed" not in gateway.run("witness", "status", "--config", str(gateway.config))
    finally:
        box.close()
