"""What each of our witnesses cosigned last and refused since: `state/witnesses/<name>.json`, beside the ledger, never evidence.

Anchors in the ledger are the record. Without these files a start asks each witness from the empty tree; with them it also knows
without a network what a witness has seen.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from gateway.ports import WitnessMemory

FOLDER = "witnesses"


class MemoryFolder:
    """Keeps one small file a witness; a file that cannot be read counts as none."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER

    def load(self, name: str) -> WitnessMemory:
        """Return what is known of a witness."""
        try:
            return msgspec.json.decode((self._folder / f"{name}.json").read_bytes(), type=WitnessMemory)
        except (FileNotFoundError, msgspec.DecodeError):
            return WitnessMemory()

    def keep(self, name: str, memory: WitnessMemory) -> None:
        """Replace what is known of a witness in one step."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        path = self._folder / f"{name}.json"
        temporary = path.with_suffix(".part")
        temporary.write_bytes(msgspec.json.encode(memory) + b"\n")
        os.replace(temporary, path)  # noqa: PTH105 - atomic on one file system
