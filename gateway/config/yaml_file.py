"""YAML file: YAML 1.2 with the place of every key and value, and nothing that hides what is meant.

Duplicate keys, anchors, tags, byte order marks, other encodings and files above 256 kB are findings (YML-01 to YML-04).
Numbers keep their typed decimals (`int`, `Decimal`), map keys are text, dates and times stay text.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.tokens import AliasToken, AnchorToken, DirectiveToken, TagToken

from gateway.config.findings import Finding, Place, finding

BYTES_MAX = 256 * 1024
DEPTH_MAX = 32

Path = tuple[str | int, ...]

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")


class YamlFile(Struct, kw_only=True):
    """One file: its exact bytes, its tree, and the place of every value and key by path."""

    name: str
    content: bytes
    lines: list[str] = []
    tree: Any = None
    values: dict[Path, Place] = {}
    keys: dict[Path, Place] = {}
    findings: list[Finding] = []
    masked: list[Place] = []

    def place(self, path: Path) -> Place:
        """Return the place of the value at ``path``, or of the nearest one above it."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found is not None:
                return found if length == len(path) else self.keys.get(path[:length], found)
        return Place(self.name)

    def key_place(self, path: Path) -> Place:
        """Return the place of the key at ``path`` (of its value in a list)."""
        return self.keys.get(path) or self.place(path)

    def source(self, line: int) -> str | None:
        """Return a line as typed, with stars for what may be a secret that somebody typed in the open."""
        if not 0 < line <= len(self.lines):
            return None
        text = self.lines[line - 1]
        for place in self.masked:
            if place.line == line:
                start, end = place.column - 1, place.end_column - 1
                text = text[:start] + "*" * (end - start) + text[end:]
        return text


def load_yaml(name: str, content: bytes) -> YamlFile:
    """Read one file; whatever is wrong with it is in ``findings`` and then ``tree`` is None."""
    file = YamlFile(name=name, content=content)
    text = _text(file)
    if text is None:
        return file
    file.lines = text.splitlines()
    if not _tokens_allowed(file, text):
        return file
    try:
        node: Any = _reader().compose(text)
        if node is None:
            file.findings.append(_not_yaml(name, "the file is empty"))
            return file
        tree = _value(file, node, ())
    except YAMLError as error:
        file.findings.append(_marked(name, error))
        return file
    except RecursionError:
        file.findings.append(_not_yaml(name, f"nested deeper than {DEPTH_MAX}"))
        return file
    file.tree = None if file.findings else tree
    return file


def _reader() -> Any:
    """Return a fresh YAML 1.2 reader; it keeps state, so each pass has its own."""
    return YAML(typ="safe", pure=True)


def scalar_text(node: Any) -> str:
    """Return the text of a scalar node."""
    return str(node.value)


def _text(file: YamlFile) -> str | None:
    """Check size and encoding, YML-04."""
    content = file.content
    start = Place(file.name)
    if len(content) > BYTES_MAX:
        kilobytes = -(-len(content) // 1024)
        file.findings.append(finding("YML-04", start, "", f"{kilobytes} kB, limit {BYTES_MAX // 1024}"))
        return None
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        file.findings.append(finding("YML-04", start, "", "byte order mark"))
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].split(b"\n")
        column = len(before[-1].decode("utf-8", "replace")) + 1
        place = Place(file.name, len(before), column, column + 1)
        file.findings.append(finding("YML-04", place, "", f"not UTF-8 at byte {error.start}"))
        return None


def _tokens_allowed(file: YamlFile, text: str) -> bool:
    """Refuse anchors, aliases, tags and directives before anything is built from them."""
    try:
        for token in _reader().scan(text):
            if isinstance(token, AnchorToken | AliasToken | TagToken):
                mark, end = token.start_mark, token.end_mark
                place = Place(file.name, mark.line + 1, mark.column + 1, end.column + 1)
                file.findings.append(finding("YML-03", place, "", "anchors and tags are not allowed"))
            elif isinstance(token, DirectiveToken):
                place = Place(file.name, token.start_mark.line + 1, 1, token.end_mark.column + 1)
                file.findings.append(finding("YML-02", place, "", "not YAML 1.2: directives are not allowed"))
    except YAMLError as error:
        file.findings.append(_marked(file.name, error))
    except RecursionError:
        file.findings.append(_not_yaml(file.name, f"nested deeper than {DEPTH_MAX}"))
    return not file.findings


def _not_yaml(name: str, problem: str) -> Finding:
    return finding("YML-02", Place(name), "", f"not YAML 1.2: {problem}")


def _marked(name: str, error: YAMLError) -> Finding:
    problem, place = str(error).split("\n", 1)[0], Place(name)
    if isinstance(error, MarkedYAMLError):
        marked: Any = error
        problem = str(marked.problem or marked.context or "unreadable").replace("\t", "\\t")
        mark = marked.problem_mark or marked.context_mark
        if mark is not None:
            place = Place(name, mark.line + 1, mark.column + 1, mark.column + 2)
    return finding("YML-02", place, "", f"not YAML 1.2: {problem}")


def _place(name: str, node: Any) -> Place:
    start, end = node.start_mark, node.end_mark
    end_column = end.column + 1 if end.line == start.line else start.column + 2
    return Place(name, start.line + 1, start.column + 1, max(end_column, start.column + 2))


def _value(file: YamlFile, node: Any, path: Path) -> Any:
    """Build the value of a node and note its place."""
    file.values[path] = _place(file.name, node)
    if len(path) > DEPTH_MAX:
        raise RecursionError
    kind = node.__class__
    if kind is ScalarNode:
        return scalar(node.value, plain=node.style is None)
    if kind is SequenceNode:
        return [_value(file, item, (*path, index)) for index, item in enumerate(node.value)]
    assert kind is MappingNode
    return _mapping(file, node, path)


def _mapping(file: YamlFile, node: Any, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = _place(file.name, key_node)
        if type(key_node) is not ScalarNode:
            file.findings.append(finding("YML-02", place, dotted(path), "not YAML 1.2: a key must be text"))
            continue
        key = scalar_text(key_node)
        below = (*path, key)
        if key in found:
            first = file.keys[below].line
            message = f"duplicate key '{key}', first on line {first}"
            file.findings.append(finding("YML-01", place, dotted(path), message))
            continue
        file.keys[below] = place
        found[key] = _value(file, value_node, below)
    return found


def scalar(text: str, *, plain: bool) -> Any:
    """Resolve a scalar by the core schema of YAML 1.2; quoted text stays text, numbers keep what was typed."""
    if not plain:
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= 100 else text  # noqa: PLR2004 - a number no machine sends stays text
    if _OCTAL.fullmatch(text):
        return int(text, 0)
    if _HEX.fullmatch(text):
        return int(text, 0)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def dotted(path: Path) -> str:
    """Return a path as people write it: ``rules.temp.signals[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
