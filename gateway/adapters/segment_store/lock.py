"""One writer: an flock on `LOCK` for life (`ledger.md` 3)."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from gateway.errors import Unavailable

_NS = 1_000_000_000
_DAY_S = 86_400
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class WriterLock:
    """The lock of one ledger folder; its file says who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self, wall_ns: int) -> None:
        """Take the lock; raise `Unavailable` (69) naming the holder if another process has it."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            raise Unavailable(
                f"the ledger {self._path.parent} cannot be written: {error.strerror}",
                remedy="run as the user that owns it, or mend its permissions",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(fd, 80, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            raise Unavailable(
                f"ledger in use by {holder}",
                remedy="stop that process, or give this one another ledger.path",
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"pid {os.getpid()} since {_format_clock(wall_ns)}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; the file stays, so that nobody locks a name that is gone."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _format_clock(wall_ns: int) -> str:
    """Return ``06:00:12Z``."""
    second = wall_ns // _NS % _DAY_S
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
