"""Time stamps made by hand around elliptic keys, so that each part of one can be wrong alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.ledger.der import INTEGER, NULL, OCTETS, SEQUENCE, SET, encode, encode_integer, encode_oid
from gateway.ledger.timestamp import SHA256, SIGNED_DATA, TST_INFO

if TYPE_CHECKING:
    from collections.abc import Sequence

IMPRINT = sha256(b"note").digest()
SHA384 = "2.16.840.1.101.3.4.2.2"
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
CONTENT_TYPE, DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
NAMES_SHA1, NAMES = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
ECDSA_SHA256, ECDSA_SHA384 = "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3"
STAMPING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
Extension = tuple[x509.ExtensionType, bool]


def usage(*true: str) -> Extension:
    """A key usage in which only the named uses are allowed."""
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    words = {word: word in true for word in [*every.split(), "encipher_only", "decipher_only"]}
    return x509.KeyUsage(**words), True


@dataclass
class Holder:
    """A certificate with its key."""

    name: str
    extensions: Sequence[Extension]
    issuer: Holder | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.issuer.certificate.subject if self.issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(BEGAN)
            .not_valid_after(BEGAN + timedelta(days=365))
        )
        for value, critical in self.extensions:
            builder = builder.add_extension(value, critical=critical)
        self.certificate = builder.sign(self.issuer.key if self.issuer else self.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def info(gen: bytes = b"20261124030405Z") -> bytes:
    """A TSTInfo about `IMPRINT`."""
    algorithm = encode(SEQUENCE, encode_oid(SHA256), encode(NULL))
    imprint = encode(SEQUENCE, algorithm, encode(OCTETS, IMPRINT))
    return encode(SEQUENCE, encode_integer(1), encode_oid("1.2.3"), imprint, encode_integer(7), encode(0x18, gen))


def named_by_serial(holder: Holder) -> bytes:
    serial = holder.certificate.serial_number
    return encode(SEQUENCE, holder.certificate.issuer.public_bytes(), encode_integer(serial))


def named_by_hash(holder: Holder, algorithm: str | None = None) -> tuple[str, bytes]:
    """The signed attribute that names the certificate: SHA-256 unless another algorithm is written down."""
    kinds = {None: hashes.SHA256(), SHA256: hashes.SHA256(), SHA384: hashes.SHA384()}
    digest = hashes.Hash(kinds.get(algorithm, hashes.SHA256()))
    digest.update(holder.der)
    said = b"" if algorithm is None else encode(SEQUENCE, encode_oid(algorithm))
    return NAMES, _once(encode(SEQUENCE, said, encode(OCTETS, digest.finalize())))


def named_by_sha1(holder: Holder) -> tuple[str, bytes]:
    """The older attribute, RFC 2634."""
    return NAMES_SHA1, _once(encode(SEQUENCE, encode(OCTETS, sha1(holder.der, usedforsecurity=False).digest())))


def _once(identifier: bytes) -> bytes:
    return encode(SEQUENCE, encode(SEQUENCE, identifier))


@dataclass
class Token:
    """One answer, right unless a field says otherwise. `attributes` None: the three that belong there."""

    signer: Holder
    certificates: Sequence[Holder] = ()
    sid: bytes | None = None
    version: int = 1
    digest: str = SHA256
    digests: Sequence[str] | None = None
    content: bytes = field(default_factory=info)
    content_type: str = TST_INFO
    attributes: Sequence[tuple[str, bytes]] | None = None
    algorithm: str = ECDSA_SHA256
    signers: int = 1

    @property
    def answer(self) -> bytes:
        """The TimeStampResp that grants it."""
        digests = encode(SET, *(encode(SEQUENCE, encode_oid(name)) for name in self.digests or [self.digest]))
        inner = encode(SEQUENCE, encode_oid(TST_INFO), encode(0xA0, encode(OCTETS, self.content)))
        bundled = encode(0xA0, *(one.der for one in self.certificates or [self.signer]))
        signers = encode(SET, *([self._signer_info()] * self.signers))
        signed = encode(SEQUENCE, encode_integer(3), digests, inner, bundled, signers)
        token = encode(SEQUENCE, encode_oid(SIGNED_DATA), encode(0xA0, signed))
        return encode(SEQUENCE, encode(SEQUENCE, encode(INTEGER, b"\0")), token)

    def usual(self) -> list[tuple[str, bytes]]:
        """Type of content, digest of the content, name of the certificate."""
        about = encode(OCTETS, sha256(self.content).digest())
        return [(CONTENT_TYPE, encode_oid(self.content_type)), (DIGEST, about), named_by_hash(self.signer)]

    def _signer_info(self) -> bytes:
        chosen = self.usual() if self.attributes is None else self.attributes
        attributes = b"".join(encode(SEQUENCE, encode_oid(name), encode(SET, value)) for name, value in chosen)
        signature = self.signer.key.sign(encode(SET, attributes), ec.ECDSA(hashes.SHA256()))
        return encode(
            SEQUENCE,
            encode_integer(self.version),
            self.sid or named_by_serial(self.signer),
            encode(SEQUENCE, encode_oid(self.digest)),
            encode(0xA0, attributes),
            encode(SEQUENCE, encode_oid(self.algorithm)),
            encode(OCTETS, signature),
        )
