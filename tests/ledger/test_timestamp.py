"""Time stamps: our request is what openssl makes, its answers are read, and who signed is judged as `openssl ts` judges."""

import subprocess
import time
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from random import Random

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.der import SEQUENCE, encode, encode_integer, encode_oid, integer, oid, read_one, time_ns
from gateway.ledger.timestamp import SHA256, SIGNED_DATA, TST_INFO, make_request, parse_answer, parse_stamped
from tests.counterparts import tsa
from tests.counterparts.missing import need

NOTE = b"acme.example/basel/gw-01\n18\n0dHWjePL1SBpMK7uaiuHE4ZJQ2OqXPNWm1D7Vra/PFI=\n\n"
IMPRINT = sha256(NOTE).digest()
NONCE = 0xF1E2D3C4B5A69788


@dataclass
class Case:
    made: tsa.Authority
    answer: bytes

    @property
    def ours(self) -> Authority:
        return Authority(self.made.ca.read_bytes())

    def open(self, answer: bytes | None = None, imprint: bytes = IMPRINT, nonce: int | None = NONCE):
        return self.ours.open(self.answer if answer is None else answer, imprint, nonce)


def case(folder, **how) -> Case:
    made = tsa.Authority(folder, **how)
    return Case(made, made.reply(make_request(IMPRINT, NONCE)))


@pytest.fixture(scope="module")
def rsa_case(tmp_path_factory) -> Case:
    return case(tmp_path_factory.mktemp("rsa"))


@pytest.fixture(scope="module")
def chain_case(tmp_path_factory) -> Case:
    return case(tmp_path_factory.mktemp("chain"), curve=True, intermediate=True, digits=0)


def test_di_14_openssl_reads_our_request(tmp_path):
    (tmp_path / "q.tsq").write_bytes(make_request(IMPRINT, NONCE))
    said = subprocess.run(
        [need("openssl"), "ts", "-query", "-in", "q.tsq", "-text"], cwd=tmp_path, capture_output=True, check=True
    ).stdout.decode()
    assert "Hash Algorithm: sha256" in said
    assert "Nonce: 0xF1E2D3C4B5A69788" in said
    assert "Certificate required: yes" in said


@pytest.mark.parametrize("nonce", [1, 0x7F, 0x80, 0xFFFF, (1 << 64) - 1])
def test_every_nonce_of_64_bits_is_encoded_in_its_shortest_form(nonce):
    assert make_request(IMPRINT, nonce).endswith(encode_integer(nonce) + b"\x01\x01\xff")
    assert integer(read_one(encode_integer(nonce), 0x02)) == nonce


def test_ac_03_a_token_of_rsa_is_read_and_holds(rsa_case):
    stamped = rsa_case.open()
    assert (stamped.imprint, stamped.nonce, stamped.policy) == (IMPRINT, NONCE, tsa.POLICY)
    assert stamped.accuracy_ns == 1_500_100_000
    assert stamped.serial == 2
    assert abs(stamped.gen_ns / 1e9 - tsa.now().timestamp()) < 60
    assert rsa_case.made.accepts(NOTE, rsa_case.answer)


def test_a_chain_of_elliptic_keys_holds_though_its_certificates_stand_in_another_order(chain_case):
    assert len(parse_answer(chain_case.answer).certificates) == 2
    assert chain_case.open().gen_ns % 1_000_000_000 == 0
    assert chain_case.made.accepts(NOTE, chain_case.answer)


def test_the_older_attribute_that_names_the_certificate_by_sha_1_counts_too(tmp_path):
    old = case(tmp_path, ess="sha1")
    assert old.open().imprint == IMPRINT
    assert old.made.accepts(NOTE, old.answer)


def test_ac_03_another_imprint_or_nonce_is_refused(rsa_case):
    with pytest.raises(EvidenceRefused, match="imprint differs"):
        rsa_case.open(imprint=bytes(32))
    with pytest.raises(EvidenceRefused, match="nonce differs"):
        rsa_case.open(nonce=NONCE + 1)
    assert rsa_case.open(nonce=None).nonce == NONCE


def test_a_refusal_is_told_in_the_words_of_the_authority(tmp_path):
    made = tsa.Authority(tmp_path)
    made.configure("sha512")
    answer = made.reply(make_request(IMPRINT, NONCE))
    with pytest.raises(EvidenceRefused, match=r"answered rejected: Message digest algorithm is not supported"):
        parse_answer(answer)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x30\x80\x00\x00", b"\x30\x03\x02\x01\x00", b"\0" * 300_000])
