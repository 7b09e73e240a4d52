"""Witnesses of the configuration: which key files are taken, and the policy file that follows from them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.app.witnesses import site_policy, write_policy_if_changed
from gateway.config.models.services import Witness
from gateway.errors import ConfigurationRefused
from gateway.ledger.crypto import seal_key
from gateway.ledger.note import format_vkey
from gateway.ledger.policy import Policy, Span, format_policy, parse_policy
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.witness import FakeWitness

OURS = Policy(logs=(SEALER.key,))


@pytest.fixture
def store(tmp_path):
    made = SegmentStore(tmp_path / "ledger", ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)
    made.open()
    yield made
    made.close()


def site(folder, *vkeys: str):
    """A site with witnesses w0, w1, … whose key files hold these lines."""
    for n, text in enumerate(vkeys):
        (folder / f"w{n}.vkey").write_text(text)
    blocks = {f"w{n}": Witness(url=f"https://w{n}.example", key=f"w{n}.vkey") for n in range(len(vkeys))}
    return SimpleNamespace(settings=SimpleNamespace(witnesses=blocks), path=lambda written: folder / written)


def test_the_policy_names_our_key_the_witnesses_and_their_majority(tmp_path, store):
    vkeys = [format_vkey(FakeWitness(n).key) for n in range(3)]
    policy = site_policy(site(tmp_path, *(f"{one}\n" for one in vkeys)), OURS)
    write_policy_if_changed(store, policy)
    lines = store.layout.policy.read_text().splitlines()
    assert lines == [
        f"log {SEALER.vkey}",
        *(f"witness w{n} {vkey} https://w{n}.example" for n, vkey in enumerate(vkeys)),
        "group q 2 w0 w1 w2",
        "quorum q",
    ]


def test_without_witnesses_the_file_stays_as_set_up_wrote_it(tmp_path, store):
    store.save_policy(format_policy(Policy(logs=(SEALER.key,))))
    before = store.layout.policy.stat().st_mtime_ns
    write_policy_if_changed(store, site_policy(site(tmp_path), OURS))
    assert store.layout.policy.stat().st_mtime_ns == before


def test_former_keys_stay_with_their_sizes_witnesses_that_left_are_gone_and_the_old_policy_is_kept(tmp_path, store):
    elder = seal_key(ORIGIN, bytes(32))
    old = site_policy(site(tmp_path, format_vkey(FakeWitness().key)), Policy(logs=(elder,)))
    write_policy_if_changed(store, old)
    keys = Policy(logs=(SEALER.key,), former=(elder,), spans=((elder, Span(0, 7)),))
    write_policy_if_changed(store, site_policy(site(tmp_path), keys))
    found = parse_policy(store.layout.policy.read_text())
    assert found == keys
    assert store.layout.policy.with_name("policy.until-0").read_text() == format_policy(old)


@pytest.mark.parametrize(
    ("vkey", "says"),
    [
        (SEALER.vkey, r"^witnesses\.w0\.key is of type 01, not of a witness"),
        ("", r"^witnesses\.w0\.key: key '' is not name\+id\+key"),
        (format_vkey(FakeWitness().key).replace("witness.example/0", "other.example/0"), r"has id \w{8}, not"),
    ],
)
def test_a_line_that_is_no_witness_s_key_stops_the_start(tmp_path, store, vkey, says):
    with pytest.raises(ConfigurationRefused, match=says) as refused:
        site_policy(site(tmp_path, vkey), OURS)
    assert refused.value.remedy


def test_a_missing_key_file_stops_the_start(tmp_path, store):
    subject = site(tmp_path, "x")
    (tmp_path / "w0.vkey").unlink()
    with pytest.raises(ConfigurationRefused, match=r"w0\.vkey cannot be read: No such file"):
        site_policy(subject, OURS)


def test_one_key_does_not_count_twice(tmp_path, store):
    vkey = format_vkey(FakeWitness().key)
    with pytest.raises(ConfigurationRefused, match=r"witnesses\.w1: its key is that of w0"):
        site_policy(site(tmp_path, vkey, vkey), OURS)
    named = site(tmp_path, vkey)
    named.settings.witnesses = {"none": named.settings.witnesses["w0"]}
    with pytest.raises(ConfigurationRefused, match=r"witnesses\.none: none is no name"):
        site_policy(named, OURS)


def test_a_witness_may_be_called_q(tmp_path, store):
    vkeys = [format_vkey(FakeWitness(n).key) for n in range(2)]
    named = site(tmp_path, *vkeys)
    named.settings.witnesses = dict(zip(("q", "qq"), named.settings.witnesses.values(), strict=True))
    policy = site_policy(named, OURS)
    assert parse_policy(format_policy(policy)) == policy
    assert policy.quorum == "qqq"
