"""Payload path: the small, reviewable part of JMESPath that a profile may use (`profiles.md` 2, MAP-01, MAP-02).

Names, indexes, pipes, filters with ``==`` and ``!=`` on text and integers; at most 200 characters. Everything else is
refused before anything runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jmespath
from jmespath.exceptions import JMESPathError, ParseError

from gateway.config.tree import as_block

LENGTH_MAX = 200

_ALLOWED = frozenset(
    (
        "field",
        "subexpression",
        "index_expression",
        "index",
        "pipe",
        "filter_projection",
        "comparator",
        "literal",
        "identity",
        "current",
    )
)
_NAMES = {
    "function_expression": "a function",
    "projection": "a list projection",
    "value_projection": "a value projection",
    "flatten": "flattening",
    "slice": "a slice",
    "multi_select_list": "a multi-select list",
    "multi_select_dict": "a multi-select hash",
    "or_expression": "||",
    "and_expression": "&&",
    "not_expression": "!",
    "expref": "an expression reference",
}


class PathProblem(NamedTuple):
    """What is wrong with a path: a finding id and its message."""

    id: str
    message: str


def path_problem(path: str) -> PathProblem | None:
    """Return what is wrong with a path, None if it may be used."""
    if len(path) > LENGTH_MAX:
        return PathProblem("MAP-01", f"JMESPath: longer than {LENGTH_MAX} characters at character {LENGTH_MAX + 1}")
    try:
        tree: Any = jmespath.compile(path).parsed
    except ParseError as error:
        problem = str(error.msg) if _absent(error.token_type) else f"unexpected {_token(error)}"
        return PathProblem("MAP-01", f"JMESPath: {problem} at character {int(error.lex_position or 0) + 1}")
    except JMESPathError as error:
        return PathProblem("MAP-01", f"JMESPath: {str(error).splitlines()[0]} at character 1")
    construct = _refused(tree, in_filter=False)
    return PathProblem("MAP-02", f"{construct} is not allowed in a mapping") if construct else None


def _token(error: ParseError) -> str:
    return "end" if _absent(error.token_value) else f"'{error.token_value}'"


def _absent(value: Any) -> bool:
    """Tell whether the parser had nothing to name: an unfinished path."""
    return value is None


def _refused(tree: dict[str, Any], *, in_filter: bool) -> str | None:
    """Return the first construct that is not allowed, in words."""
    kind = tree["type"]
    if kind not in _ALLOWED:
        return _NAMES.get(kind, str(kind).replace("_", " "))
    if kind == "comparator" and tree["value"] not in {"eq", "ne"}:
        return f"the comparison {tree['value']}"
    if kind == "literal":
        if not in_filter:
            return "a literal outside a filter"
        if isinstance(tree["value"], bool) or not isinstance(tree["value"], str | int):
            return "a literal that is neither text nor integer"
    deeper = in_filter or kind == "comparator"
    for child in tree["children"]:
        block = as_block(child)
        if block is not None and (found := _refused(block, in_filter=deeper)):
            return found
    return None