def test_what_is_no_answer_is_refused(content):
    with pytest.raises(EvidenceRefused):
        parse_answer(content)


def test_ac_03_an_authority_that_is_not_ours_is_refused(rsa_case, chain_case):
    with pytest.raises(EvidenceRefused, match="does not lead to the root"):
        chain_case.ours.open(rsa_case.answer, IMPRINT)
    assert not chain_case.made.accepts(NOTE, rsa_case.answer)


def forge(made: tsa.Authority, info: bytes, *, names: bytes = b"", about: bytes | None = None) -> bytes:
    """An answer around any TSTInfo, signed by whatever certificate `made` has; `names`, `about` replace what is signed."""
    certificate = load_pem_x509_certificate((made.folder / "tsa.pem").read_bytes())
    key = load_pem_private_key((made.folder / "tsa.key").read_bytes(), None)
    der = certificate.public_bytes(Encoding.DER)
    hashed = names or sha256(der).digest()
    digest = encode(SEQUENCE, encode_oid(SHA256), b"\x05\x00")
    values = (
        ("1.2.840.113549.1.9.3", encode_oid(TST_INFO)),
        ("1.2.840.113549.1.9.4", encode(0x04, sha256(info if about is None else about).digest())),
        ("1.2.840.113549.1.9.16.2.47", encode(SEQUENCE, encode(SEQUENCE, encode(SEQUENCE, encode(0x04, hashed))))),
    )
    attributes = b"".join(encode(SEQUENCE, encode_oid(name), encode(0x31, value)) for name, value in values)
    signature = key.sign(encode(0x31, attributes), PKCS1v15(), hashes.SHA256())
    serial = certificate.serial_number
    named = encode(SEQUENCE, certificate.issuer.public_bytes(), encode_integer(serial))
    rsa = encode(SEQUENCE, encode_oid("1.2.840.113549.1.1.1"), b"\x05\x00")
    signer = encode(SEQUENCE, encode_integer(1), named, digest, encode(0xA0, attributes), rsa, encode(0x04, signature))
    inner = encode(SEQUENCE, encode_oid(TST_INFO), encode(0xA0, encode(0x04, info)))
    signed = encode(SEQUENCE, encode_integer(3), encode(0x31, digest), inner, encode(0xA0, der), encode(0x31, signer))
    token = encode(SEQUENCE, encode_oid(SIGNED_DATA), encode(0xA0, signed))
    return encode(SEQUENCE, encode(SEQUENCE, encode_integer(0)), token)


def test_an_envelope_made_by_hand_holds_for_openssl_and_for_us(rsa_case):
    info = parse_answer(rsa_case.answer).content
    made = forge(rsa_case.made, info)
    assert rsa_case.open(made).nonce == NONCE
    assert rsa_case.made.accepts(NOTE, made)


def test_ac_03_a_signature_about_something_else_is_refused(rsa_case):
    info = parse_answer(rsa_case.answer).content
    for wrong, why in (
        (forge(rsa_case.made, info, names=bytes(32)), "names another certificate"),
        (forge(rsa_case.made, info, about=b"other"), "about other content"),
    ):
        with pytest.raises(EvidenceRefused, match=why):
            rsa_case.open(wrong)
        assert not rsa_case.made.accepts(NOTE, wrong)


@pytest.mark.parametrize(
    "how",
    [
        {"uses": (ExtendedKeyUsageOID.CODE_SIGNING,)},
        {"uses": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)},
        {"critical": False},
    ],
)
def test_ac_03_a_certificate_for_other_uses_is_refused(tmp_path, rsa_case, how):
    other = tsa.Authority(tmp_path, **how)
    made = forge(other, parse_answer(rsa_case.answer).content)
    with pytest.raises(EvidenceRefused, match="not for time stamping alone"):
        Authority(other.ca.read_bytes()).open(made, IMPRINT)
    assert not other.accepts(NOTE, made)


def test_an_authority_that_has_expired_since_still_proves_the_time_it_gave(tmp_path):
    short = case(tmp_path, until=timedelta(seconds=5))
    gen_s = short.open().gen_ns // 1_000_000_000
    while tsa.now().timestamp() < gen_s + 6:
        time.sleep(0.2)
    assert not short.made.accepts(NOTE, short.answer)
    assert short.made.accepts(NOTE, short.answer, at_s=gen_s)
    assert short.open().imprint == IMPRINT


