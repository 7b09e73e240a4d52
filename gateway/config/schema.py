"""Schema: JSON Schema 2020-12 of every configuration file, generated from the models; editors read it as it is."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from gateway.config.models.clients import ClientsFile
from gateway.config.models.gateway import GatewayFile
from gateway.config.models.limits import LimitsFile
from gateway.config.models.plant import PlantFile
from gateway.config.models.profile import ProfileFile, SignalBlock
from gateway.config.tree import as_block, as_list

KINDS: dict[str, type[BaseModel]] = {
    "gateway": GatewayFile,
    "plant": PlantFile,
    "limits": LimitsFile,
    "clients": ClientsFile,
    "profile": ProfileFile,
}
"""Kind of file -> its model."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """Return the schema of one kind, served at ``/schema/<kind>/1.json``."""
    found = KINDS[kind].model_json_schema(by_alias=True)
    if kind == "profile":
        _open_defaults(found)
    whole: dict[str, Any] = _without_null(found)
    return {"$schema": DIALECT, "$id": f"urn:gxp:gateway:schema:{kind}:1", **whole}


def _without_null(schema: Any) -> Any:
    """Leave out null and defaults of null: a key without a value is refused, an absent one has its default."""
    block, items = as_block(schema), as_list(schema)
    if items is not None:
        return [_without_null(item) for item in items]
    if block is None:
        return schema
    found: dict[str, Any] = {
        key: _without_null(value) for key, value in block.items() if not (key == "default" and _is_bare(value))
    }
    options = [option for option in found.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1 and len(found["anyOf"]) > 1:
        del found["anyOf"]
        return {**options[0], **found}
    if options:
        found["anyOf"] = options
    return found


def _is_bare(value: Any) -> bool:
    """Tell whether a default says nothing to a reader: null, or a block, whose keys have their own."""
    return value is None or isinstance(value, dict)


def _open_defaults(schema: dict[str, Any]) -> None:
    """A signal may leave to ``defaults`` what it shares, so in the editor no key of a signal is mandatory by itself."""
    definitions = schema["$defs"]
    partial = {key: value for key, value in definitions[SignalBlock.__name__].items() if key != "required"}
    definitions["SignalDefaults"] = {**partial, "title": "SignalDefaults"}
    for name in (SignalBlock.__name__, "Acquire", "Use"):
        definitions[name].pop("required", None)
    units = definitions["UnitsBlock"]
    definitions["UnitsBlock"] = {"anyOf": [units, {"type": "string", "description": "Short form: the recorded unit."}]}
    defaults = schema["properties"]["defaults"]
    schema["properties"]["defaults"] = {
        "description": defaults.get("description", ""),
        "$ref": "#/$defs/SignalDefaults",
    }


def format_schema(kind: str) -> str:
    """Return the schema as it is committed: two spaces, one line end."""
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"
