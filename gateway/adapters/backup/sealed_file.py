"""One file of a backup: AES-256-GCM by pieces under a key that encrypts nothing else.

::

    n x (ciphertext of 1 MiB ‖ tag), the last piece shorter or empty
    nonce of piece i = uint64 i ‖ 00 00 00 ‖ 01 for the last piece, else 00

So no piece can be changed, swapped, repeated, left out or cut off, and no nonce is used twice under one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import EvidenceRefused

PIECE: Final = 1024 * 1024
TAG: Final = 16
_AAD: Final = b"gateway-backup/1 file"


class Source(Protocol):
    """Where bytes come from."""

    def __call__(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, fewer only at the end."""
        ...


class Digests(NamedTuple):
    """Bytes and SHA-256 of the plain file and of what was made of it."""

    plain_bytes: int
    plain_sha256: str
    sealed_bytes: int
    sealed_sha256: str


def seal_pieces(key: bytes, read: Source, write: Callable[[bytes], object]) -> Digests:
    """Encrypt everything ``read`` gives; ``write`` takes one piece after the other."""
    cipher, plain, sealed = AESGCM(key), sha256(), sha256()
    sizes, number, piece = [0, 0], 0, read(PIECE)
    while True:
        following = read(PIECE) if len(piece) == PIECE else b""
        last = len(piece) < PIECE or not following
        content = cipher.encrypt(_nonce(number, last=last), piece, _AAD)
        plain.update(piece)
        sealed.update(content)
        sizes = [sizes[0] + len(piece), sizes[1] + len(content)]
        write(content)
        if last:
            return Digests(sizes[0], plain.hexdigest(), sizes[1], sealed.hexdigest())
        number, piece = number + 1, following


def open_pieces(key: bytes, read: Source, size: int) -> Iterator[bytes]:
    """Yield the plain pieces of a file of ``size`` plain bytes; `EvidenceRefused` at the first that is not as it was made."""
    cipher, number, left = AESGCM(key), 0, size
    while True:
        last = left <= PIECE
        content = read(min(left, PIECE) + TAG)
        try:
            piece = cipher.decrypt(_nonce(number, last=last), content, _AAD)
        except (InvalidTag, ValueError) as error:
            raise EvidenceRefused(f"piece {number:,} was changed or is cut") from error
        yield piece
        left, number = left - len(piece), number + 1
        if last:
            if read(1):
                raise EvidenceRefused("there are bytes after the last piece")
            return


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(8, "big") + bytes(3) + bytes([last])
