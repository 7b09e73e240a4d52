"""C2SP signed note: a text, an empty line, and one line per key (https://c2sp.org/signed-note).

::

    <text, one or more lines, each ending in a newline>
    <empty line>
    — <key name> <base64(4-byte key id ‖ signature)>

Nothing here computes a signature: keys come as data (`VerifyKey`), the arithmetic as a function (`Verify`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from gateway.errors import EvidenceRefused

LINES_MAX: Final = 64
"""Most signature lines of one note; more are refused unread."""
NOTE_BYTES_MAX: Final = 1_000_000
"""Longest note read at all."""

ED25519: Final = 0x01
ECDSA_P256: Final = 0x02
COSIGNATURE: Final = 0x04
COSIGNATURE_ML_DSA_44: Final = 0x06

_DASH: Final = "— ".encode()
_KEY_ID_SIZE: Final = 4


class VerifyKey(NamedTuple):
    """A public key with its name: ``type`` 01 Ed25519, 02 ECDSA P-256 (SPKI DER), 04 and 06 cosignatures."""

    name: str
    type: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name ‖ 0A ‖ type ‖ key); for type 02 of SHA-256(SPKI DER)."""
        if self.type == ECDSA_P256:
            return sha256(self.key).digest()[:_KEY_ID_SIZE]
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.key).digest()[:_KEY_ID_SIZE]

    def __str__(self) -> str:
        """``name+hex id``: how people and last lines name a key."""
        return f"{self.name}+{self.key_id.hex()}"


class Line(NamedTuple):
    """One signature line: key name, key id (4 bytes), signature (what its type says)."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A parsed note whose lines nobody has checked yet."""

    text: bytes
    lines: tuple[Line, ...]


class OpenedNote(NamedTuple):
    """A note with the lines of known keys, all verified, in order; lines of unknown keys are left out."""

    text: bytes
    verified: tuple[tuple[VerifyKey, Line], ...]


Verify = Callable[[VerifyKey, bytes, bytes], bool]
"""(key, text, signature) → does it hold; `gateway.ledger.crypto.verify_line` is ours."""
Sign = Callable[[bytes], bytes]
"""text → signature bytes of one line (for a cosignature: the time and the signature)."""


def format_vkey(key: VerifyKey) -> str:
    """Return ``name+hex id+base64(type ‖ key)``."""
    return f"{key}+{base64.b64encode(bytes([key.type]) + key.key).decode()}"


def parse_vkey(text: str) -> VerifyKey:
    """Return the key of a vkey; refuse a bad name, an id that is not its own, non-canonical base64."""
    parts = text.split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004  the grammar has three parts
        raise EvidenceRefused(f"key {text[:80]!r} is not name+id+key", remedy="copy the whole line")
    name, key_id, encoded = parts
    material = parse_base64(encoded, "key")
    if not _is_name(name) or len(material) < 2:  # noqa: PLR2004  a type byte and at least one byte of key
        raise EvidenceRefused(f"key {text[:80]!r} has a bad name or no key", remedy="copy the whole line")
    key = VerifyKey(name, material[0], material[1:])
    if key.key_id.hex() != key_id:
        raise EvidenceRefused(
            f"key {name!r} has id {key.key_id.hex()}, not {key_id[:16]!r}",
            remedy="name, id and key belong together: copy the whole line",
        )
    return key


def format_line(line: Line) -> bytes:
    """Return one signature line with its newline."""
    encoded = base64.b64encode(line.key_id + line.signature)
    return b"%b%b %b\n" % (_DASH, line.name.encode(), encoded)


def sign_note(text: bytes, signers: Sequence[tuple[VerifyKey, Sign]]) -> bytes:
    """Return the whole note: text, empty line, one line per signer in the order given."""
    check_text(text)
    return text + b"\n" + b"".join(format_line(Line(key.name, key.key_id, sign(text))) for key, sign in signers)


def add_lines(note: bytes, lines: Iterable[Line]) -> bytes:
    """Return the note with more lines at its end (cosignatures follow in the order of the policy)."""
    return note + b"".join(format_line(line) for line in lines)


def parse_note(content: bytes) -> Note:
    """Return text and lines of a note; refuse whatever the grammar does not allow."""
    if len(content) > NOTE_BYTES_MAX:
        raise EvidenceRefused(f"note of {len(content):,} bytes is longer than {NOTE_BYTES_MAX:,}")
    split = content.rfind(b"\n\n")
    if split < 0:
        raise EvidenceRefused("note has no empty line between text and signatures")
    text, rest = content[: split + 1], content[split + 2 :]
    check_text(text)
    if not rest.endswith(b"\n"):
        raise EvidenceRefused("note does not end in a whole signature line")
    lines = rest[:-1].split(b"\n")
    if len(lines) > LINES_MAX:
        raise EvidenceRefused(f"note has {len(lines)} signature lines, at most {LINES_MAX} are read")
    return Note(text, tuple(_parse_line(line) for line in lines))


def open_note(content: bytes, keys: Iterable[VerifyKey], verify: Verify) -> OpenedNote:
    """Return the text and the lines of known keys; refuse a known key that fails, and a note no known key signed.

    A second line of one key is skipped once the first one holds.
    """
    note = parse_note(content)
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifyKey, Line] = {}
    for line in note.lines:
        key = known.get((line.name, line.key_id))
        if key is None or key in verified:
            continue
        if not verify(key, note.text, line.signature):
            raise EvidenceRefused(f"signature of {key} does not verify")
        verified[key] = line
    if not verified:
        raise EvidenceRefused("note has no signature of a known key")
    return OpenedNote(note.text, tuple(verified.items()))


def check_text(text: bytes) -> None:
    """Refuse a text that is empty, not UTF-8, without final newline or with control characters."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise EvidenceRefused(f"note is not UTF-8 at byte {error.start}") from error
    if not text.endswith(b"\n"):
        raise EvidenceRefused("note text does not end in a newline")
    if min(text.replace(b"\n", b" ")) < 0x20:  # noqa: PLR2004  control characters stand below the space
        raise EvidenceRefused("note text has a control character")


def parse_base64(encoded: str | bytes, what: str) -> bytes:
    """Return the bytes of canonical standard base64 with padding; refuse any second spelling of them."""
    try:
        raw = encoded.encode("ascii") if isinstance(encoded, str) else encoded
        content = base64.b64decode(raw, validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise EvidenceRefused(f"{what} is not base64") from error
    if base64.b64encode(content) != raw:
        raise EvidenceRefused(f"{what} is not canonical base64")
    return content


def _parse_line(line: bytes) -> Line:
    try:
        name, encoded = line.removeprefix(_DASH).decode().split(" ")
    except ValueError as error:
        raise EvidenceRefused("signature line is not '— name base64'") from error
    if not line.startswith(_DASH) or not _is_name(name):
        raise EvidenceRefused("signature line is not '— name base64'")
    content = parse_base64(encoded, "signature")
    if len(content) <= _KEY_ID_SIZE:
        raise EvidenceRefused("signature line holds no signature")
    return Line(name, content[:_KEY_ID_SIZE], content[_KEY_ID_SIZE:])


def _is_name(name: str) -> bool:
    """Say whether a key name is not empty and free of spaces, plus signs and control characters."""
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)
