"""Evidence folder: bundles that events name, each under its hash; made again from the ledger when one is missing."""

from __future__ import annotations

import os
from pathlib import Path


class EvidenceFolder:
    """`state/evidence/<sha256>.zip`; never the record, so plain files do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, digest: str, content: bytes) -> None:
        """Write a bundle under its hash; equal content is written once."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        path = self._folder / f"{digest}.zip"
        if path.exists():
            return
        temporary = path.with_suffix(".part")
        temporary.write_bytes(content)
        os.replace(temporary, path)  # noqa: PTH105 - atomic on one file system

    def read(self, digest: str) -> bytes | None:
        """Return a bundle, None if it is not there."""
        path = self._folder / f"{digest}.zip"
        return path.read_bytes() if path.is_file() else None
