"""A folder that demands approval runs nowhere until somebody can give it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.setup import set_up
from gateway.app.site import open_site
from gateway.errors import ConfigurationRefused

GATEWAY = """\
format: gateway/1
site: {{id: example, name: Example plant, timezone: Europe/Zurich}}
gateway: {{id: gw-01, approval: '{approval}'}}
ledger: {{path: ledger, origin: example.invalid/example/gw-01{end}, disk_reserve_mb: 256}}
keys: {{seal: {{file: 'file:seal.pem'}}}}
connections: {{}}
http: {{listen: '127.0.0.1:8080'}}
accounts: {{qa_contact: qa@example.invalid, security_contact: security@example.invalid}}
"""


def plant(folder: Path, approval: str, end: str) -> Path:
    (folder / "gateway.yaml").write_text(GATEWAY.format(approval=approval, end=end))
    (folder / "plant.yaml").write_text("format: plant/1\nnodes: {}\ndevices: {}\n")
    return folder


def test_what_nobody_approved_is_not_set_up(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "required", ""))
    with pytest.raises(ConfigurationRefused, match="cannot take approvals") as refused:
        set_up(site)
    assert refused.value.exit_code == 78
    assert "never for GMP use" in refused.value.remedy
    assert not (tmp_path / "ledger").exists()


def test_a_development_folder_is_set_up_once(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    assert any("verifier key" in line for line in set_up(site))
    with pytest.raises(ConfigurationRefused, match="a ledger exists"):
        set_up(site)


def test_a_lost_seal_key_is_restored_and_never_made_again(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    set_up(site)
    (tmp_path / "seal.pem").unlink()
    from gateway.app.setup import seal_key

    with pytest.raises(ConfigurationRefused, match="seal key of this ledger is not there") as refused:
        seal_key(site)
    assert "backup" in refused.value.remedy
