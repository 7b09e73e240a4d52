"""A disk that fails the k-th system call: not applied, applied and then failed, or cut short."""

from __future__ import annotations

import errno
import os
from typing import Any

from gateway.adapters.segment_store.disk import Disk

CALLS = ("open", "pwrite", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "fallocate", "mkdir", "fchmod")


class Killed(BaseException):
    """The process ends here: nothing after this call happens."""


class FaultyDisk(Disk):
    """Counts calls; call number ``fail_at`` (from 1) fails once, or kills.

    Only calls named in ``only`` are counted. ``how``: ``not_applied``, ``applied`` (done, then reported as failed), ``short`` (half a write, then the error), ``kill``
    (not applied, and the process ends), ``kill_after`` (applied, and it ends).
    """

    def __init__(
        self, fail_at: int = 0, how: str = "not_applied", number: int = errno.EIO, only: tuple[str, ...] = CALLS
    ) -> None:
        self.only = only
        self.fail_at = fail_at
        self.how = how
        self.number = number
        self.calls: list[str] = []
        self.failed: str | None = None

    def _call(self, name: str, *given: Any) -> Any:
        real = getattr(super(), name)
        if name in self.only:
            self.calls.append(name)
        if name not in self.only or len(self.calls) != self.fail_at:
            return real(*given)
        self.failed = name
        if self.how in {"applied", "kill_after"}:
            answer = real(*given)
            if name == "open":
                os.close(answer)
        elif self.how == "short" and name == "pwrite":
            fd, content, offset = given
            real(fd, content[: len(content) // 2], offset)
        if self.how.startswith("kill"):
            raise Killed
        raise OSError(self.number, os.strerror(self.number))

    def open(self, path, flags, mode=0o640):
        return self._call("open", path, flags, mode)

    def pwrite(self, fd, content, offset):
        return self._call("pwrite", fd, content, offset)

    def fdatasync(self, fd):
        return self._call("fdatasync", fd)

    def fsync(self, fd):
        return self._call("fsync", fd)

    def rename(self, old, new):
        return self._call("rename", old, new)

    def unlink(self, path):
        return self._call("unlink", path)

    def ftruncate(self, fd, length):
        return self._call("ftruncate", fd, length)

    def fallocate(self, fd, length):
        return self._call("fallocate", fd, length)

    def mkdir(self, path, mode=0o750):
        return self._call("mkdir", path, mode)

    def fchmod(self, fd, mode):
        return self._call("fchmod", fd, mode)
