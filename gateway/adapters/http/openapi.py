"""OpenAPI 3.1 of the REST API, built from the pydantic models; `docs/formats/openapi.json` is this, committed.

Nothing imports it while the gateway runs: it costs start time and says nothing that the routes do not do.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.adapters.http import answers, bodies

VERSION: Final = "1"
ZIP: Final = "application/zip"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"
REFUSALS: Final = {
    "401": "no account",
    "403": "the account may not",
    "404": "there is none",
    "409": "a rule refuses it in the present state",
    "422": "not understood",
    "503": "halted or unavailable",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: who may (empty: any account), what it takes, what it answers; ``answer`` None: bytes of ``media``."""

    method: str
    path: str
    scope: str
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    status: str = "200"
    media: str = ZIP


OPERATIONS: Final = (
    Operation("get", "/api/v1/batches", "batch.read", "List batches", answers.BatchList, query=("open", "equipment")),
    Operation("get", "/api/v1/batches/{batch}", "batch.read", "Show a batch", answers.BatchAnswer),
    Operation(
        "post",
        "/api/v1/batches/{batch}/events",
        "batch.{event}",
        "Record an event of a batch",
        answers.BatchEventAnswer,
        bodies.BatchEventBody,
        status="201",
    ),
    Operation("get", "/api/v1/batches/{batch}/bundle.zip", "bundle.export", "Export a batch with its proofs", None),
    Operation("get", "/api/v1/signals", "live.read", "List signals", answers.SignalList),
    Operation("get", "/api/v1/health", "health.read", "What the gateway says of itself", answers.HealthAnswer),
    Operation("get", "/api/v1/deliveries", "delivery.read", "List deliveries", answers.DeliveryList, query=("failed",)),
    Operation("get", "/api/v1/deliveries/{delivery}", "delivery.read", "Show a delivery", answers.DeliveryAnswer),
    Operation(
        "post",
        "/api/v1/deliveries/{delivery}/replay",
        "hook.replay",
        "Send an event again, or a copy elsewhere",
        answers.ReplayAnswer,
        bodies.ReplayBody,
    ),
    Operation(
        "post",
        "/api/v1/operations/hook.test",
        "hook.test",
        "Post a ping to a sink",
        answers.HookTestAnswer,
        bodies.HookTestBody,
    ),
    Operation(
        "post",
        "/api/v1/operations/hook.replay",
        "hook.replay",
        "Send dead letters, or all events since a time, again",
        answers.ReplayFailedAnswer,
        bodies.HookReplayBody,
    ),
    Operation(
        "post",
        "/api/v1/operations/key.rotate",
        "key.rotate",
        "Enter a new key beside the one in force",
        answers.KeyRotateAnswer,
        bodies.KeyRotateBody,
    ),
    Operation(
        "post",
        "/api/v1/operations/key.revoke",
        "key.revoke",
        "End a key for every larger tree",
        answers.KeyRevokeAnswer,
        bodies.KeyRevokeBody,
    ),
    Operation(
        "post",
        "/api/v1/operations/ledger.prune",
        "ledger.prune",
        "Dispose of the records that no retention rule keeps",
        answers.PruneAnswer,
        bodies.PruneBody,
    ),
    Operation("get", "/api/v1/excursions", "live.read", "List excursions", answers.ExcursionList, query=("open",)),
    Operation("get", "/api/v1/excursions/{excursion}", "live.read", "Show an excursion", answers.ExcursionAnswer),
    Operation(
        "get", "/api/v1/excursions/{excursion}/bundle.zip", "bundle.export", "Export an excursion with its proofs", None
    ),
    Operation(
        "get",
        "/api/v1/readings/bundle.zip",
        "bundle.export",
        "Export signals over a stretch of effective time, with proofs",
        None,
        query=("signal", "from:time", "to:time"),
    ),
    Operation("get", "/api/v1/deviations", "batch.read", "List deviations", answers.DeviationList, query=("open",)),
    Operation("get", "/api/v1/deviations/{deviation}", "batch.read", "Show a deviation", answers.DeviationAnswer),
    Operation("get", "/evidence/{digest}.zip", "bundle.export", "The bundle that an event names by its hash", None),
    Operation(
        "post",
        "/api/v1/operations/backup",
        "backup",
        "Begin a backup",
        answers.BackupAnswer,
        bodies.BackupBody,
    ),
    Operation("get", "/api/v1/backup", "backup", "How far the backup is", answers.BackupAnswer),
    Operation("get", "/log/checkpoint", "", "The published checkpoint, a signed note", None, media=TEXT),
    Operation("get", "/log/policy", "", "Keys and witnesses of the log, a tlog-policy", None, media=TEXT),
    Operation(
        "get",
        "/log/consistency",
        "",
        "Proof that the tree of one size begins that of another, base64 lines",
        None,
        query=("from", "to"),
        media=TEXT,
    ),
    Operation("get", "/log/tile/{tile}", "", "A tile of tlog-tiles, full or partial", None, media=BYTES),
    Operation(
        "get",
        "/log/segments/{first}",
        "bundle.export",
        "Segment file from an offset",
        None,
        query=("offset",),
        media=BYTES,
    ),
    Operation("get", "/log/blob/{digest}", "bundle.export", "A side object by its SHA-256", None, media=BYTES),
    Operation("get", "/log/cp/{size}", "bundle.export", "The note that was time-stamped", None, media=BYTES),
    Operation("get", "/log/cp/{size}.tsr", "bundle.export", "Its time stamp, as it came", None, media=BYTES),
)
_QUERY: Final = {
    "open": {"type": "string", "enum": ["true", "false"]},
    "failed": {"type": "string", "enum": ["true", "false"]},
    "equipment": {"type": "string"},
    "from": {"type": "integer", "minimum": 0},
    "to": {"type": "integer", "minimum": 0},
    "offset": {"type": "integer", "minimum": 0},
    "signal": {"type": "array", "items": {"type": "string"}},
    "from:time": {"type": "string", "format": "date-time"},
    "to:time": {"type": "string", "format": "date-time"},
}
_ANY: Final = "any account; none where `http.open_tree` is true (entry bundles: `bundle.export`)"


