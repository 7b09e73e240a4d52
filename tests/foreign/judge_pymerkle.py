"""Builds the tree of a tlog-tiles log again from its entries with the package pymerkle; runs in that package's environment.

    python judge_pymerkle.py FOLDER…

One line for each folder: accepted or refused, tab, the folder, tab, why. It knows no notes: only root and size are judged.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from pymerkle import InmemoryTree, verify_inclusion


def judge(folder: Path) -> None:
    """Compare the root over all entries with the checkpoint's, and prove one of them."""
    _, size, root = (folder / "checkpoint").read_text().split("\n")[:3]
    tree = InmemoryTree(algorithm="sha256")
    for number in range((int(size) + 255) // 256):
        left = min(256, int(size) - number * 256)
        path = folder / "tile/entries" / (f"{number:03d}" if left == 256 else f"{number:03d}.p/{left}")
        bundle, place = path.read_bytes(), 0
        while place < len(bundle):
            stop = place + 2 + int.from_bytes(bundle[place : place + 2], "big")
            tree.append_entry(bundle[place + 2 : stop])
            place = stop
    if (tree.get_size(), tree.get_root()) != (int(size), base64.b64decode(root)):
        raise ValueError("the entries lead to another root")
    proof = tree.prove_inclusion(51_208)
    verify_inclusion(tree.get_leaf(51_208), base64.b64decode(root), proof)


def main() -> None:
    """Judge every folder named."""
    for folder in sys.argv[1:]:
        try:
            judge(Path(folder))
        except Exception as refusal:  # noqa: BLE001  whatever the package raises is its refusal
            sys.stdout.write(f"refused\t{folder}\t{type(refusal).__name__}: {refusal}\n")
        else:
            sys.stdout.write(f"accepted\t{folder}\t\n")


if __name__ == "__main__":
    main()
