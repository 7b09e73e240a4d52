"""`HALTED`: why nothing more was written, left for the next start and for people (`ledger.md` 3, halt)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import write_durably


def write_halt(disk: Disk, path: Path, detail: dict[str, Any]) -> None:
    """Write the file if that is still possible; never raises for the disk."""
    with suppress(OSError):
        write_durably(disk, path, msgspec.json.encode(detail) + b"\n")


def read_halt(path: Path) -> dict[str, Any] | None:
    """Return what `HALTED` says, None without one; unreadable content is itself a cause."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        return {"cause": "HALTED is unreadable"}
