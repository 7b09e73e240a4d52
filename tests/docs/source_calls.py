"""Calls with constant arguments, read from the source: routes of the API and figures of the telemetry."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from tests.house.tree import python_files


class RouteAt(NamedTuple):
    """One route: method, path, the operation a token must be scoped to (empty: none is asked), the command that serves it."""

    method: str
    path: str
    operation: str
    served_by: str


class FigureAt(NamedTuple):
    """One metric as Prometheus shows it."""

    name: str
    kind: str
    label: str
    text: str


def routes() -> list[RouteAt]:
    """Return every route of the product in the order of its file."""
    found = []
    for path in python_files("gateway"):
        tree = ast.parse(path.read_text())
        functions = {
            node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for call in _calls(tree, {"Route"}):
            if not call.args or not isinstance(call.args[0], ast.Constant):
                continue
            methods = [
                str(word.value)
                for given in call.keywords
                if given.arg == "methods"
                for word in ast.walk(given.value)
                if isinstance(word, ast.Constant)
            ]
            names = [node.attr for node in ast.walk(call.args[1]) if isinstance(node, ast.Attribute)]
            operations = [_operation(functions[name]) for name in names if name in functions]
            found += [
                RouteAt(
                    method,
                    str(call.args[0].value).replace(":path", ""),
                    next(filter(None, operations), ""),
                    _server(path),
                )
                for method in methods or ["GET"]
            ]
    return found


def figures() -> list[FigureAt]:
    """Return every metric of the product by name."""
    found = []
    for path in python_files("gateway"):
        for call in _calls(ast.parse(path.read_text()), {"Figure", "one", "_one", "_histogram"}):
            words = [str(one.value) if isinstance(one, ast.Constant) else "" for one in call.args]
            if len(words) < 3 or not words[0]:
                continue
            name = _called(call)
            kind = {"Figure": words[2], "_histogram": "histogram"}.get(name, "gauge")
            label = words[4] if name == "Figure" and len(words) > 4 else ""
            suffix = "_total" if kind == "counter" else ""
            found.append(FigureAt(f"gateway_{words[0]}{suffix}", kind, label, words[1]))
    return sorted(set(found))


def _server(path: Path) -> str:
    if "witness" in path.parts:
        return "gateway witness serve"
    return "gateway hook listen" if path.name == "receiver.py" else "gateway run"


def _operation(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    for call in _calls(function, {"allow", "_allow"}):
        given = call.args[1]
        if isinstance(given, ast.Constant):
            return str(given.value)
        if isinstance(given, ast.JoinedStr):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "<event>" for part in given.values)
    return ""


def _calls(tree: ast.AST, names: set[str]) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in names]


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""
