"""Evidence folder: bundles that events name, each under its hash; made again from the ledger when one is missing."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from threading import get_ident


class EvidenceFolder:
    """`state/evidence/<sha256>.zip`; never the record, so plain files do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, digest: str, content: bytes) -> None:
        """Write a bundle under its hash; equal content is written once."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        path = self._folder / f"{digest}.zip"
        if path.exists() and sha256(path.read_bytes()).hexdigest() == digest:
            return
        # two sinks of one deviation make the same bundle at the same time, each in its own thread
        temporary = path.with_suffix(f".{get_ident():x}.part")
        temporary.write_bytes(content)
        os.replace(temporary, path)  # noqa: PTH105 - atomic on one file system

    def find(self, digest: str) -> bytes | None:
        """Return the bundle whose hash begins with ``digest`` (lower hex); None if none, or more than one, has it.

        A file that is not what its name says is no bundle.
        """
        found = [path.read_bytes() for path in sorted(self._folder.glob(f"{digest}*.zip"))]
        whole = [content for content in found if sha256(content).hexdigest().startswith(digest)]
        return whole[0] if len(whole) == 1 else None
