"""Who signed a time stamp: CMS signature, chain to a root at the time in it, extended key usage. The one door to X.509.

RFC 3161 2.4, RFC 5652 5.4, RFC 5816. RSA (PKCS #1 v1.5) and ECDSA with SHA-2; revocation is what `openssl ts` and people check.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from gateway.errors import EvidenceRefused
from gateway.ledger.der import (
    INTEGER,
    NULL,
    OCTETS,
    SEQUENCE,
    SET,
    Element,
    Reader,
    encode,
    inside,
    integer,
    oid,
    read_one,
)
from gateway.ledger.timestamp import TST_INFO, SignedData, Stamped, demand_answer_to, parse_answer, parse_stamped

CHAIN_MAX: Final = 8
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_HASHES: Final = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_RSA: Final = {"1.2.840.113549.1.1.1": None} | dict(
    zip((f"1.2.840.113549.1.1.{arc}" for arc in (11, 12, 13)), _HASHES, strict=True)
)
_ECDSA: Final = dict(zip((f"1.2.840.10045.4.3.{arc}" for arc in (2, 3, 4)), _HASHES, strict=True))
_KNOWN: Final = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}
_FOREIGN: Final = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What X.509 raises for bytes of others; a test walks its classes against it."""


class _Signer(NamedTuple):
    """A SignerInfo: who, the digest's name, the signed attributes with their bytes, algorithm, signature."""

    sid: Element
    digest: str
    attributes: dict[str, Element]
    signed: bytes
    algorithm: str
    signature: bytes


class Chain(NamedTuple):
    """The certificates that a time stamp rests on, from its signer to the root."""

    certificates: tuple[x509.Certificate, ...]

    @property
    def ends_ns(self) -> int:
        """When the first of them ends, ns since 1970: after that no new stamp can rest on them."""
        first = min(one.not_valid_after_utc for one in self.certificates)
        return int(first.timestamp()) * 1_000_000_000


