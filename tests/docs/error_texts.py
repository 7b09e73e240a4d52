"""Every error the product raises, read from its source: class, code, text and remedy, with `…` where a value stands."""

from __future__ import annotations

import ast
import functools
import inspect
from typing import NamedTuple

from gateway import errors
from tests.house.tree import python_files
from tests.paths import ROOT

EXIT = {
    name: found.exit_code
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.GatewayError)
}
"""Error classes with their exit codes."""
WHAT = {"LedgerDoubt": "halts the gateway", "SourceRefused": "ends one source", "DiskFull": "stops acknowledgement"}
"""What those do that end no command."""


class ErrorText(NamedTuple):
    """One place that raises."""

    file: str
    line: int
    kind: str
    code: str
    text: str
    remedy: str


@functools.cache
def error_texts() -> list[ErrorText]:
    """Return all places of the product that make an error of the tree."""
    found = []
    for path in python_files("gateway"):
        if "standalone" in path.parts or path.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EXIT:
                given = {word.arg: word.value for word in node.keywords if word.arg is not None}
                text = _shown(node.args[0]) if node.args else _shown(given.get("text"))
                code, remedy = _shown(given.get("code")), _shown(given.get("remedy"))
                place = str(path.relative_to(ROOT))
                found.append(ErrorText(place, node.lineno, node.func.id, code, text, remedy))
    return found


def _shown(node: ast.expr | None) -> str:
    """Return a text as written; what is computed is `…`."""
    if node is None:
        return ""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_shown(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _shown(node.left) + _shown(node.right)
    if isinstance(node, ast.IfExp):
        return f"{_shown(node.body)} / {_shown(node.orelse)}"
    return "…"
