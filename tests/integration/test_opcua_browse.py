"""`gateway opcua browse` on a real server, and our own certificate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from cryptography import x509

from gateway.adapters.opcua.own_certificate import make_own
from gateway.adapters.opcua.security import check_server_certificate
from gateway.adapters.system_clock import OsClock
from gateway.cli.opcua import opcua
from gateway.errors import Refused, Unavailable
from tests.counterparts.node_opcua import NodeOpcua
from tests.counterparts.ports import free_port
from tests.integration.opcua_plant import address

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def test_us_08_browse_shows_value_type_and_the_address_to_write_down(tmp_path: Path) -> None:
    variables = [{"name": "T", "value": 37.5}, {"name": "I", "type": "Int64", "value": "9007199254740993"}]
    with NodeOpcua(tmp_path, variables) as server:
        plain = CliRunner().invoke(opcua, ["browse", server.url], catch_exceptions=False)
        shown = CliRunner().invoke(opcua, ["browse", server.url, "--json"], catch_exceptions=False)
        assert server.order("sessions")["count"] == 0
    assert f"T  double  37.5  no unit  {address('T')}" in plain.output
    leaves = {leaf["name"]: leaf for leaf in map(json.loads, shown.output.splitlines())}
    assert (leaves["I"]["type"], leaves["I"]["value"]) == ("int64", "9007199254740993")


def test_us_08_browse_of_a_server_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(Unavailable) as refused:
        CliRunner().invoke(opcua, ["browse", f"opc.tcp://127.0.0.1:{free_port()}"], catch_exceptions=False)
    assert refused.value.remedy


def test_us_08_our_certificate_is_made_once_and_holds(tmp_path: Path) -> None:
    now = OsClock().now().wall_ns
    made = make_own(tmp_path, uri="urn:basel:gw-01", hosts=["127.0.0.1", "gw-01"], wall_ns=now)
    first = made.read_bytes()
    check_server_certificate(first, host="gw-01", application_uri="urn:basel:gw-01", wall_ns=now)
    assert (tmp_path / "own.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused):
        make_own(tmp_path, uri="urn:basel:gw-01", hosts=["gw-01"], wall_ns=now)
    assert made.read_bytes() == first
    make_own(tmp_path, uri="urn:basel:gw-01", hosts=["gw-01"], wall_ns=now, renew=True)
    assert x509.load_der_x509_certificate(made.read_bytes()) != x509.load_der_x509_certificate(first)
