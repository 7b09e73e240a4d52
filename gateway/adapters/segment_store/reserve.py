"""`reserve`: space kept aside, given up when the disk is full so that what matters most still fits (`ledger.md` 3, disk)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gateway.adapters.segment_store.disk import Disk, opened, sync_file, sync_folder
from gateway.adapters.segment_store.layout import OPEN_MODE


class Reserve:
    """One preallocated file."""

    def __init__(self, disk: Disk, path: Path, size: int) -> None:
        self._disk = disk
        self._path = path
        self.size = size

    @property
    def held(self) -> bool:
        """Say whether the reserve stands whole."""
        try:
            return self._path.stat().st_size == self.size
        except FileNotFoundError:
            return False

    def build(self) -> None:
        """Take the space, durably; raise `OSError` and leave nothing when there is not enough."""
        if self.held:
            return
        try:
            with opened(self._disk, self._path, os.O_RDWR | os.O_CREAT, OPEN_MODE) as fd:
                self._disk.fallocate(fd, self.size)
                sync_file(self._disk, fd)
        except OSError:
            with suppress(OSError):
                self.release()
            raise
        sync_folder(self._disk, self._path.parent)

    def release(self) -> bool:
        """Give the space up; return whether there was any."""
        try:
            self._disk.unlink(self._path)
        except FileNotFoundError:
            return False
        sync_folder(self._disk, self._path.parent)
        return True
