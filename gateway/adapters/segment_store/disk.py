"""The system calls of the segment store, one method each: the only place that touches the disk, so a test can fail the k-th.

Errors stay `OSError`; a failed fsync or fdatasync becomes `SyncFailed`, which is never retried (`ledger.md` 3, halt).
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FULL_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""No space left, for the disk or for our quota: the write may be tried again."""


class SyncFailed(OSError):
    """A failed fsync: the kernel may call the lost pages clean, so a second one would prove nothing."""


class Disk:
    """System calls as they are. A test's subclass fails the k-th of them, applied or not."""

    def open(self, path: Path, flags: int, mode: int = 0o640) -> int:
        """Return a file descriptor."""
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, fd: int) -> None:
        """Give a descriptor back."""
        os.close(fd)

    def pwrite(self, fd: int, content: bytes | memoryview, offset: int) -> int:
        """Write once at ``offset``; return how many bytes were taken."""
        return os.pwrite(fd, content, offset)

    def fdatasync(self, fd: int) -> None:
        """Make content durable: the commit point."""
        os.fdatasync(fd)

    def fsync(self, fd: int) -> None:
        """Make content and metadata of a file or folder durable."""
        os.fsync(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Replace ``new`` in one step."""
        os.rename(old, new)  # noqa: PTH104  one system call a method, as written

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        os.unlink(path)  # noqa: PTH108  one system call a method, as written

    def ftruncate(self, fd: int, length: int) -> None:
        """Cut or extend a file."""
        os.ftruncate(fd, length)

    def fallocate(self, fd: int, length: int) -> None:
        """Take space for the first ``length`` bytes."""
        os.posix_fallocate(fd, 0, length)

    def mkdir(self, path: Path, mode: int = 0o750) -> None:
        """Make one folder."""
        os.mkdir(path, mode)  # noqa: PTH102  one system call a method, as written

    def fchmod(self, fd: int, mode: int) -> None:
        """Set the mode of an open file."""
        os.fchmod(fd, mode)

    def read_direct(self, fd: int) -> tuple[bytes, bool]:
        """Return what stands on the medium, not in the page cache, and whether O_DIRECT could be had.

        Without O_DIRECT the cached pages are dropped first, which the kernel may decline for dirty ones.
        """
        size = os.fstat(fd).st_size
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            direct = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
        except OSError:
            return _read_whole(fd, size), False
        try:
            return _read_whole(direct, size), True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return _read_whole(fd, size), False
        finally:
            os.close(direct)


@contextmanager
def opened(disk: Disk, path: Path, flags: int, mode: int = 0o640) -> Generator[int]:
    """Open a file for the time of a block."""
    fd = disk.open(path, flags, mode)
    try:
        yield fd
    finally:
        disk.close(fd)


def write_whole(disk: Disk, fd: int, content: bytes, offset: int) -> None:
    """Write all of ``content`` at ``offset``: one call, more only after a short one."""
    taken = disk.pwrite(fd, content, offset)
    while taken < len(content):
        if not taken:
            raise OSError(errno.EIO, "write took nothing")
        offset, content = offset + taken, content[taken:]
        taken = disk.pwrite(fd, content, offset)


def sync_data(disk: Disk, fd: int) -> None:
    """Make content durable; a failure is `SyncFailed` whatever its number."""
    try:
        disk.fdatasync(fd)
    except OSError as error:
        raise SyncFailed(error.errno, f"fdatasync failed: {error.strerror}") from error


def sync_file(disk: Disk, fd: int) -> None:
    """Make content and metadata durable; a failure is `SyncFailed` whatever its number."""
    try:
        disk.fsync(fd)
    except OSError as error:
        raise SyncFailed(error.errno, f"fsync failed: {error.strerror}") from error


def sync_folder(disk: Disk, folder: Path) -> None:
    """Make the names in a folder durable."""
    with opened(disk, folder, os.O_RDONLY | os.O_DIRECTORY) as fd:
        sync_file(disk, fd)


def _read_whole(fd: int, size: int) -> bytes:
    """Read a file by large aligned pieces, as O_DIRECT wants them."""
    if not size:
        return b""
    aligned = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
    with mmap.mmap(-1, aligned) as buffer:
        position = 0
        with memoryview(buffer) as view:
            while position < size:
                with view[position:] as rest:
                    taken = os.preadv(fd, [rest], position)
                if not taken:
                    break
                position += taken
        return buffer[: min(position, size)]
