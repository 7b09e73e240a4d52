"""`gateway user`: accounts with names that can be erased, numbers that never come twice."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway.cli.user import user
from gateway.errors import Refused


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "gateway.yaml").write_text("ledger: {path: ../var/ledger}\n")
    return folder


def run(config, *words):
    done = CliRunner().invoke(user, [*words, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def add(config, *words):
    return json.loads(run(config, "add", "--machine", "--scope", "batch.read", "--json", *words))


def test_us_05_a_named_account_is_listed_by_its_name_until_that_is_erased(config):
    assert add(config, "--name", "MES Basel")["person"] == "P-000001"
    assert add(config)["person"] == "P-000002"
    assert add(config, "--name", "Dashboard")["person"] == "P-000003"
    assert "P-000001  MES Basel  until" in run(config, "list")
    assert run(config, "erase", "P-000001").startswith("P-000001: name erased")
    assert run(config, "erase", "P-000001").startswith("P-000001: was erased before")
    shown = run(config, "list")
    assert "P-000001  name erased  until" in shown
    assert "MES" not in shown
    items = json.loads(run(config, "list", "--json"))["items"]
    assert [(one["person"], one["name"]) for one in items] == [
        ("P-000001", "name erased"),
        ("P-000002", None),
        ("P-000003", "Dashboard"),
    ]
    assert b"MES Basel" not in b"".join(one.read_bytes() for one in (config.parent / "var").rglob("*") if one.is_file())
    assert json.loads(run(config, "erase", "P-000003", "--json"))["erased"] == 1


def test_a_name_that_is_none_makes_no_account(config):
    with pytest.raises(Refused) as refused:
        add(config, "--name", " ")
    assert refused.value.code == "ACC-011"
    assert run(config, "list") == ""
