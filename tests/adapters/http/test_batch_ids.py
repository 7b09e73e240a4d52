"""An id with a slash, a space or a word of ours is the id of a batch like any other; a wrong address says where to look."""

from __future__ import annotations

import json

import pytest

from gateway.adapters.http.api import Api
from gateway.adapters.http.gate import Gate
from gateway.adapters.machine_accounts import MachineAccounts
from gateway.cli.control import Control
from gateway.errors import Refused
from tests.counterparts.http import ask
from tests.fakes.log_server import NOW_NS, served

SCOPES = ["batch.end", "batch.read", "bundle.export"]


class Desk:
    """Stands for every desk; remembers which batch was meant."""

    async def record(self, batch, body, key, account, terminal):
        return {"event": body.event, "batch": batch}, False

    def all(self, *, open_only, node):
        return [{"node": node}]

    def show(self, batch):
        return None if batch == "none" else {"batch": batch}

    async def bundle(self, batch, account, terminal):
        return batch.encode()

    def report(self):
        return {"ledger": {}}


@pytest.fixture
def control(tmp_path):
    accounts = MachineAccounts(tmp_path / "machines.json")
    _, token = accounts.add(SCOPES, 1, NOW_NS, bytes)
    gate, desk = Gate(accounts, desk_of_refusals(), lambda: NOW_NS + 1, lambda: "r-1"), Desk()
    with served(Api(gate, *[desk] * 9).application()) as url:
        yield Control(token=token, url=url)


def desk_of_refusals():
    class Refusals:
        async def refused(self, *_):
            raise AssertionError("nothing is refused here")

    return Refusals()


@pytest.mark.parametrize("batch", ["B-1", "B/1", "B2026/0412/A", "events", "B/events", "a b", "ä%2F", "B/", "/B"])
def test_any_id_reaches_its_batch(control, batch):
    from urllib.parse import quote

    path = f"/api/v1/batches/{quote(batch, safe='')}"
    assert control.post(f"{path}/events", {"event": "end"})["batch"] == batch
    assert control.get(path)["batch"] == batch
    assert control.get_bytes(f"{path}/bundle.zip").decode() == batch


def test_a_wrong_address_and_a_wrong_method_say_where_to_look(control):
    with pytest.raises(Refused, match="nothing answers GET /api/v1/batch") as wrong:
        control.get("/api/v1/batch")
    assert "docs/reference/rest.md" in wrong.value.remedy
    refused = ask(f"{control._url}/api/v1/batches", body=b"{}")
    assert (refused.status, set(refused.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert "takes another method" in json.loads(refused.body)["detail"]
