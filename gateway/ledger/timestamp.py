"""RFC 3161: the request for a time stamp over a note's SHA-256, and what an answer says of itself. Checks no signature.

`gateway.ledger.authority` checks who signed; bytes are stored as they came before anything here reads them.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused
from gateway.ledger.der import (
    BOOLEAN,
    NULL,
    OCTETS,
    SEQUENCE,
    Element,
    Reader,
    encode,
    encode_integer,
    encode_oid,
    inside,
    integer,
    oid,
    read_one,
    time_ns,
)

SHA256: Final = "2.16.840.1.101.3.4.2.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
TOKEN_BYTES_MAX: Final = 262_144
"""Longest answer read at all; one with a chain of three certificates has about 6 kB."""
NONCE_MAX: Final = (1 << 64) - 1

_GRANTED: Final = {0, 1}
_STATUS: Final = (
    "granted",
    "granted with modifications",
    "rejected",
    "waiting",
    "revocation warning",
    "revocation notification",
)
_MS_NS, _US_NS, _S_NS = 1_000_000, 1_000, 1_000_000_000
_CONTEXT_0, _CONTEXT_1, _GENERAL_NAME = 0x80, 0x81, 0xA0
_EXTENSIONS = 0xA1
_EXPLICIT_0 = 0xA0


class Stamped(NamedTuple):
    """What a token says (TSTInfo): the hash it is about, when, by which policy; ``accuracy_ns`` None: not said."""

    imprint: bytes
    gen_ns: int
    accuracy_ns: int | None
    serial: int
    policy: str
    nonce: int | None


class SignedData(NamedTuple):
    """The envelope of a token (CMS SignedData): the DER of TSTInfo, digests, certificates, signer infos, as they stand."""

    content: bytes
    digests: tuple[str, ...]
    certificates: tuple[bytes, ...]
    signers: tuple[Element, ...]


def make_request(imprint: bytes, nonce: int) -> bytes:
    """Return the DER of a TimeStampReq for a SHA-256 with a nonce; the certificates of the authority are asked too."""
    assert len(imprint) == sha256().digest_size, "the imprint is a SHA-256"
    assert 0 < nonce <= NONCE_MAX, "the nonce has at most 64 bits"
    algorithm = encode(SEQUENCE, encode_oid(SHA256), encode(NULL))
    return encode(
        SEQUENCE,
        encode_integer(1),
        encode(SEQUENCE, algorithm, encode(OCTETS, imprint)),
        encode_integer(nonce),
        encode(BOOLEAN, b"\xff"),
    )


def parse_answer(content: bytes) -> SignedData:
    """Return the envelope in a TimeStampResp; refuse one that grants nothing, in the authority's own words."""
    if len(content) > TOKEN_BYTES_MAX:
        raise EvidenceRefused(f"the answer has {len(content):,} bytes, more than {TOKEN_BYTES_MAX:,}")
    answer = inside(read_one(content, SEQUENCE))
    info = inside(answer.next(SEQUENCE))
    status = integer(info.next())
    if status not in _GRANTED:
        said = _STATUS[status] if 0 <= status < len(_STATUS) else f"status {status}"
        words = _free_text(info)
        raise EvidenceRefused(f"the authority answered {said}{f': {words}' if words else ''}")
    info.rest()
    token = answer.next(SEQUENCE)
    answer.end()
    return parse_token(token.whole)


