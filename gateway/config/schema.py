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
    return {"$schema": DIALECT, "$id": f"urn:gxp:gateway:schema:{kind}:1", **found}


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
