"""Where a site's files lie, how it reads secrets, and what a set-up touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.setup import is_set_up, open_store, seal_key, set_up
from gateway.app.site import open_site
from gateway.errors import ConfigurationRefused
from gateway.ledger.records import Clock, Gateway, Key, parse_record
from tests.app.test_site import plant


def test_a_dry_run_tells_everything_and_makes_nothing(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    before = sorted(tmp_path.rglob("*"))
    told = set_up(site, dry_run=True)
    assert [line.partition(" ")[0] for line in told] == ["seal", "ledger", "state"]
    assert sorted(tmp_path.rglob("*")) == before
    assert not is_set_up(site)


def test_a_set_up_that_was_cut_off_after_its_key_goes_on_with_that_key(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    set_up(site)
    key = (tmp_path / "seal.pem").read_bytes()
    for path in (site.ledger / "seg").iterdir():
        path.unlink()
    (site.ledger / "checkpoint").unlink()
    told = set_up(site)
    assert not any(line.startswith("seal key") for line in told)
    assert (tmp_path / "seal.pem").read_bytes() == key


def test_di_13_a_ledger_is_born_with_clock_genesis_and_its_own_key(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    set_up(site)
    store = open_store(site, seal_key(site))
    head = store.open()
    records = [parse_record(content) for _, _, content in store.read(0, head.tree.size)]
    store.close()
    assert [type(one) for one in records[:3]] == [Clock, Gateway, Key]
    assert (records[1].event, records[-1].event) == ("genesis", "stop")
    assert (head.unclean, head.halted) == (False, None)


def test_secrets_are_kept_from_others(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    set_up(site)
    assert (tmp_path / "seal.pem").stat().st_mode & 0o077 == 0
    assert (site.ledger / "seg").stat().st_mode & 0o007 == 0


def test_paths_lie_below_the_folder_and_state_beside_the_ledger(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    assert site.ledger == tmp_path / "ledger"
    assert site.state == tmp_path / "state"
    assert site.path("../x") == tmp_path.parent / "x"
    assert site.path("/var/lib/x") == Path("/var/lib/x")


def test_a_private_key_of_tls_needs_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    assert site.secret_file("file:key.pem") == tmp_path / "key.pem"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/gateway")
    assert site.secret_file("cred:tls") == Path("/run/credentials/gateway/tls")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    for reference in ("cred:tls", "env:TLS"):
        with pytest.raises(ConfigurationRefused, match=reference) as refused:
            site.secret_file(reference)
        assert refused.value.code == "SEC-01"


def test_a_missing_secret_names_its_reference_never_a_value(tmp_path: Path) -> None:
    site = open_site(plant(tmp_path, "off", "-dev"))
    with pytest.raises(ConfigurationRefused, match=r"nothing-here\.txt"):
        site.secret("file:nothing-here.txt")
