"""Who signed a time stamp: each part that may be wrong alone is wrong alone once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import CHAIN_MAX, Authority
from gateway.ledger.der import encode
from gateway.ledger.timestamp import SHA256
from tests.ledger.stamp_forge import (
    AUTHORITY,
    CONTENT_TYPE,
    DIGEST,
    ECDSA_SHA384,
    IMPRINT,
    NAMES,
    SHA384,
    STAMPING,
    Holder,
    Token,
    info,
    named_by_hash,
    named_by_sha1,
    usage,
)

ROOT = Holder("root", [AUTHORITY, usage("key_cert_sign")])
SIGNER = Holder("stamper", [STAMPING], ROOT)
TOKEN = Token(SIGNER)
OURS = Authority(ROOT.pem)


def held(token: Token, trusted: Authority = OURS) -> bool:
    return trusted.open(token.answer, IMPRINT).imprint == IMPRINT


def with_usage(*true: str) -> Token:
    return Token(Holder("stamper", [STAMPING, usage(*true)], ROOT))


def below(*authorities: Holder) -> Token:
    """A token whose signer stands below the last of some authorities, all of them in the bundle."""
    signer = Holder("stamper", [STAMPING], authorities[-1])
    return Token(signer, certificates=[signer, *authorities])


def test_ac_03_a_token_made_by_hand_holds() -> None:
    assert held(TOKEN)


def test_a_certificate_named_by_its_key_identifier_holds() -> None:
    identifier = x509.SubjectKeyIdentifier(b"\x07" * 20)
    signer = Holder("stamper", [STAMPING, (identifier, False)], ROOT)
    named = Token(signer, version=3, sid=encode(0x80, identifier.digest), certificates=[SIGNER, signer])
    assert held(named)
    with pytest.raises(EvidenceRefused, match="not with the time stamp"):
        held(replace(named, sid=encode(0x80, b"\x08" * 20)))


@pytest.mark.parametrize("true", ["digital_signature", "content_commitment"])
def test_a_certificate_for_signatures_alone_holds(true: str) -> None:
    assert held(with_usage(true))


@pytest.mark.parametrize("algorithm", [SHA256, SHA384])
def test_a_certificate_named_by_a_written_algorithm_holds(algorithm: str) -> None:
    assert held(replace(TOKEN, attributes=[*TOKEN.usual()[:2], named_by_hash(SIGNER, algorithm)]))


def test_both_names_of_the_certificate_count_where_both_stand() -> None:
    assert held(replace(TOKEN, attributes=[*TOKEN.usual(), named_by_sha1(SIGNER)]))
    with pytest.raises(EvidenceRefused, match="names another certificate"):
        held(replace(TOKEN, attributes=[*TOKEN.usual(), named_by_sha1(ROOT)]))


USUAL = TOKEN.usual()


WRONG = {
    "two signers": (replace(TOKEN, signers=2), "2 signers"),
    "version 3 with a serial": (replace(TOKEN, version=3), "version 3, which its name does not have"),
    "version 1 with a key identifier": (
        replace(TOKEN, sid=encode(0x80, b"x")),
        "version 1, which its name does not have",
    ),
    "no certificate": (replace(TOKEN, certificates=[ROOT]), "not with the time stamp"),
    "an attribute twice": (replace(TOKEN, attributes=[*USUAL, USUAL[0]]), "stands twice"),
    "no content type": (replace(TOKEN, attributes=USUAL[1:]), f"attribute {CONTENT_TYPE} is missing"),
    "no digest": (replace(TOKEN, attributes=[USUAL[0], USUAL[2]]), f"attribute {DIGEST} is missing"),
    "no value in an attribute": (replace(TOKEN, attributes=[*USUAL[:2], (NAMES, b"")]), "cut"),
    "no name of the certificate": (replace(TOKEN, attributes=USUAL[:2]), "names another certificate"),
    "named by an unknown hash": (
        replace(TOKEN, attributes=[*USUAL[:2], named_by_hash(SIGNER, "1.2.3")]),
        "names another certificate",
    ),
    "another content type": (replace(TOKEN, content_type="1.2.3"), "another type of content"),
    "an old hash": (replace(TOKEN, digest="1.3.14.3.2.26"), "not a SHA-2"),
    "a digest that is not announced": (replace(TOKEN, digests=[SHA384]), "not a SHA-2 that it names"),
    "a signature by another hash": (replace(TOKEN, algorithm=ECDSA_SHA384), "not by RSA or ECDSA"),
    "another name": (replace(TOKEN, attributes=[*USUAL[:2], named_by_hash(ROOT)]), "names another certificate"),
    "expired since": (replace(TOKEN, content=info(b"20271124030405Z")), "does not lead to the root"),
    "signs certificates too": (with_usage("digital_signature", "key_cert_sign"), "not for signatures alone"),
    "signs revocations too": (with_usage("digital_signature", "crl_sign"), "not for signatures alone"),
    "enciphers too": (with_usage("digital_signature", "key_encipherment"), "not for signatures alone"),
    "no use at all": (with_usage(), "not for signatures alone"),
    "no purpose": (Token(Holder("stamper", [], ROOT)), "does not verify"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_ac_03_what_is_wrong_alone_is_refused(wrong: str) -> None:
    token, why = WRONG[wrong]
    with pytest.raises(EvidenceRefused, match=why):
        held(token)


def test_ac_03_a_signature_by_another_key_is_refused() -> None:
    forged = Holder("stamper", [STAMPING], ROOT)
    forged.certificate = SIGNER.certificate
    with pytest.raises(EvidenceRefused, match="does not verify: InvalidSignature"):
        held(Token(forged))


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [(x509.BasicConstraints(ca=False, path_length=None), True)],
        [AUTHORITY, usage("digital_signature")],
        [AUTHORITY, (x509.InhibitAnyPolicy(0), True)],
    ],
    ids=["no word", "no authority", "may not issue", "strange"],
)
def test_ac_03_an_issuer_that_may_not_issue_leads_nowhere(extensions: list) -> None:
    with pytest.raises(EvidenceRefused, match="does not lead to the root"):
        held(below(Holder("issuing", extensions, ROOT)))


def test_ac_03_a_path_is_as_long_as_each_authority_allows() -> None:
    narrow = Holder("narrow", [(x509.BasicConstraints(ca=True, path_length=0), True)], ROOT)
    assert held(below(narrow))
    with pytest.raises(EvidenceRefused, match="does not lead to the root"):
        held(below(narrow, Holder("lower", [AUTHORITY], narrow)))


def test_ac_03_a_chain_without_end_leads_nowhere() -> None:
    chain = [ROOT]
    for number in range(CHAIN_MAX):
        chain.append(Holder(f"issuing {number}", [AUTHORITY], chain[-1]))
    assert held(below(*chain[1:CHAIN_MAX]))
    with pytest.raises(EvidenceRefused, match="does not lead to the root"):
        held(below(*chain[1:]))
