"""Recent commits: what followers read from memory; older stretches come from the store, in whole frames' order."""

from __future__ import annotations

from collections import deque

from gateway.ports import Committed


class RecentCommits:
    """The newest commits up to a bound of leaves; neighbours touch, so a size is found by walking back."""

    def __init__(self, leaves_max: int) -> None:
        self._leaves_max = leaves_max
        self._leaves = 0
        self._commits: deque[Committed] = deque()

    def add(self, commit: Committed) -> None:
        """Remember a commit and forget the oldest beyond the bound."""
        assert not self._commits or self._commits[-1].size == commit.first, "commits must touch"
        self._commits.append(commit)
        self._leaves += len(commit.records)
        while len(self._commits) > 1 and self._leaves > self._leaves_max:
            self._leaves -= len(self._commits.popleft().records)

    def from_size(self, size: int) -> Committed | None:
        """Return the commit that starts at ``size``, or the rest of the one it falls into; None if it left memory."""
        for commit in reversed(self._commits):
            if commit.first <= size < commit.size:
                return commit if commit.first == size else _tail(commit, size - commit.first)
        return None


def _tail(commit: Committed, skip: int) -> Committed:
    return Committed(
        first=commit.first + skip,
        records=commit.records[skip:],
        contents=commit.contents[skip:],
        size=commit.size,
        root=commit.root,
        checkpoint=commit.checkpoint,
    )
