"""Files that appear whole or not at all: temporary name, fsync, rename, fsync folder (`ledger.md` 3)."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from gateway.adapters.segment_store.disk import Disk, opened, sync_file, sync_folder, write_whole
from gateway.adapters.segment_store.layout import FINISHED_MODE, OPEN_MODE, Layout


def write_durably(disk: Disk, path: Path, content: bytes, mode: int = OPEN_MODE) -> None:
    """Put ``content`` at ``path`` in one step; on an error the old file stays and the temporary one goes."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with suppress(FileNotFoundError):
            disk.unlink(temporary)
        with opened(disk, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode) as fd:
            write_whole(disk, fd, content, 0)
            sync_file(disk, fd)
        disk.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            disk.unlink(temporary)
        raise
    sync_folder(disk, path.parent)


def make_folder(disk: Disk, folder: Path) -> None:
    """Make a folder and those above it that are missing, durably."""
    if folder.is_dir():
        return
    make_folder(disk, folder.parent)
    with suppress(FileExistsError):
        disk.mkdir(folder)
    sync_folder(disk, folder.parent)


def write_blob(disk: Disk, layout: Layout, content: bytes) -> None:
    """Make a side object durable under its SHA-256; one that stands there already is left as it is."""
    path = layout.blob_of(sha256(content).hexdigest())
    make_folder(disk, path.parent)
    if path.is_file() and path.stat().st_size == len(content):
        sync_folder(disk, path.parent)
        return
    write_durably(disk, path, content, FINISHED_MODE)
