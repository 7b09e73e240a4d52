"""Nearest: the known word a person most likely meant, at most two edits away (`profiles.md` 4)."""

from __future__ import annotations

from collections.abc import Iterable

EDITS_MAX = 2


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word with the fewest edits, at most two and fewer than the word has letters; None if none is near."""
    best: tuple[int, str] | None = None
    for candidate in sorted(known):
        edits = edit_distance(word.casefold(), candidate.casefold())
        if edits <= EDITS_MAX and edits < max(len(word), 2) and (best is None or edits < best[0]):
            best = (edits, candidate)
    return best[1] if best else None


def edit_distance(a: str, b: str) -> int:
    """Count insertions, deletions, changes and swaps of neighbours that turn ``a`` into ``b`` (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i] + [0] * len(b)
        for j, y in enumerate(b, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]


def did_you_mean(suggestion: str | None) -> str:
    """Return the tail of a message that names the suggestion, or nothing."""
    return f" - did you mean '{suggestion}'?" if suggestion else ""
