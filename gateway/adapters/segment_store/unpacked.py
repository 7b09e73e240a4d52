"""Bytes of a segment file, packed or not (`ledger.md` 3, sealing a segment)."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.errors import LedgerDoubt

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, decompress
else:
    from backports.zstd import ZstdError, decompress


def read_segment(path: Path, *, packed: bool) -> bytes:
    """Return the bytes of a segment file, unpacked; raise `LedgerDoubt` when they cannot be."""
    content = path.read_bytes()
    if not packed:
        return content
    try:
        return decompress(content)
    except ZstdError as error:
        raise LedgerDoubt(
            f"damaged: {path.name} cannot be unpacked: {error}",
            remedy="restore this file from backup or mirror",
        ) from error
