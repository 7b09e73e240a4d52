"""Bundles over the API: of an excursion, of signals over a stretch; what is missing or unknown is said."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.adapters.http.api import Api
from gateway.adapters.http.gate import Gate
from gateway.adapters.machine_accounts import MachineAccounts
from gateway.cli.control import Control
from gateway.cli.excursion import excursion
from gateway.cli.ledger import ledger
from gateway.domain.times import parse_time
from gateway.errors import Refused
from tests.fakes.log_server import NOW_NS, served

FROM, TO = "2026-11-20T03:00:00Z", "2026-11-20T04:00:00+01:00"


class Desk:
    """Stands for every desk; answers with what was asked."""

    async def excursion(self, name, account, terminal):
        assert terminal
        return None if name == "none" else f"{name} {account.person}".encode()

    async def readings(self, signals, from_ns, to_ns, account, terminal):
        assert terminal
        return f"{signals} {from_ns} {to_ns} {account.person}".encode()

    async def refused(self, *_):
        return None


@pytest.fixture
def door(tmp_path):
    accounts, keys = MachineAccounts(tmp_path / "machines.json"), iter(range(1, 9))
    tokens = [
        accounts.add([scope], 1, NOW_NS, lambda size: bytes([next(keys)]) * size)[1]
        for scope in ("bundle.export", "live.read")
    ]
    desk = Desk()
    gate = Gate(accounts, desk, lambda: NOW_NS + 1, lambda: "r-1")
    for name, token in zip(("may", "mayn't"), tokens, strict=True):
        (tmp_path / name).write_text(token)
    desks = [one for one in signature(Api).parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD][1:]
    with served(Api(gate, *[desk for _ in desks]).application()) as url:
        yield url, tokens


def test_us_03_a_stretch_is_asked_by_its_times_and_signals(door):
    url, (token, _) = door
    control = Control(token=token, url=url)
    said = control.get_bytes(f"/api/v1/readings/bundle.zip?signal=A/t&signal=B/t&from={FROM}&to=2026-11-20T04:00:00Z")
    assert said.decode() == f"['A/t', 'B/t'] {parse_time(FROM)} {parse_time('2026-11-20T04:00:00Z')} P-000001"
    assert control.get_bytes("/api/v1/excursions/EXC-1/bundle.zip") == b"EXC-1 P-000001"


def test_us_03_what_is_missing_or_strange_is_said(door):
    url, (token, other) = door
    control = Control(token=token, url=url)
    for query in ("", f"from={FROM}", f"from={FROM}&to=noon", f"from={FROM}&to={FROM}&what=1"):
        with pytest.raises(Refused):
            control.get_bytes(f"/api/v1/readings/bundle.zip?{query}")
    with pytest.raises(Refused, match="no excursion 'none'"):
        control.get_bytes("/api/v1/excursions/none/bundle.zip")
    for path in ("excursions/EXC-1/bundle.zip", f"readings/bundle.zip?from={FROM}&to={FROM}"):
        with pytest.raises(Refused):
            Control(token=other, url=url).get_bytes(f"/api/v1/{path}")


def test_us_03_the_commands_write_what_came(door, tmp_path):
    url, _ = door
    token = ["--url", url, "--token-file", str(tmp_path / "may")]
    stretch = ["--from", FROM, "--to", TO]
    done = CliRunner().invoke(ledger, ["bundle", "A/t", *stretch, "-o", str(tmp_path / "r.zip"), *token])
    assert done.exit_code == 0, done.output
    assert f"check it with: gateway verify {tmp_path / 'r.zip'}" in done.output
    assert (tmp_path / "r.zip").read_text() == f"['A/t'] {parse_time(FROM)} {parse_time(TO)} P-000001"
    done = CliRunner().invoke(excursion, ["bundle", "EXC-1", "-o", str(tmp_path / "e.zip"), *token, "--json"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "e.zip").read_bytes() == b"EXC-1 P-000001"
    assert sorted(Path(one).name for one in tmp_path.glob("*.part")) == []