def test_ac_03_a_certificate_that_had_expired_before_is_refused(tmp_path):
    late = case(tmp_path, until=timedelta(seconds=-60))
    with pytest.raises(EvidenceRefused, match="does not lead to the root"):
        late.open()


def test_ac_03_no_flipped_bit_passes_that_openssl_refuses(rsa_case, chain_case):
    """What we accept, `openssl ts -verify` accepts; bits that change nothing it reads are the only ones to pass."""
    random = Random(3161)
    for one in (rsa_case, chain_case):
        passed = 0
        for _ in range(60):
            mutant = bytearray(one.answer)
            at = random.randrange(len(mutant) * 8)
            mutant[at // 8] ^= 1 << at % 8
            try:
                one.open(bytes(mutant))
            except EvidenceRefused:
                continue
            passed += 1
            assert one.made.accepts(NOTE, bytes(mutant)), f"bit {at}"
        assert passed < 40


def test_a_certificate_with_a_number_below_one_is_refused(rsa_case):
    der = parse_answer(rsa_case.answer).certificates[0]
    told = read_one(der, SEQUENCE).content
    at = told.index(b"\x02\x01\x02\x02") + 5
    wrong = der.replace(told[at : at + 4], bytes([told[at] | 0x80]) + told[at + 1 : at + 4], 1)
    with pytest.raises(EvidenceRefused, match="serial number below 1"):
        rsa_case.open(rsa_case.answer.replace(der, wrong))


def test_a_file_without_a_root_is_no_authority(chain_case):
    with pytest.raises(EvidenceRefused, match="not a PEM file"):
        Authority(b"nothing")
    with pytest.raises(EvidenceRefused, match="no root"):
        Authority((chain_case.made.folder / "tsa.pem").read_bytes())
    assert len(chain_case.ours.keys) == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x30", "cut"),
        (b"\x30\x05\x02", "cut"),
        (b"\x30\x81\x01\x00", "shortest"),
        (b"\x30\x85\x00\x00\x00\x00\x01\x00", "shortest"),
        (b"\x3f\x81\x00", "more than one byte"),
        (b"\x30\x00\x00", "left over"),
        (b"\x31\x00", "tag 31 where 30"),
    ],
)
def test_der_that_is_not_strict_is_refused(content, why):
    with pytest.raises(EvidenceRefused, match=why):
        read_one(content, SEQUENCE)


def test_der_numbers_names_and_times():
    assert integer(read_one(b"\x02\x01\xff", 0x02)) == -1
    for bad in (b"\x02\x00", b"\x02\x02\x00\x7f", b"\x02\x02\xff\x80"):
        with pytest.raises(EvidenceRefused, match="shortest form"):
            integer(read_one(bad, 0x02))
    for name in ("1.2.840.113549.1.7.2", "2.16.840.1.101.3.4.2.1", "2.999.1", "0.9.2342"):
        assert oid(read_one(encode_oid(name), 0x06)) == name
    for bad in (b"\x06\x00", b"\x06\x02\x2a\x80", b"\x06\x03\x2a\x80\x01"):
        with pytest.raises(EvidenceRefused, match="object identifier"):
            oid(read_one(bad, 0x06))
    assert time_ns(read_one(encode(0x18, b"20261124030405.25Z"), 0x18)) == 1_795_489_445_250_000_000
    for bad in (b"20261124030405", b"20261124030405.250Z", b"20261324030405Z", b"20261124030405+0100"):
        with pytest.raises(EvidenceRefused, match="is no time"):
            time_ns(read_one(encode(0x18, bad), 0x18))


def test_a_critical_extension_and_another_hash_are_refused(rsa_case):
    info = parse_answer(rsa_case.answer).content
    parts = read_one(info, SEQUENCE).content
    extension = encode(SEQUENCE, encode_oid("1.2.3"), b"\x01\x01\xff", encode(0x04, b""))
    with pytest.raises(EvidenceRefused, match=r"critical extension 1\.2\.3"):
        parse_stamped(encode(SEQUENCE, parts, encode(0xA1, extension)))
    harmless = encode(SEQUENCE, encode_oid("1.2.3"), encode(0x04, b""))
    assert parse_stamped(encode(SEQUENCE, parts, encode(0xA1, harmless))).imprint == IMPRINT
    with pytest.raises(EvidenceRefused, match="SHA-256 should stand"):
        parse_stamped(info.replace(encode_oid("2.16.840.1.101.3.4.2.1"), encode_oid("2.16.840.1.101.3.4.2.2")))
