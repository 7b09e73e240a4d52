"""Our own application certificate: made once, the same after restarts, two years (`ingest.md` 3.1)."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import Refused

YEARS_DAYS = 730
RSA_BITS = 2048


def make_own(folder: Path, *, uri: str, hosts: Sequence[str], wall_ns: int, renew: bool = False) -> Path:
    """Write `own.der` and `own.key` (0600) to ``folder`` and return the certificate's path.

    ``uri`` is `urn:<site>:<gateway>`, ``hosts`` are DNS names and IP addresses. Raises `Refused` where there is one
    already and ``renew`` is not said: every server that trusts the old one would have to be told.
    """
    certificate, key_file = folder / "own.der", folder / "own.key"
    if certificate.exists() and not renew:
        raise Refused(
            f"{certificate} is there already", remedy="use --renew, then give the new one to each server's trust list"
        )
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    made = _sign(key, uri, hosts, datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for path, content, mode in ((key_file, pem, 0o600), (certificate, made, 0o644)):
        beside = path.with_name(path.name + ".new")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    return certificate


def _sign(key: rsa.RSAPrivateKey, uri: str, hosts: Sequence[str], now: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri[:64])])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # OPC 10000-6 asks for it on a self-signed certificate
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=YEARS_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), *(_host(one) for one in hosts)]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
