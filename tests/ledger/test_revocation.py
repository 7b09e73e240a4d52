"""Revocation lists: where they are named, whose they are, and what they say of a chain at a time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.revocation import addresses_in, demand_unrevoked, next_update_ns, read_lists
from gateway.ledger.timestamp import make_request
from tests.counterparts import tsa

URL = "http://ca.example/tsa.crl"
IMPRINT = sha256(b"note").digest()


@pytest.fixture(scope="module", params=[False, True])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tsa")
    return tsa.Authority(folder, curve=not request.param, intermediate=request.param, crl_url=URL)


@pytest.fixture(scope="module")
def opened(made):
    """(what the token says, its chain)"""
    return Authority(made.ca.read_bytes()).open_with_chain(made.reply(make_request(IMPRINT, 7)), IMPRINT, 7)


def test_the_chain_runs_from_the_signer_to_the_root_and_ends_with_its_first(made, opened):
    _, chain = opened
    names = [one.subject.rfc4514_string() for one in chain.certificates]
    assert (names[0], names[-1]) == ("CN=Test Stamper", "CN=Test Root")
    assert chain.ends_ns == int(chain.certificates[0].not_valid_after_utc.timestamp()) * 10**9
    assert addresses_in(chain) == (URL,)


def test_a_list_of_the_issuer_is_kept_as_pem_once(made, opened):
    _, chain = opened
    kept = read_lists([made.crl(), made.crl()], chain)
    assert kept.startswith(b"-----BEGIN X509 CRL-----")
    again = read_lists([kept + b"words between\n" + kept], chain)
    assert again == read_lists([again], chain)
    left_ns = next_update_ns(kept) - int(tsa.now().timestamp()) * 10**9
    assert 0 < left_ns <= 24 * 3600 * 10**9
    assert next_update_ns(b"") is None


def test_what_is_no_list_or_anothers_is_refused(made, opened, tmp_path):
    _, chain = opened
    with pytest.raises(EvidenceRefused, match="not a revocation list"):
        read_lists([b"<html>"], chain)
    stranger = tsa.Authority(tmp_path, curve=True)
    with pytest.raises(EvidenceRefused, match="signed by no certificate"):
        read_lists([stranger.crl()], chain)
    changed = bytearray(made.crl())
    changed[-1] ^= 1
    with pytest.raises(EvidenceRefused):
        read_lists([bytes(changed)], chain)


def test_ac_03_a_chain_that_was_revoked_by_then_is_refused_and_one_revoked_later_is_not(made, opened):
    stamped, chain = opened
    before, after = tsa.now() - timedelta(days=1), tsa.now() + timedelta(days=1)
    demand_unrevoked(chain, b"", stamped.gen_ns)
    demand_unrevoked(chain, read_lists([made.crl()], chain), stamped.gen_ns)
    demand_unrevoked(chain, read_lists([made.crl(after)], chain), stamped.gen_ns)
    with pytest.raises(EvidenceRefused, match="was revoked on"):
        demand_unrevoked(chain, read_lists([made.crl(before)], chain), stamped.gen_ns)


def test_ac_03_openssl_reads_what_is_kept(made, opened, tmp_path):
    """The command that a bundle's verify.py names: certificates and lists in one file."""
    _, chain = opened
    token, note = made.reply(make_request(IMPRINT, 7)), b"note"
    for revoked, holds in ((None, True), (tsa.now() - timedelta(hours=2), False)):
        lists = read_lists([made.crl(revoked)], chain)
        (made.folder / "with.pem").write_bytes(made.ca.read_bytes() + lists)
        (made.folder / "data").write_bytes(note)
        (made.folder / "v.tsr").write_bytes(token)
        words = ("-verify", "-data", "data", "-in", "v.tsr", "-CAfile", "with.pem", "-crl_check")
        assert (made.run(*words, check=False).returncode == 0) is holds
