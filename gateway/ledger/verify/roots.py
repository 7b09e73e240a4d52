"""Roots that frames sealed, for the anchors that follow: which are known, and at which sizes none was ever sealed."""

from __future__ import annotations

from collections import OrderedDict


class FrameRoots:
    """The newest frame roots by size, without a hole between ``since`` (exclusive) and the newest one."""

    def __init__(self, since: int, kept: int) -> None:
        self._since = since
        self._newest = since
        self._kept = kept
        self._roots: OrderedDict[int, bytes] = OrderedDict()

    def add(self, size: int, root: bytes) -> None:
        """Take the root at the end of the next frame."""
        self._roots[size] = root
        self._newest = size
        if len(self._roots) > self._kept:
            self._since, _ = self._roots.popitem(last=False)

    def lose(self, size: int) -> None:
        """Frames up to ``size`` could not be followed: of them nothing is known."""
        self._since = self._newest = size

    def at(self, size: int) -> bytes | None:
        """Return the root sealed at a size, None where none is known."""
        return self._roots.get(size)

    def lacks(self, size: int) -> bool:
        """Say whether every frame around a size is known and none of them ends there."""
        return self._since < size and size not in self._roots