def document() -> dict[str, Any]:
    """Return the whole description."""
    models: dict[type[BaseModel], str] = {answers.Problem: "serialization"}
    for one in OPERATIONS:
        if one.answer is not None:
            models[one.answer] = "serialization"
        if one.body is not None:
            models[one.body] = "validation"
    pairs: Any = list(models.items())
    names, schemas = models_json_schema(pairs, ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway REST API",
            "version": VERSION,
            "description": "Times are RFC 3339 with Z, to the nanosecond. A scope is an operation id.",
        },
        "security": [{"machine": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "machine": {"type": "http", "scheme": "bearer", "description": "gwt_ and 64 hex digits"}
            },
            "schemas": dict(sorted(schemas["$defs"].items())),
        },
    }


def format_document() -> str:
    """Return the description as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _operation(one: Operation, names: Any) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{([a-z]+)}", one.path)
    ]
    parameters += [{"name": name.partition(":")[0], "in": "query", "schema": _QUERY[name]} for name in one.query]
    if one.method == "post":
        key = {"type": "string", "minLength": 1, "maxLength": 64}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": key})
    problem = {"application/problem+json": {"schema": names[answers.Problem, "serialization"]}}
    content: dict[str, Any] = {one.media: {}}
    if one.answer is not None:
        content = {"application/json": {"schema": names[one.answer, "serialization"]}}
    told: dict[str, Any] = {
        "operationId": f"{one.method} {one.path}",
        "summary": one.summary,
        "description": f"Scope: `{one.scope}`." if one.scope else f"Scope: {_ANY}.",
        "parameters": parameters,
        "responses": {
            one.status: {"description": "done", "content": content},
            **{status: {"description": text, "content": problem} for status, text in REFUSALS.items()},
        },
    }
    if one.body is not None:
        schema = names[one.body, "validation"]
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return told
