"""The process that packs one segment at the lowest priority: `python -m gateway.adapters.segment_store.pack_child FOLDER FIRST`.

It writes one temporary file and says in one JSON line what became of it. Whoever started it puts that file in its place, so
that a process left behind by a killed gateway changes nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from gateway.adapters.segment_store.child import LOWEST, answer
from gateway.adapters.segment_store.disk import Disk, SyncFailed
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.pack import prepare_packed
from gateway.errors import LedgerDoubt


def main(root: Path, first: int) -> dict[str, Any]:
    """Pack the segment; return what to say of it."""
    try:
        temporary = prepare_packed(Disk(), Layout(root), first, f"{os.getpid()}")
    except LedgerDoubt as doubt:
        return {"doubt": doubt.text, "remedy": doubt.remedy}
    except OSError as error:
        return {"errno": error.errno, "text": error.strerror or str(error), "sync": isinstance(error, SyncFailed)}
    return {"temporary": temporary.name, "bytes": temporary.stat().st_size}


if __name__ == "__main__":
    os.nice(LOWEST)
    answer(main(Path(sys.argv[1]), int(sys.argv[2])))
