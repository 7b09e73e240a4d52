"""Judges whole tlog-tiles logs with the package tlog-scales; runs in that package's own environment.

    python judge_scales.py LOG_VKEY WITNESS_VKEY FOLDER…

One line for each folder: accepted or refused, tab, the folder, tab, why.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path

from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash

PROVED = (0, 51_207, 65_536, 69_999)


def judge(folder: str, vkeys: list[str]) -> None:
    """Check both signatures, the root over every entry, and some inclusion proofs made by its own reader."""
    reader = TilesReader(LocalBackend(Path(folder)))
    checkpoint = reader.get_checkpoint()
    for vkey in vkeys:
        checkpoint.verify(Vkey.from_string(vkey))
    if reader.calculate_root_hash() != checkpoint.root_hash:
        raise ValueError("the tiles lead to another root")
    for index in range(checkpoint.size):
        if reader.mth(index, index + 1) != leaf_hash(reader.get_entry(index)):
            raise ValueError(f"entry {index} is another")
    for index in PROVED:
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(leaf_hash(reader.get_entry(index)), checkpoint.root_hash)
    lower = b"".join(reader.mth(first, first + 256) for first in range(0, 65_536, 256))
    made = b"".join(node([reader.mth(i, i + 1) for i in range(first, first + 256)]) for first in range(0, 65_536, 256))
    if lower != made:
        raise ValueError("a tile does not lead to the one above it")


def node(hashes: list[bytes]) -> bytes:
    """Hash a full tile to the node above it."""
    while len(hashes) > 1:
        hashes = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def main() -> None:
    """Judge every folder named."""
    logging.disable()
    vkeys = sys.argv[1:3]
    for folder in sys.argv[3:]:
        try:
            judge(folder, vkeys)
        except Exception as refusal:  # noqa: BLE001  whatever the package raises is its refusal
            sys.stdout.write(f"refused\t{folder}\t{type(refusal).__name__}: {refusal}\n")
        else:
            sys.stdout.write(f"accepted\t{folder}\t\n")


if __name__ == "__main__":
    main()
