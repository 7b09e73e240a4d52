"""Which sinks are the site's: data conditions, which no rule sends, never reach a sink that is a client's alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gateway.app.sinks import required_sinks
from gateway.config.models.sinks import Qms, Sink


def site(clients, ruled=("main",), **sinks):
    qms = {name: Sink(qms=Qms(url="https://qms.example/x", secret="env:S", **given)) for name, given in sinks.items()}
    rules = [SimpleNamespace(deviation=SimpleNamespace(sink=name)) for name in ruled]
    return SimpleNamespace(
        clients={name: SimpleNamespace(sinks=list(owned)) for name, owned in clients.items()},
        limit_sets=[SimpleNamespace(rules=rules)],
        settings=SimpleNamespace(sinks=qms),
    )


@pytest.mark.parametrize(
    ("clients", "sinks", "found"),
    [
        ({}, {"main": {}, "second": {}}, ("main", "second")),
        ({}, {"main": {"required": False}}, ()),
        ({"C-014": ["own"]}, {"main": {}, "own": {}}, ("main",)),
        ({"C-014": ["main"]}, {"main": {}}, ("main",)),
        ({"C-014": ["own"]}, {"main": {}, "own": {"scope": "site"}}, ("main", "own")),
        ({}, {"main": {"scope": "client"}}, ()),
    ],
)
def test_ba_04_a_clients_own_sink_gets_nothing_of_the_site(clients, sinks, found):
    assert required_sinks(site(clients, **sinks)) == found