class Authority:
    """The authority whose time we take: the self-signed certificates of a PEM file; others in it help to build the chain."""

    def __init__(self, pem: bytes) -> None:
        """Raise `EvidenceRefused` when the file holds no root, or one whose own signature does not hold."""
        try:
            certificates = [_whole(one) for one in x509.load_pem_x509_certificates(pem)]
            for root in (one for one in certificates if one.subject == one.issuer):
                root.verify_directly_issued_by(root)
        except _FOREIGN as error:
            why = str(error) or "a root's own signature does not hold"
            raise EvidenceRefused(f"not a PEM file of certificates: {why}") from error
        self.pem = pem
        self._roots = [one for one in certificates if one.subject == one.issuer]
        self._others = [one for one in certificates if one.subject != one.issuer]
        if not self._roots:
            raise EvidenceRefused("no root among the certificates", remedy="name the authority's root certificate")

    @property
    def keys(self) -> tuple[str, ...]:
        """SPKI of each root, base64: how key records name it."""
        return tuple(base64.b64encode(_spki(root)).decode() for root in self._roots)

    def open(self, answer: bytes, imprint: bytes, nonce: int | None = None) -> Stamped:
        """Return what a stored answer (TimeStampResp) says; raise `EvidenceRefused` unless it is a time stamp of ours.

        It must be granted, about ``imprint``, answer ``nonce`` (None: not asked), be signed by a certificate for time
        stamping alone, and that one must lead to a root; all certificates are judged at the time in the token.
        """
        return self.open_with_chain(answer, imprint, nonce)[0]

    def open_with_chain(self, answer: bytes, imprint: bytes, nonce: int | None = None) -> tuple[Stamped, Chain]:
        """Return what `open` returns, and the certificates that it rests on."""
        data = parse_answer(answer)
        stamped = parse_stamped(data.content)
        demand_answer_to(stamped, imprint, nonce)
        try:
            certificates = [_load(one) for one in data.certificates]
            signer = self._check_signature(data, certificates)
            path = self._check_chain(signer, [*certificates, *self._others], stamped.gen_ns)
        except _FOREIGN as error:
            raise EvidenceRefused(f"the time stamp does not verify: {str(error) or type(error).__name__}") from error
        return stamped, Chain(path)

    def _check_signature(self, data: SignedData, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
        if len(data.signers) != 1:
            raise EvidenceRefused(f"the time stamp has {len(data.signers)} signers, not one")
        signer = _parse_signer(data.signers[0])
        certificate = _named_by(signer.sid, [*certificates, *self._others, *self._roots])
        algorithm = _HASHES.get(signer.digest)
        if algorithm is None or signer.digest not in data.digests:
            raise EvidenceRefused(f"the time stamp uses {signer.digest}, not a SHA-2 that it names")
        if oid(_only(signer.attributes, _CONTENT_TYPE)) != TST_INFO:
            raise EvidenceRefused("the signature is about another type of content")
        digest = hashlib.new(algorithm.name, data.content).digest()
        if _only(signer.attributes, _MESSAGE_DIGEST).expect(OCTETS).content != digest:
            raise EvidenceRefused("the signature is about other content")
        if not _names(signer.attributes, certificate):
            raise EvidenceRefused("the signature names another certificate")
        _verify(certificate, signer, algorithm)
        return certificate

    def _check_chain(
        self, signer: x509.Certificate, others: Sequence[x509.Certificate], gen_ns: int
    ) -> tuple[x509.Certificate, ...]:
        _demand_purpose(signer)
        at = datetime.fromtimestamp(gen_ns // 1_000_000_000, UTC)
        path = self._path(signer, others, at, 0)
        if not path:
            raise EvidenceRefused("the authority's certificate does not lead to the root that is trusted")
        return path

    def _path(
        self, one: x509.Certificate, others: Sequence[x509.Certificate], at: datetime, depth: int
    ) -> tuple[x509.Certificate, ...]:
        """Return the way from a certificate to a root, all of which held at a time; empty: there is none.

        ``depth``: certificates below it.
        """
        if not one.not_valid_before_utc <= at <= one.not_valid_after_utc or _strange(one):
            return ()
        if one in self._roots:
            return (one,)
        if depth >= CHAIN_MAX:
            return ()
        for issuer in (*self._roots, *others):
            if issuer.subject == one.issuer and issuer != one and _issued(one, issuer, depth):
                above = self._path(issuer, others, at, depth + 1)
                if above:
                    return (one, *above)
        return ()


def _load(der: bytes) -> x509.Certificate:
    """Return a certificate that came with a token; refuse a serial number below 1, which RFC 5280 forbids."""
    told = inside(inside(read_one(der, SEQUENCE)).next(SEQUENCE))
    told.optional(0xA0)
    if integer(told.next()) < 1:
        raise EvidenceRefused("a certificate has a serial number below 1")
    return _whole(x509.load_der_x509_certificate(der))


def _whole(found: x509.Certificate) -> x509.Certificate:
    """Return a certificate whose parts can all be read: they are read when asked for, and what cannot be is refused here."""
    for part in ("subject", "issuer", "extensions"):
        getattr(found, part)
    found.public_key()
    return found


def _parse_signer(element: Element) -> _Signer:
    parts = inside(element, SEQUENCE)
    version, sid = integer(parts.next()), parts.next()
    if version != (1 if sid.tag == SEQUENCE else 3):
        raise EvidenceRefused(f"the signer has version {version}, which its name does not have")
    digest = _algorithm(parts)
    attributes = parts.next(0xA0)
    algorithm = _algorithm(parts)
    signature = parts.next(OCTETS).content
    parts.optional(0xA1)
    parts.end()
    found: dict[str, Element] = {}
    for attribute in inside(attributes).rest():
        pair = inside(attribute, SEQUENCE)
        name, values = oid(pair.next()), pair.next(SET)
        pair.end()
        if name in found:
            raise EvidenceRefused(f"attribute {name} stands twice")
        found[name] = values
    return _Signer(sid, digest, found, encode(SET, attributes.content), algorithm, signature)


def _algorithm(parts: Reader) -> str:
    """Return an algorithm's name; it may have no parameters but NULL."""
    algorithm = inside(parts.next(SEQUENCE))
    name = oid(algorithm.next())
    algorithm.optional(NULL)
    algorithm.end()
    return name


def _only(attributes: dict[str, Element], name: str) -> Element:
    """Return the one value of an attribute that must be there."""
    if name not in attributes:
        raise EvidenceRefused(f"attribute {name} is missing")
    return read_one(attributes[name].content, attributes[name].content[0] if attributes[name].content else 0)


def _named_by(sid: Element, certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    """Return the certificate that issuer and serial number, or a key identifier, name."""
    for one in certificates:
        if sid.tag == SEQUENCE:
            serial = one.serial_number
            number = encode(INTEGER, serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True))
            named = encode(SEQUENCE, one.issuer.public_bytes(), number)
            if named == sid.whole:
                return one
        elif sid.tag == 0x80 and _key_id(one) == sid.content:  # noqa: PLR2004 - [0] subjectKeyIdentifier
            return one
    raise EvidenceRefused("the certificate of the signer is not with the time stamp")


def _key_id(one: x509.Certificate) -> bytes | None:
    try:
        return one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _names(attributes: dict[str, Element], certificate: x509.Certificate) -> bool:
    """Say whether the signed attributes name this certificate by its hash (RFC 2634 ESSCertID, RFC 5816 ESSCertIDv2)."""
    der = certificate.public_bytes(Encoding.DER)
    judged: list[bool] = []
    for name, newer in ((_SIGNING_CERTIFICATE, False), (_SIGNING_CERTIFICATE_V2, True)):
        if name not in attributes:
            continue
        first = inside(inside(inside(_only(attributes, name), SEQUENCE).next(SEQUENCE)).next(SEQUENCE))
        kind = "sha256" if newer else "sha1"
        algorithm = first.optional(SEQUENCE) if newer else None
        if algorithm is not None:
            known = _HASHES.get(oid(inside(algorithm).next()))
            if known is None:
                return False
            kind = known.name
        judged.append(first.next(OCTETS).content == hashlib.new(kind, der, usedforsecurity=newer).digest())
    return bool(judged) and all(judged)


def _verify(certificate: x509.Certificate, signer: _Signer, algorithm: hashes.HashAlgorithm) -> None:
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey) and _RSA.get(signer.algorithm, "") in {None, signer.digest}:
        key.verify(signer.signature, signer.signed, PKCS1v15(), algorithm)
    elif isinstance(key, EllipticCurvePublicKey) and _ECDSA.get(signer.algorithm) == signer.digest:
        key.verify(signer.signature, signer.signed, ECDSA(algorithm))
    else:
        raise EvidenceRefused(f"the time stamp is signed by {signer.algorithm}, not by RSA or ECDSA with SHA-2")


def _demand_purpose(one: x509.Certificate) -> None:
    """Refuse a certificate that may do anything but stamp time (RFC 3161 2.3)."""
    purpose = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    if not purpose.critical or list(purpose.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise EvidenceRefused("the signer's certificate is not for time stamping alone")
    try:
        usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    others = usage.key_encipherment or usage.data_encipherment or usage.key_agreement or usage.key_cert_sign
    if others or usage.crl_sign or not (usage.digital_signature or usage.content_commitment):
        raise EvidenceRefused("the signer's certificate is not for signatures alone")


def _issued(one: x509.Certificate, issuer: x509.Certificate, depth: int) -> bool:
    """Say whether a certificate authority issued a certificate; ``depth``: certificates below the one it issued."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        limit = constraints.path_length
        if not constraints.ca or (limit is not None and limit < depth):
            return False
        if not _may_issue(issuer):
            return False
        one.verify_directly_issued_by(issuer)
    except _FOREIGN:
        return False
    return True


def _may_issue(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _strange(one: x509.Certificate) -> bool:
    """Say whether a certificate has a critical extension that is not judged here."""
    return any(extension.critical and extension.oid not in _KNOWN for extension in one.extensions)


def _spki(one: x509.Certificate) -> bytes:
    return one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