def parse_token(content: bytes) -> SignedData:
    """Return the envelope of a TimeStampToken."""
    outer = inside(read_one(content, SEQUENCE))
    _demand(oid(outer.next()), SIGNED_DATA, "a signed message")
    signed = inside(inside(outer.next(_EXPLICIT_0)).next(SEQUENCE))
    outer.end()
    integer(signed.next())
    digests = tuple(_digest(one) for one in inside(signed.next(0x31)).rest())
    enveloped = inside(signed.next(SEQUENCE))
    _demand(oid(enveloped.next()), TST_INFO, "a time stamp")
    inner = inside(enveloped.next(_EXPLICIT_0))
    info = inner.next(OCTETS).content
    inner.end()
    enveloped.end()
    certificates = signed.optional(0xA0)
    signed.optional(0xA1)
    signers = inside(signed.next(0x31)).rest()
    signed.end()
    bundled = () if certificates is None else tuple(one.whole for one in inside(certificates).rest())
    return SignedData(info, digests, bundled, tuple(signers))


def parse_stamped(content: bytes) -> Stamped:
    """Return what a TSTInfo says; the imprint must be a SHA-256, no extension may be critical."""
    info = inside(read_one(content, SEQUENCE))
    _demand(str(integer(info.next())), "1", "version 1")
    policy = oid(info.next())
    imprint = inside(info.next(SEQUENCE))
    algorithm = inside(imprint.next(SEQUENCE))
    _demand(oid(algorithm.next()), SHA256, "SHA-256")
    algorithm.optional(NULL)
    algorithm.end()
    hashed = imprint.next(OCTETS).content
    imprint.end()
    serial, gen_ns = integer(info.next()), time_ns(info.next())
    accuracy = info.optional(SEQUENCE)
    info.optional(BOOLEAN)
    nonce = info.optional(0x02)
    info.optional(_GENERAL_NAME)
    extensions = info.optional(_EXTENSIONS)
    info.end()
    if extensions is not None:
        _refuse_critical(extensions)
    return Stamped(
        imprint=hashed,
        gen_ns=gen_ns,
        accuracy_ns=None if accuracy is None else _accuracy(accuracy),
        serial=serial,
        policy=policy,
        nonce=None if nonce is None else integer(nonce),
    )


def demand_answer_to(stamped: Stamped, imprint: bytes, nonce: int | None) -> None:
    """Refuse a token about something else; ``nonce`` None: the request is no longer known, the imprint alone speaks."""
    if stamped.imprint != imprint:
        raise EvidenceRefused("the time stamp is about other bytes: its imprint differs")
    if nonce is not None and stamped.nonce != nonce:
        raise EvidenceRefused("the time stamp answers another request: its nonce differs")


def _digest(algorithm: Element) -> str:
    """Return the name of a digest; it may have no parameters but NULL (RFC 5754 2)."""
    parts = inside(algorithm, SEQUENCE)
    name = oid(parts.next())
    parts.optional(NULL)
    parts.end()
    return name


def _free_text(info: Reader) -> str:
    """Return the words of a PKIStatusInfo, cut at 200 characters and without control characters."""
    texts = info.optional(SEQUENCE)
    words = "" if texts is None else " ".join(one.content.decode("utf-8", "replace") for one in inside(texts).rest())
    return "".join(letter if letter.isprintable() else " " for letter in words)[:200]


def _accuracy(element: Element) -> int:
    """Return seconds, milliseconds and microseconds together as ns."""
    reader, total = inside(element), 0
    seconds = reader.optional(0x02)
    total += 0 if seconds is None else integer(seconds) * _S_NS
    for tag, unit in ((_CONTEXT_0, _MS_NS), (_CONTEXT_1, _US_NS)):
        part = reader.optional(tag)
        total += 0 if part is None else integer(Element(0x02, part.content, part.whole)) * unit
    reader.end()
    return total


def _refuse_critical(extensions: Element) -> None:
    for extension in inside(extensions).rest():
        parts = inside(extension, SEQUENCE)
        name, critical = oid(parts.next()), parts.optional(BOOLEAN)
        if critical is not None and critical.content != b"\0":
            raise EvidenceRefused(f"the time stamp has a critical extension {name} that nobody here knows")


def _demand(found: str, wanted: str, what: str) -> None:
    if found != wanted:
        raise EvidenceRefused(f"the answer holds {found} where {what} should stand")
