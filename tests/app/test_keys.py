"""Keys of the configuration: which places are understood, what a set-up makes there, what a start takes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.app.check_keys import key_checks
from gateway.app.key_lists import findings, log_keys, make_key, shown_keys
from gateway.app.keys import (
    CREDENTIAL_STORE,
    NO_PUBLISH,
    key_opening,
    key_places,
    key_report,
    known_keys,
    open_book,
    publish_place,
    seal_place,
)
from gateway.app.setup import seal_signers, set_up
from gateway.app.site import open_site
from gateway.cli.keys import keys
from gateway.errors import ConfigurationRefused, LedgerDoubt, Refused, Unavailable
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import format_vkey, parse_note
from gateway.ledger.policy import parse_policy
from gateway.pipeline.key_standing import KeyStanding
from gateway.pipeline.stamp import Stamper
from tests.app.test_site import plant
from tests.fakes.clock import StillClock

PUBLISH = "publish: {file: 'file:publish.pem'}"


def box(folder: Path, keys: str = PUBLISH):
    """A development site with these words beside the seal key."""
    file = plant(folder, "off", "-dev") / "gateway.yaml"
    text = file.read_text()
    assert "seal: {file:" in text
    at = text.index("seal: {file:")
    end = text.index("}", at) + 1
    file.write_text(text[:end] + (f", {keys}" if keys else "") + text[end:])
    return open_site(folder)


def started(site):
    """The book of a start, and the key records that it writes at index 50."""
    standing = log_keys(site)
    book = open_book(site, standing, seal_signers(site))
    return book, key_opening(site, book, Stamper(StillClock(), dev=True, run=2, clock_number=1), lambda nth: 50 + nth)


def test_ac_03_a_set_up_makes_both_keys_and_publishes_with_both_lines(tmp_path):
    site = box(tmp_path)
    told = set_up(site)
    assert [line.split(" (")[0] for line in told[:2]] == ["seal key keys.seal", "publish key keys.publish"]
    policy = parse_policy((site.ledger / "keys" / "policy").read_text())
    note = parse_note((site.ledger / "checkpoint").read_bytes())
    keys = (*policy.logs, *policy.publish)
    assert [(line.name, line.key_id) for line in note.lines] == [(key.name, key.key_id) for key in keys]
    assert all(verify_line(key, note.text, line.signature) for key, line in zip(keys, note.lines, strict=True))
    book, records = started(site)
    assert records == []
    assert book.absent("publish") == []


def test_ac_03_a_publish_key_that_the_configuration_names_enters_at_the_start(tmp_path):
    set_up(box(tmp_path, ""))
    site = box(tmp_path)
    with pytest.raises(ConfigurationRefused, match="holds no publish key that can enter") as refused:
        started(site)
    assert (refused.value.remedy, refused.value.exit_code) == ("make one: gateway keys init --key publish", 78)
    assert make_key(site, "publish", dry_run=True) == {
        "purpose": "publish", "where": "keys.publish (file:publish.pem)", "dry_run": True,
    }  # fmt: skip
    made = make_key(site, "publish", dry_run=False)
    with pytest.raises(ConfigurationRefused, match="holds a key already"):
        make_key(site, "publish", dry_run=False)
    book, (record,) = started(site)
    assert (record.event, record.key, record.from_size) == ("introduced", made["key"], 51)
    assert len(record.endorsed) == 2
    assert [one.in_force for one in book.standing.all("publish")] == [True]


def test_ac_03_a_publish_key_that_the_configuration_drops_is_retired(tmp_path):
    set_up(box(tmp_path))
    site = box(tmp_path, "")
    book, (record,) = started(site)
    assert (record.event, record.to_size, record.facts) == ("retired", 50, {"cause": "not configured"})
    assert book.standing.in_force("publish") == []
    assert key_report(book.standing)["finding"] == NO_PUBLISH


def test_ac_03_another_key_in_the_place_of_the_one_in_force_stops_the_start(tmp_path):
    site = box(tmp_path)
    set_up(site)
    (tmp_path / "publish.pem").unlink()
    publish_place(site).create()
    with pytest.raises(ConfigurationRefused, match="does not hold the publish key in force: example") as refused:
        started(site)
    assert "take keys.publish out" in refused.value.remedy


def test_a_seal_key_that_the_log_does_not_know_stops_the_start(tmp_path):
    site = box(tmp_path, "")
    set_up(site)
    (tmp_path / "seal.pem").unlink()
    seal_place(site).create()
    with pytest.raises(ConfigurationRefused, match="holds no seal key of this ledger: example") as refused:
        started(site)
    assert "backup" in refused.value.remedy


def test_a_seal_key_beside_the_one_in_force_seals_nothing_until_a_record_enters_it(tmp_path):
    site = box(tmp_path, "")
    set_up(site)
    place = seal_place(site)
    place.create()
    book, _ = started(site)
    assert len(place.signers()) == 2
    assert len(parse_note(book.seal(b"text\n")).lines) == 1


def test_a_publish_key_that_cannot_sign_stops_the_start(tmp_path, monkeypatch):
    site = box(tmp_path)
    set_up(site)

    def away(_self, _text):
        raise Unavailable("token gw-01: DeviceRemoved", remedy="plug it in")

    monkeypatch.setattr("gateway.adapters.key_files.EcdsaSigner.sign", away)
    with pytest.raises(
        ConfigurationRefused, match="the publish key cannot sign: token gw-01: DeviceRemoved"
    ) as refused:
        started(site)
    assert (refused.value.exit_code, refused.value.remedy) == (78, "plug it in")


def test_keys_of_a_ledger_without_records_of_them_come_from_the_policy_or_the_seal(tmp_path):
    site = box(tmp_path, "")
    set_up(site)
    policy = site.ledger / "keys" / "policy"
    (key,) = parse_policy(policy.read_text()).logs
    assert [one.key for one in known_keys(KeyStanding(), policy).all()] == [key]
    policy.unlink()
    assert known_keys(KeyStanding(), policy).all() == []
    assert open_book(site, KeyStanding(), seal_signers(site)).key == key


def test_a_token_does_not_seal_and_a_credential_is_written_where_it_is_kept(tmp_path, monkeypatch):
    token = "seal: {pkcs11: /x.so, label: a, pin: 'file:pin'}"
    file = plant(tmp_path, "off", "-dev") / "gateway.yaml"
    text = file.read_text()
    at = text.index("seal: {file:")
    file.write_text(text[:at] + token + text[text.index("}", at) + 1 :])
    with pytest.raises(ConfigurationRefused, match=r"keys\.seal names no file"):
        seal_place(open_site(tmp_path))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("gateway.app.keys.CREDENTIAL_STORE", tmp_path)
    file.write_text(text.replace("file:seal.pem", "cred:seal"))
    site = open_site(tmp_path)
    (tmp_path / "seal").touch(0o600)
    first = seal_place(site)._path
    assert first == tmp_path / "seal"
    (tmp_path / "seal").unlink()
    with pytest.raises(ConfigurationRefused):
        seal_place(site).create()
    assert str(CREDENTIAL_STORE) == "/etc/gateway/credentials"


def test_a_token_is_opened_only_when_it_is_asked(tmp_path):
    (tmp_path / "pin").write_text("1")
    (tmp_path / "pin").chmod(0o600)
    site = box(tmp_path, "publish: {pkcs11: none.so, label: gw-01, pin: 'file:pin'}")
    place = key_places(site)["publish"]
    assert place.where == "token gw-01 (none.so)"
    with pytest.raises(ConfigurationRefused, match="cannot be loaded"):
        place.signers()


def test_what_people_are_shown_of_the_keys(tmp_path):
    site = box(tmp_path)
    set_up(site)
    standing = log_keys(site)
    rows = shown_keys(standing)
    assert [(row["purpose"], row["from_size"]) for row in rows] == [("seal", 0), ("publish", 0)]
    assert findings(standing) == []
    assert key_report(standing) == {
        "seal": [str(standing.all("seal")[0].key)], "publish": [str(standing.all("publish")[0].key)],
    }  # fmt: skip
    assert key_report(standing, "the token is away")["finding"] == "the token is away"
    assert findings(KeyStanding()) == [NO_PUBLISH]
    with pytest.raises(ConfigurationRefused, match="is not configured"):
        make_key(box(tmp_path, ""), "publish", dry_run=False)
    with pytest.raises(ConfigurationRefused, match="holds a key already"):
        make_key(site, "seal", dry_run=False)
    assert format_vkey(standing.all("seal")[0].key) == rows[0]["key"]


def asked(site) -> tuple[str, str]:
    """What `gateway check` says of the publish key."""
    (question,) = [one for one in key_checks(site) if one.target == "keys.publish"]
    return question.question()[:2]


def test_gateway_check_signs_with_the_publish_key(tmp_path, monkeypatch):
    site = box(tmp_path)
    assert asked(site)[0] == "skipped"
    set_up(site)
    (key,) = (one.key for one in publish_place(site).signers())
    assert asked(site) == ("ok", f"{key} signs what is published")
    (tmp_path / "publish.pem").unlink()
    assert asked(site) == ("failed", "there is no key yet. Next: gateway keys init --key publish")
    publish_place(site).create()
    state, text = asked(site)
    assert (state, text.startswith(f"{key} is not there. Next: bring back")) == ("failed", True)

    def broken(_self, _text):
        raise LedgerDoubt("a signature does not hold", remedy="look at the token")

    monkeypatch.setattr("gateway.adapters.key_files.EcdsaSigner.sign", broken)
    (site.ledger / "keys" / "policy").unlink()
    assert asked(site) == ("failed", "its test signature does not hold. Next: look at the token and its driver")


def run(site, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(keys, [*words, "--config", str(site.folder)])
    assert done.exit_code == code, done.output
    return done.output


def test_the_commands_make_and_show_keys_without_a_gateway(tmp_path):
    site = box(tmp_path)
    assert run(site, "init", "--key", "publish", "--dry-run").startswith("would make a publish key: keys.publish")
    assert not (tmp_path / "publish.pem").exists()
    made = run(site, "init", "--key", "publish").splitlines()
    assert made[0].startswith("publish example.invalid/")
    assert json.loads(run(site, "init", "--key", "seal", "--json"))["purpose"] == "seal"
    set_up(site)
    shown = run(site, "show").splitlines()
    assert [line.split(" ")[0] for line in shown] == ["seal", "publish"]
    assert all(line.endswith(" from 0") for line in shown)
    assert len(json.loads(run(site, "show", "--json"))["items"]) == 2
    bare = tmp_path / "bare"
    bare.mkdir()
    other = box(bare, "")
    set_up(other)
    assert run(other, "show").splitlines()[-1] == f"finding: {NO_PUBLISH}"


def test_an_overlap_is_written_in_days_or_hours(tmp_path):
    token = tmp_path / "token"
    token.write_text("gwt_x")
    site = box(tmp_path)
    words = ["rotate", "--key", "seal", "--reason", "yearly", "--token-file", str(token)]
    assert "write days or hours" in run(site, *words, "--overlap", "a week", code=2)


def test_a_place_that_holds_the_key_in_force_takes_no_first_one(tmp_path):
    site = box(tmp_path)
    set_up(site)
    with pytest.raises(Refused, match="holds the key in force") as refused:
        make_key(site, "publish", dry_run=False)
    assert "gateway keys rotate" in refused.value.remedy
    assert len(publish_place(site).signers()) == 1
