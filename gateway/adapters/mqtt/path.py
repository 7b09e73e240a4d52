"""Payload paths: the small, reviewable subset of JMESPath (`profiles.md` 2), compiled once at load.

Names, indexes, pipes, and filters ``==`` ``!=`` on text and integers. The library parses; walking is ours, because a JSON
number here is its typed text and a missing member is not the same as ``null``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError

from gateway.adapters.mqtt.json_payload import ARRAY, OBJECT
from gateway.domain.sample import Raw
from gateway.errors import SourceRefused

PATH_CHARS_MAX: Final = 200


class _Missing:
    """The path leads nowhere; JSON ``null`` is something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
Getter: TypeAlias = Callable[[Any], Any]


def compile_path(path: str) -> Getter:
    """Return a function from a parsed payload to what stands at ``path``, or MISSING; raise `SourceRefused` (MAP-01, MAP-02)."""
    if len(path) > PATH_CHARS_MAX:
        raise _refused(path, f"longer than {PATH_CHARS_MAX} characters", "MAP-02")
    try:
        tree: Any = jmespath.compile(path).parsed
    except JMESPathError as error:
        raise _refused(path, str(error).splitlines()[0], "MAP-01") from error
    return _compile(tree, path)


def plain_name(path: str) -> str | None:
    """Return the member name when ``path`` is nothing but one name: the hot path needs no call for it."""
    try:
        tree = jmespath.compile(path).parsed
    except JMESPathError:
        return None
    return str(tree["value"]) if tree["type"] == "field" else None


def _compile(node: dict[str, Any], path: str) -> Getter:
    kind, children = node["type"], node["children"]
    if kind in {"current", "identity"}:
        return _same
    if kind == "field":
        return _member(node["value"])
    if kind == "index":
        return _index(node["value"])
    if kind in {"subexpression", "pipe", "index_expression"}:
        return _chain([_compile(child, path) for child in children])
    if kind == "filter_projection":
        left, right, test = children
        return _filter(_compile(left, path), _compile(right, path), _test(test, path))
    raise _refused(path, f"{kind.replace('_', ' ')} is not allowed in a mapping", "MAP-02")


def _same(tree: Any) -> Any:
    return tree


def _member(name: str) -> Getter:
    def get(tree: Any) -> Any:
        return tree.get(name, MISSING) if type(tree) is OBJECT else MISSING

    return get


def _index(place: int) -> Getter:
    def get(tree: Any) -> Any:
        return tree[place] if type(tree) is ARRAY and -len(tree) <= place < len(tree) else MISSING

    return get


def _chain(steps: list[Getter]) -> Getter:
    def get(tree: Any) -> Any:
        for step in steps:
            tree = step(tree)
        return tree

    return get


def _filter(left: Getter, right: Getter, keep: Callable[[Any], bool]) -> Getter:
    def get(tree: Any) -> Any:
        found = left(tree)
        if type(found) is not ARRAY:
            return MISSING
        parts = (right(one) for one in found if keep(one))
        return [part for part in parts if part is not MISSING]

    return get


def _test(node: dict[str, Any], path: str) -> Callable[[Any], bool]:
    if node["type"] != "comparator" or node["value"] not in {"eq", "ne"}:
        raise _refused(path, "a filter compares with == or !=", "MAP-02")
    sides = node["children"]
    literals = [side for side in sides if side["type"] == "literal"]
    if len(literals) != 1:
        raise _refused(path, "a filter compares a member with text or an integer", "MAP-02")
    wanted = literals[0]["value"]
    if isinstance(wanted, bool) or not isinstance(wanted, str | int):
        raise _refused(path, f"a filter compares with text or an integer, not {wanted!r}", "MAP-02")
    member = _compile(next(side for side in sides if side is not literals[0]), path)
    number = Raw("num", str(wanted)) if isinstance(wanted, int) else None
    equal = node["value"] == "eq"

    def keep(tree: Any) -> bool:
        found = member(tree)
        same = found == number if number is not None else (type(found) is str and found == wanted)
        return same is equal

    return keep


def _refused(path: str, problem: str, code: str) -> SourceRefused:
    return SourceRefused(
        f"payload path {path!r}: {problem}", code=code, remedy="use names, [index], | and [?name=='text'] only"
    )
