"""Certificates made on the spot: one authority of the demo and a leaf for each end of each link."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE: Final = timedelta(days=365)
BACKDATED: Final = timedelta(minutes=10)
"""A leaf is valid a little before it was made: clocks of two processes may differ by a moment."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Leaf(NamedTuple):
    """A certificate and its private key, each in DER."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_der(self) -> bytes:
        """The private key in DER (PKCS #8)."""
        return self._key(serialization.Encoding.DER)

    def write_pem(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``name.pem`` and ``name.key`` (0600) below ``folder``; return both paths."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        write_private(key, self._key(serialization.Encoding.PEM))
        return certificate, key

    def _key(self, encoding: serialization.Encoding) -> bytes:
        return self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """The demo's authority: lives in memory, signs leaves for a year, and is gone with the process."""

    def __init__(self, now_ns: int) -> None:
        self._from = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC) - BACKDATED
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("gateway demo authority")
        public = self._key.public_key()
        self.certificate = (
            self._builder(self._name, public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def write_pem(self, path: Path) -> None:
        """Write the authority's certificate."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def leaf(self, common_name: str, *, uri: str | None = None, use_rsa: bool = False) -> Leaf:
        """Return a leaf for this machine's loopback, usable by either end of a link; OPC UA needs RSA and its ``uri``."""
        key: PrivateKey = (
            rsa.generate_private_key(public_exponent=65_537, key_size=2048)
            if use_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        if uri is not None:
            names.insert(0, x509.UniformResourceIdentifier(uri))
        certificate = (
            self._builder(_name(common_name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False, enciphers=use_rsa), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return Leaf(certificate, key)

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._from + LIFE)
        )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, never readable by others even for a moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "demo.invalid"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs_certificates: bool, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=enciphers,
        key_encipherment=enciphers,
        data_encipherment=enciphers,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
