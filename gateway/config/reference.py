"""Reference: the page of every configuration key, written from the models, so that no key is without its row."""

from __future__ import annotations

from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config.models.types import Check
from gateway.config.schema import KINDS
from gateway.config.tree import as_list

FILES = {
    "gateway": "config/gateway.yaml",
    "plant": "config/plant.yaml",
    "limits": "config/limits/*.yaml",
    "clients": "config/clients.yaml",
    "profile": "device_profiles/<vendor>/<model>/profile.yaml",
}

_HEAD = """\
# Configuration: every file, every key

Written from the models by `python -m gateway.config.reference`; a test compares. What is refused and how it is said:
`gateway check`. The JSON Schemas that editors use lie in `config/schema/`.

All files are YAML 1.2, UTF-8, at most 256 kB, and begin with `format: <kind>/1`. Duplicate and unknown keys, anchors, tags and
keys without a value are errors. Numbers keep the digits that were typed; keys are text; dates, times, `yes`, `no` and `off` are
text. Secrets are references: `env:NAME`, `file:PATH` (readable for its owner alone), `cred:NAME` (systemd credential). Relative
paths start at the configuration folder. `!` marks a key that must be there.
"""


def format_reference() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for kind, model in KINDS.items():
        parts.append(f"\n## {kind}/1: `{FILES[kind]}`\n\n{model.__doc__ or ''}\n")
        done: list[type[BaseModel]] = []
        queue: list[tuple[str, type[BaseModel]]] = [("", model)]
        while queue:
            path, block = queue.pop(0)
            if block in done:
                continue
            done.append(block)
            parts.append(_table(path, block))
            queue[:0] = [(_join(path, key, field), inner) for key, field, inner in _blocks(block)]
    return "".join(parts)


def _fields(block: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in block.model_fields.items()]


def _blocks(block: type[BaseModel]) -> list[tuple[str, FieldInfo, type[BaseModel]]]:
    found: list[tuple[str, FieldInfo, type[BaseModel]]] = []
    for key, field in _fields(block):
        inner = _model_in(field.annotation)
        if inner is not None:
            found.append((key, field, inner))
    return found


def _join(path: str, key: str, field: FieldInfo) -> str:
    name = f"{path}.{key}".lstrip(".")
    return f"{name}.<id>" if _is_map(field.annotation) else name


def _is_map(annotation: Any) -> bool:
    return _strip(annotation) is dict or get_origin(_strip(annotation)) is dict


def _strip(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        options = [option for option in get_args(annotation) if option is not type(None)]
        return _strip(options[0]) if len(options) == 1 else annotation
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the block that a key holds, alone, in a list or in a map."""
    bare = _strip(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return bare
    for option in get_args(bare):
        found = _model_in(option)
        if found is not None:
            return found
    return None


def _table(path: str, block: type[BaseModel]) -> str:
    title = f"\n### {path}\n\n{block.__doc__ or ''}\n" if path else ""
    rows = [
        f"| `{key}`{'!' if field.is_required() else ''} | {_words(field)} | {_default(field)} | {_text(field)} |"
        for key, field in _fields(block)
    ]
    return f"{title}\n| key | takes | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("\n", " ").replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel) or value in ([], {}):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    items = as_list(value)
    if items is not None:
        return ", ".join(str(item) for item in items)
    return str(value)


def _words(field: FieldInfo) -> str:
    for item in field.metadata:
        if isinstance(item, Check):
            return item.expected.replace("|", "\\|")
    return _words_of(field.annotation).replace("|", "\\|")


def _arguments(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)


def _is_block(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _words_of(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        for item in get_args(annotation)[1:]:
            if isinstance(item, Check):
                return item.expected
        return _words_of(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(_words_of(option) for option in get_args(annotation) if option is not type(None))
    if get_origin(annotation) is list:
        return f"list of {_words_of(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        key, value = _arguments(annotation)
        return f"map: {'text' if key is str else _words_of(key)} → {_words_of(value)}"
    if _is_block(annotation):
        return "block"
    names: dict[Any, str] = {int: "a whole number", str: "text", bool: "true or false", Decimal: "a number", Any: "any"}
    return names.get(annotation) or str(annotation)


if __name__ == "__main__":
    import sys

    sys.stdout.write(format_reference())
