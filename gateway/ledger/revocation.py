"""Revocation lists of a time-stamping authority: where they are published, whether one speaks of a chain, kept as PEM (RFC 5280 5).

They are kept with the stamps as evidence. At the time of a stamp they decide whether it is taken; later `openssl ts -verify
-crl_check` and people read them, for a list made after a stamp says what was known then, not what `verify` may repeat for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Chain

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_FOREIGN: Final = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound)
_NS: Final = 1_000_000_000


def addresses_in(chain: Chain) -> tuple[str, ...]:
    """Return the http addresses at which the issuers of a chain publish their lists, in the order of the certificates."""
    found: dict[str, None] = {}
    for one in chain.certificates:
        try:
            points = one.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        except _FOREIGN:
            continue
        for point in points:
            names = point.full_name or ()
            found.update((name.value, None) for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return tuple(one for one in found if one.startswith(("http://", "https://")))


def read_lists(contents: Iterable[bytes], chain: Chain) -> bytes:
    """Return, as PEM, the lists that certificates of the chain have signed; each content is DER, or PEM of one or more.

    Raises `EvidenceRefused` for what is no list, or is signed by none of them.
    """
    kept: dict[bytes, None] = {}
    for content in contents:
        try:
            lists = _parse(content)
        except _FOREIGN as error:
            raise EvidenceRefused(f"not a revocation list: {error}") from error
        mine = [one for one in lists if _signer(one, chain) is not None]
        if not mine:
            raise EvidenceRefused("the revocation list is signed by no certificate of the authority")
        kept.update((one.public_bytes(Encoding.PEM), None) for one in mine)
    return b"".join(kept)


def next_update_ns(lists: bytes) -> int | None:
    """Return when the first of these lists is replaced, ns since 1970; None: none of them says so."""
    times = [one.next_update_utc for one in _parse(lists)] if lists else []
    known = [int(one.timestamp()) * _NS for one in times if one is not None]
    return min(known, default=None)


def demand_unrevoked(chain: Chain, lists: bytes, at_ns: int) -> None:
    """Raise `EvidenceRefused` when a list of its issuer says that a certificate of the chain was revoked by a time."""
    at = datetime.fromtimestamp(at_ns // _NS, UTC)
    for one in _parse(lists) if lists else ():
        issuer = _signer(one, chain)
        for certificate in chain.certificates:
            if issuer is None or certificate.issuer != issuer.subject:
                continue
            entry = one.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and entry.revocation_date_utc <= at:
                day = entry.revocation_date_utc.strftime("%Y-%m-%d")
                raise EvidenceRefused(f"the authority's certificate was revoked on {day}", remedy="ask its owner")


def _parse(content: bytes) -> Sequence[x509.CertificateRevocationList]:
    parts = _PEM.findall(content)
    if not parts:
        return [x509.load_der_x509_crl(content)]
    return [x509.load_pem_x509_crl(one) for one in parts]


def _signer(one: x509.CertificateRevocationList, chain: Chain) -> x509.Certificate | None:
    """Return the certificate of the chain that signed a list, None if none did."""
    for certificate in chain.certificates:
        if one.issuer == certificate.subject and one.is_signature_valid(certificate.public_key()):  # type: ignore[arg-type]  # what signed a link of the chain is of a kind that signs lists
            return certificate
    return None
