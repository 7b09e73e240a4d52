"""Validate: a file's tree against its model, every complaint with its place, its words and the key that was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gateway.config.findings import Finding, Place, finding
from gateway.config.models.types import shown
from gateway.config.nearest import did_you_mean, nearest
from gateway.config.tree import as_block, as_list
from gateway.config.yaml_file import Path, YamlFile, dotted

M = TypeVar("M", bound=BaseModel)

_FORMAT = re.compile(r"([a-z]+)/([0-9]+)")
_SECRET_KEY = re.compile(r"pass|secret|token|pin\b|key", re.IGNORECASE)
_WORDS = {
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "dict_type": "a block of keys",
    "list_type": "a list",
    "int_type": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
}


def validate(file: YamlFile, model: type[M], tree: Any = None) -> M | None:
    """Return the file as a model, or None with the reasons added to its findings.

    ``tree`` is the file's own unless defaults were merged into it; places are then sought in ``defaults`` as well.
    """
    tree = file.tree if tree is None else tree
    block = as_block(tree)
    if block is None:
        file.findings.append(finding("SCH-03", file.place(()), "", f"{shown(tree)} is not a block of keys"))
        return None
    empty = [path for path, value in _leaves(tree, ()) if value is None]
    for path in empty:
        at = _path_in(tree, path, file)
        file.findings.append(
            finding("SCH-03", file.key_place(at), dotted(at), "nothing is not a value: give one or leave the key out")
        )
    if empty:
        return None
    newer = _newer_format(file, block, model)
    if newer is not None:
        file.findings.append(newer)
        return None
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        seen: set[tuple[str, Place]] = set()
        for item in error.errors(include_url=False, include_input=True):
            found = _finding(file, model, tree, item)
            key = (found.id, Place(found.file, found.line, found.column, found.end_column))
            if key not in seen or found.id == "SCH-02":
                seen.add(key)
                file.findings.append(found)
        return None


def _leaves(tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every scalar with its path: a key without a value must not pass for its default."""
    block, items = as_block(tree), as_list(tree)
    if block is not None:
        for key, value in block.items():
            yield from _leaves(value, (*path, key))
    elif items is not None:
        for index, value in enumerate(items):
            yield from _leaves(value, (*path, index))
    else:
        yield path, tree


def _newer_format(file: YamlFile, tree: Mapping[str, Any], model: type[BaseModel]) -> Finding | None:
    """Refuse a file of a later version before its unknown keys are held against it (SCH-04)."""
    known = str(get_args(_bare(model.model_fields["format"].annotation))[0])
    found = tree.get("format")
    match = _FORMAT.fullmatch(found) if isinstance(found, str) else None
    if match is None or found == known:
        return None
    kind, version = known.split("/")
    if match[1] == kind and int(match[2]) > int(version):
        message = f"format '{found}' is newer than '{known}': update the gateway"
        return finding("SCH-04", file.place(("format",)), "format", message)
    return None


def _finding(file: YamlFile, model: type[BaseModel], tree: Any, item: Any) -> Finding:
    """Turn one complaint of pydantic into a finding."""
    kind, location = str(item["type"]), _path_in(tree, item["loc"], file)
    context: dict[str, Any] = item.get("ctx") or {}
    if kind == "extra_forbidden":
        near = nearest(str(location[-1]), known_keys(model, location[:-1]))
        if _SECRET_KEY.search(f"{location[-1]} {near}"):
            file.masked.append(file.place(location))
        message = f"unknown key '{location[-1]}'{did_you_mean(near)}"
        return finding("SCH-01", file.key_place(location), dotted(location), message, suggestion=near)
    if kind == "missing":
        key = str(item["loc"][-1])
        message = f"missing key '{key}': {meaning(model, (*location, key)) or 'it has no default'}"
        return finding("SCH-02", file.key_place(location), dotted((*location, key)), message)
    if kind in {"SCH-02", "SCH-03", "SEC-01", "SEC-04"}:
        place = file.key_place(location) if kind == "SCH-02" or item["loc"][-1:] == ("[key]",) else file.place(location)
        if kind in {"SEC-01", "SEC-04"}:
            file.masked.append(place)
        return finding(kind, place, dotted(location), str(item["msg"]))
    if kind in {"too_short", "too_long"}:
        bound, few = (context["min_length"], "or more") if kind == "too_short" else (context["max_length"], "or fewer")
        message = f"a list of {context.get('actual_length')} is not a list of {bound} {few}"
        return finding("SCH-03", file.place(location), dotted(location), message)
    expected = _WORDS.get(kind, str(item["msg"]))
    return finding("SCH-03", file.place(location), dotted(location), f"{shown(item['input'])} is not {expected}")


def _path_in(tree: Any, location: tuple[str | int, ...], file: YamlFile) -> Path:
    """Return the part of pydantic's location that exists in the tree; merged defaults point into ``defaults``."""
    path: Path = ()
    at: Any = tree
    for part in location:
        block, items = as_block(at), as_list(at)
        if block is not None and isinstance(part, str) and part in block:
            at = block[part]
        elif items is not None and isinstance(part, int) and part < len(items):
            at = items[part]
        else:
            continue
        path = (*path, part)
    if path not in file.values and path[:1] == ("signals",):
        inherited: Path = ("defaults", *path[2:])
        if inherited in file.values:
            return inherited
    return path


def _bare(annotation: Any) -> Any:
    """Return an annotation without Annotated and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        for option in get_args(annotation):
            bare = _bare(option)
            if isinstance(bare, type) and issubclass(bare, BaseModel):
                return bare
        return _bare(next(option for option in get_args(annotation) if option is not type(None)))
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    """Return the annotation one key deeper, None where nothing is known."""
    bare = _bare(annotation)
    origin = get_origin(bare)
    if origin is dict:
        return get_args(bare)[1]
    if origin is list:
        return get_args(bare)[0]
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        for name, field in bare.model_fields.items():
            if (field.alias or name) == part:
                return field.annotation
    return None


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model of the block at ``path``."""
    if path[:1] == ("defaults",) and "signals" in model.model_fields:
        path = ("signals", "any", *path[1:])
    annotation: Any = model
    for part in path:
        annotation = _step(annotation, part)
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def known_keys(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """Return the keys that the block at ``path`` may have."""
    block = model_at(model, path)
    return () if block is None else tuple(field.alias or name for name, field in block.model_fields.items())


def meaning(model: type[BaseModel], path: Path) -> str:
    """Return what the key at ``path`` means, in the words of its model; empty if it is unknown."""
    block = model_at(model, path[:-1])
    if block is None:
        return ""
    for name, field in block.model_fields.items():
        if (field.alias or name) == path[-1]:
            return (field.description or "").replace("\n", " ").rstrip(".")
    return ""
