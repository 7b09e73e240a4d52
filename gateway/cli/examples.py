"""Examples below the help of a command: two lines that can be copied as they stand."""

from __future__ import annotations

from typing import Final

_AS_TYPED: Final = "\b"
"""What click takes for: do not wrap the paragraph that follows."""


def examples(first: str, second: str) -> str:
    """Return the epilog with two command lines, each on a line of its own."""
    return f"{_AS_TYPED}\nExamples:\n  {first}\n  {second}"
