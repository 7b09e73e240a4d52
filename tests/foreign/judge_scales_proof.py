"""Judges single proofs (entry, tlog-proof) with the package tlog-scales; runs in that package's own environment.

    python judge_scales_proof.py LOG_VKEY WITNESS_VKEY FOLDER…

One line for each folder: accepted or refused, tab, the folder, tab, why.
"""

from __future__ import annotations

import base64
import logging
import sys
from pathlib import Path

from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, InclusionProof


def judge(folder: Path, vkeys: list[str]) -> None:
    """Check both signatures of the note and the way from the entry to its root."""
    head, _, note = (folder / "tlog-proof").read_text().partition("\n\n")
    header, index, *hashes = head.split("\n")
    if header != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
        raise ValueError("no tlog-proof")
    checkpoint = Checkpoint.from_text(note)
    for vkey in vkeys:
        checkpoint.verify(Vkey.from_string(vkey))
    path = [base64.b64decode(one, validate=True) for one in hashes]
    proof = InclusionProof(int(index.removeprefix("index ")), checkpoint.size, path)
    proof.check(leaf_hash((folder / "entry").read_bytes()), checkpoint.root_hash)


def main() -> None:
    """Judge every folder named."""
    logging.disable()
    for folder in sys.argv[3:]:
        try:
            judge(Path(folder), sys.argv[1:3])
        except Exception as refusal:  # noqa: BLE001  whatever the package raises is its refusal
            sys.stdout.write(f"refused\t{folder}\t{type(refusal).__name__}: {refusal}\n")
        else:
            sys.stdout.write(f"accepted\t{folder}\t\n")


if __name__ == "__main__":
    main()
