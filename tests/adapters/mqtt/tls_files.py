"""A small authority with a broker's and a client's certificate, made anew for each test."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FROM, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TlsFiles:
    ca: Path
    broker: Path
    broker_key: Path
    client: Path
    client_key: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        folder.mkdir()
        made = cls(*(folder / name for name in ("ca.pem", "broker.pem", "broker.key", "gw.pem", "gw.key")))
        root = ec.generate_private_key(ec.SECP256R1())
        made.ca.write_bytes(pem(certificate("authority", root.public_key(), "authority", root, authority=True)))
        for path, key_path, name in ((made.broker, made.broker_key, "broker"), (made.client, made.client_key, "gw-01")):
            key = ec.generate_private_key(ec.SECP256R1())
            path.write_bytes(pem(certificate(name, key.public_key(), "authority", root)))
            key_path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
        return made

    def mosquitto_conf(self) -> str:
        """TLS part of the shipped broker file, with these certificates."""
        return (
            f"cafile {self.ca}\ncertfile {self.broker}\nkeyfile {self.broker_key}\ntls_version tlsv1.2\n"
            "require_certificate true\nuse_identity_as_username true\nmax_inflight_messages 0\nmax_queued_messages 0\n"
        )


def certificate(
    subject: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> x509.Certificate:
    def name(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
    )
    return builder.sign(signer, hashes.SHA256())


def pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)
