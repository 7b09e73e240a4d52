"""One open segment file: append a frame, make it durable, take it back when the disk was full.

Zero bytes are written ahead: a sync over blocks that exist costs half of one that must also record new ones.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.disk import (
    FULL_ERRNOS,
    Disk,
    SyncFailed,
    sync_data,
    sync_file,
    sync_folder,
    write_whole,
)
from gateway.adapters.segment_store.layout import FINISHED_MODE, OPEN_MODE

AHEAD_BYTES: Final = 1024 * 1024
"""Free space written ahead at once."""
_PLENTY: Final = 64 * AHEAD_BYTES
"""With less free space than this nothing is written ahead: the space belongs to records."""
_LARGE: Final = AHEAD_BYTES // 4
"""A frame from this size on pays for its own blocks: zeros ahead would double what is written."""


class SegmentWriter:
    """An open file and where its last frame ends. All methods raise `OSError`; `SyncFailed` from a sync."""

    def __init__(self, disk: Disk, path: Path, fd: int, offset: int, allocated: int) -> None:
        self._disk = disk
        self.path = path
        self._fd = fd
        self.offset = offset
        self._allocated = allocated

    @classmethod
    def create(cls, disk: Disk, path: Path, header: bytes) -> SegmentWriter:
        """Make a new file: O_EXCL, header, fsync, fsync folder. On an error other than a sync no file is left."""
        fd = None
        try:
            fd = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OPEN_MODE)
            write_whole(disk, fd, header, 0)
            sync_file(disk, fd)
            sync_folder(disk, path.parent)
        except OSError as error:
            if fd is not None:
                disk.close(fd)
            if error.errno in FULL_ERRNOS and not isinstance(error, SyncFailed):
                _remove(disk, path)
            raise
        return cls(disk, path, fd, len(header), len(header))

    @classmethod
    def resume(cls, disk: Disk, path: Path, offset: int) -> SegmentWriter:
        """Open a file whose last frame ends at ``offset``; what follows are zeros."""
        fd = disk.open(path, os.O_RDWR)
        return cls(disk, path, fd, offset, max(os.fstat(fd).st_size, offset))

    def append(self, content: bytes) -> int:
        """Write a frame and make it durable; return the offset it stands at."""
        offset, stop = self.offset, self.offset + len(content)
        if stop > self._allocated and len(content) < _LARGE:
            self._write_ahead(stop + AHEAD_BYTES)
        write_whole(self._disk, self._fd, content, offset)
        sync_data(self._disk, self._fd)
        self.offset = stop
        self._allocated = max(self._allocated, stop)
        return offset

    def cut(self, offset: int) -> None:
        """Take back everything from ``offset`` on, durably."""
        self._disk.ftruncate(self._fd, offset)
        sync_data(self._disk, self._fd)
        self.offset = self._allocated = offset

    def finish(self) -> None:
        """Give the free space back, let nobody write, close."""
        self._disk.ftruncate(self._fd, self.offset)
        self._disk.fchmod(self._fd, FINISHED_MODE)
        self.close()

    def close(self) -> None:
        """Close the file as it is; free space stays for the next start."""
        self._disk.close(self._fd)

    def remove(self) -> None:
        """Close and remove a file that holds nothing committed."""
        self.close()
        _remove(self._disk, self.path)

    def _write_ahead(self, until: int) -> None:
        """Extend the zeros while there is plenty of space; on a full disk give back what was taken."""
        stat = os.fstatvfs(self._fd)
        if stat.f_bavail * stat.f_frsize < _PLENTY:
            return
        try:
            write_whole(self._disk, self._fd, bytes(until - self._allocated), self._allocated)
        except OSError as error:
            if error.errno not in FULL_ERRNOS:
                raise
            self._disk.ftruncate(self._fd, self.offset)
            self._allocated = self.offset
            return
        self._allocated = until


def _remove(disk: Disk, path: Path) -> None:
    with suppress(FileNotFoundError):
        disk.unlink(path)
    sync_folder(disk, path.parent)
