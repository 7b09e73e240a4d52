"""Security of one link: which policies are let in, what a pinned server certificate must be, and the library's policy.

Rules of `ingest.md` 3.1. There is no weaker endpoint to fall back to: what is not allowed is refused by SEC-03.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.adapters.opcua.errors import Trouble, Verdict
from gateway.adapters.opcua.foreign import policies, ua
from gateway.adapters.opcua.link import OpcuaLink
from gateway.errors import SourceRefused

RSA_BITS_MIN = 2048

POLICIES = {
    "Basic256Sha256": policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES = {"Sign": ua.MessageSecurityMode.Sign, "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt}


def check_link(link: OpcuaLink) -> None:
    """Raise `SourceRefused` unless this link may be opened as configured (SEC-03, SEC-04)."""
    url = urlparse(link.url)
    if url.scheme != "opc.tcp" or not url.hostname:
        raise SourceRefused(f"'{link.url}' is no opc.tcp:// address", code="SCH-03", remedy="write opc.tcp://HOST:4840")
    if url.username or url.password:
        raise SourceRefused("the URL holds a password", code="SEC-04", remedy="use the keys user and password")
    anonymous = not link.user and not link.user_certificate
    if (link.policy == "None" or anonymous) and not (link.development and is_loopback(url.hostname)):
        what = "policy None" if link.policy == "None" else "an anonymous session"
        raise SourceRefused(
            f"{what} is refused: nobody could say who sent the readings",
            code="SEC-03",
            remedy="use Basic256Sha256 with SignAndEncrypt and a named user; approval off allows it on loopback only",
        )
    if link.policy == "None":
        return
    if link.policy not in POLICIES or link.mode not in MODES:
        raise SourceRefused(
            f"policy {link.policy}, mode {link.mode} is refused",
            code="SEC-03",
            remedy=f"use one of {', '.join(POLICIES)} with SignAndEncrypt or Sign",
        )
    if not link.own_certificate or not link.own_key:
        raise SourceRefused("no certificate of our own", code="SCH-02", remedy="run `gateway opcua cert`")
    if not link.server_certificate:
        raise SourceRefused(
            "no pinned server certificate: an empty trust list trusts nobody",
            code="SCH-02",
            remedy="set server_certificate to the certificate that the server's owner gave you",
        )


def make_policy(link: OpcuaLink) -> Any:
    """Return the library's policy over pinned server certificate and own key; None for policy None."""
    if link.policy == "None":
        return None
    assert link.own_certificate is not None
    assert link.own_key is not None
    assert link.server_certificate is not None
    return POLICIES[link.policy](
        as_der(link.server_certificate),
        load_certificate(link.own_certificate),
        load_key(link.own_key),
        MODES[link.mode],
    )


def check_server_certificate(certificate: bytes, *, host: str, application_uri: str | None, wall_ns: int) -> None:
    """Raise `Trouble` unless dates, key size, URI and host name of the pinned certificate hold at ``wall_ns``."""
    cert = load_certificate(certificate)
    now = datetime.fromtimestamp(wall_ns / 1e9, UTC)
    if not cert.not_valid_before_utc <= now <= cert.not_valid_after_utc:
        raise _untrusted(f"it is valid from {cert.not_valid_before_utc} to {cert.not_valid_after_utc}")
    key = cert.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < RSA_BITS_MIN:
        raise _untrusted(f"its key is not RSA of at least {RSA_BITS_MIN} bits")
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise _untrusted("it names neither application URI nor host") from error
    if application_uri is not None and application_uri not in names.get_values_for_type(x509.UniformResourceIdentifier):
        raise _untrusted(f"it does not name the server's application URI {application_uri}")
    if not _names_host(names, host):
        raise _untrusted(f"it does not name the host {host}")


def is_loopback(host: str) -> bool:
    """Tell whether a host name of a URL is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_certificate(content: bytes) -> x509.Certificate:
    """Return a certificate from DER or PEM bytes; raise `SourceRefused`."""
    try:
        if content.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise SourceRefused(
            f"a certificate cannot be read: {error}", code="SCH-03", remedy="give DER or PEM"
        ) from error


def as_der(content: bytes) -> bytes:
    """Return a certificate's DER bytes: what a server sends is compared with them."""
    return load_certificate(content).public_bytes(serialization.Encoding.DER)


def load_key(content: bytes) -> rsa.RSAPrivateKey:
    """Return an RSA key from DER or PEM bytes without a password; raise `SourceRefused`."""
    load = (
        serialization.load_pem_private_key
        if content.lstrip().startswith(b"-----")
        else serialization.load_der_private_key
    )
    try:
        key = load(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SourceRefused(
            f"a private key cannot be read: {error}", code="SCH-03", remedy="give DER or PEM"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SourceRefused("OPC UA needs an RSA key here", code="SCH-03", remedy="run `gateway opcua cert`")
    return key


def _names_host(names: x509.SubjectAlternativeName, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host.lower() in {name.lower() for name in names.get_values_for_type(x509.DNSName)}


def _untrusted(why: str) -> Trouble:
    return Trouble(Verdict.SECURITY, f"the server's certificate is not accepted: {why}")
