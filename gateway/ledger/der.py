"""Strict DER (X.690), as much as RFC 3161 and its CMS envelope need: definite shortest lengths, low tags, nothing left over."""

from __future__ import annotations

from datetime import UTC, datetime
from re import fullmatch
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTETS: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31
GENERALIZED_TIME: Final = 0x18

_LONG: Final = 0x80
_LENGTH_BYTES_MAX: Final = 4
_TAG_HIGH: Final = 0x1F
_S_NS: Final = 1_000_000_000
_TIME: Final = r"(\d{14})(?:\.(\d{0,8}[1-9]))?Z"


class Element(NamedTuple):
    """One element: its tag byte, its content, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def expect(self, tag: int) -> Element:
        """Return the element itself if it has the tag."""
        if self.tag != tag:
            raise EvidenceRefused(f"DER: tag {self.tag:02x} where {tag:02x} should stand")
        return self


class Reader:
    """Takes the elements of some content in their order; `end` refuses what is left over."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def __bool__(self) -> bool:
        """Say whether something is left."""
        return self._at < len(self._content)

    def next(self, tag: int | None = None) -> Element:
        """Return the next element; refuse another tag than the one asked."""
        element = _element(self._content, self._at)
        self._at += len(element.whole)
        return element if tag is None else element.expect(tag)

    def optional(self, tag: int) -> Element | None:
        """Return the next element if it has the tag, None if another follows, or nothing."""
        if self and self._content[self._at] == tag:
            return self.next()
        return None

    def rest(self) -> list[Element]:
        """Return all that is left."""
        found: list[Element] = []
        while self:
            found.append(self.next())
        return found

    def end(self) -> None:
        """Refuse what is left over."""
        if self:
            raise EvidenceRefused("DER: bytes left over")


def read_one(content: bytes, tag: int) -> Element:
    """Return the one element that the content is."""
    reader = Reader(content)
    element = reader.next(tag)
    reader.end()
    return element


def inside(element: Element, tag: int | None = None) -> Reader:
    """Return a reader of what a constructed element holds; ``tag`` is the one it must have."""
    return Reader((element if tag is None else element.expect(tag)).content)


def integer(element: Element) -> int:
    """Return a whole number, written in its shortest form."""
    content = element.expect(INTEGER).content
    if not content or (len(content) > 1 and content[0] in {0x00, 0xFF} and (content[0] ^ content[1]) < _LONG):
        raise EvidenceRefused("DER: an integer is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def oid(element: Element) -> str:
    """Return an object identifier as ``1.2.840…``."""
    content = element.expect(OID).content
    if not content or content[-1] & _LONG:
        raise EvidenceRefused("DER: an object identifier is cut")
    arcs: list[int] = []
    value = 0
    for byte in content:
        if not value and byte == _LONG:
            raise EvidenceRefused("DER: an object identifier is not in its shortest form")
        value = value << 7 | byte & 0x7F
        if not byte & _LONG:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def time_ns(element: Element) -> int:
    """Return a GeneralizedTime in UTC as ns since 1970; the fraction has at most 9 digits and no zero at its end."""
    text = element.expect(GENERALIZED_TIME).content.decode("ascii", "replace")
    found = fullmatch(_TIME, text)
    if found is None:
        raise EvidenceRefused(f"DER: {text[:24]!r} is no time in UTC")
    digits = found[1]
    parts = [int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2))]
    try:
        moment = datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # six numbers: year to second
    except ValueError as error:
        raise EvidenceRefused(f"DER: {text[:24]!r} is no time") from error
    return int(moment.timestamp()) * _S_NS + int((found[2] or "").ljust(9, "0"))


def encode(tag: int, *contents: bytes) -> bytes:
    """Return an element of these contents."""
    content = b"".join(contents)
    size = len(content)
    if size < _LONG:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG | len(length)]) + length + content


def encode_integer(value: int) -> bytes:
    """Return a whole number ≥ 0."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_oid(text: str) -> bytes:
    """Return an object identifier."""
    first, second, *arcs = (int(arc) for arc in text.split("."))
    return encode(OID, b"".join(_arc(arc) for arc in (40 * first + second, *arcs)))


def _arc(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | _LONG)
    return bytes(reversed(parts))


def _element(content: bytes, at: int) -> Element:
    if at + 2 > len(content):
        raise EvidenceRefused("DER: cut")
    tag, size, start = content[at], content[at + 1], at + 2
    if tag & _TAG_HIGH == _TAG_HIGH:
        raise EvidenceRefused("DER: a tag of more than one byte")
    if size >= _LONG:
        count = size - _LONG
        start += count
        size = int.from_bytes(content[at + 2 : start], "big")
        if not 0 < count <= _LENGTH_BYTES_MAX or size < _LONG or size.bit_length() <= 8 * (count - 1):
            raise EvidenceRefused("DER: a length is not in its shortest form")
    if start + size > len(content):
        raise EvidenceRefused("DER: cut")
    return Element(tag, content[start : start + size], content[at : start + size])
