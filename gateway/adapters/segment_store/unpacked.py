"""Bytes of a segment file, packed or not (`ledger.md` 3, sealing a segment)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import LedgerDoubt

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError, decompress
else:
    from backports.zstd import ZstdDecompressor, ZstdError, decompress

PIECE_BYTES: Final = 128 * 1024
_PACKED_BYTES: Final = 32 * 1024


def read_pieces(path: Path, *, packed: bool) -> Iterator[bytes]:
    """Yield the bytes of a segment file, unpacked, a piece of at most 128 KiB at a time: larger ones leave holes in memory.

    A packed file that is damaged ends early or raises `ZstdError` as `LedgerDoubt`: `read_segment` then says what is wrong.
    """
    with path.open("rb", buffering=0) as file:
        if not packed:
            while piece := file.read(PIECE_BYTES):
                yield piece
            return
        unpacker = ZstdDecompressor()
        while not unpacker.eof:
            given = file.read(_PACKED_BYTES) if unpacker.needs_input else b""
            if unpacker.needs_input and not given:
                raise _damaged(path, "it is cut")
            try:
                piece = unpacker.decompress(given, PIECE_BYTES)
            except ZstdError as error:
                raise _damaged(path, error) from error
            yield piece
        if unpacker.unused_data or file.read(1):
            raise _damaged(path, "bytes follow its end")


def read_segment(path: Path, *, packed: bool) -> bytes:
    """Return the bytes of a segment file, unpacked; raise `LedgerDoubt` when they cannot be."""
    content = path.read_bytes()
    if not packed:
        return content
    try:
        return decompress(content)
    except ZstdError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, why: object) -> LedgerDoubt:
    return LedgerDoubt(
        f"damaged: {path.name} cannot be unpacked: {why}", remedy="restore this file from backup or mirror"
    )
