"""Tree: what a YAML file or a model holds at one place, seen as a block, a list, or neither."""

from __future__ import annotations

from typing import Any, TypeGuard


def _is_block(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def as_block(value: Any) -> dict[str, Any] | None:
    """Return the value if it is a block of keys."""
    return value if _is_block(value) else None


def as_list(value: Any) -> list[Any] | None:
    """Return the value if it is a list."""
    return value if _is_list(value) else None
