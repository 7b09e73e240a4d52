"""REST API (`interface.md` 4): routes, scopes, idempotency; everything a route answers stands in the ledger."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.status import HTTP_404_NOT_FOUND, HTTP_405_METHOD_NOT_ALLOWED

from gateway.adapters.http.backup_routes import BackupDesk, BackupRoutes
from gateway.adapters.http.bodies import BatchEventBody
from gateway.adapters.http.condition_routes import ConditionRoutes
from gateway.adapters.http.delivery_routes import DeliveryRoutes
from gateway.adapters.http.desk import (
    BatchDesk,
    ConditionDesk,
    DeliveryDesk,
    DisposalDesk,
    EvidenceDesk,
    Health,
    LogDesk,
)
from gateway.adapters.http.gate import Gate, idempotency_key, query_of, read_body, terminal
from gateway.adapters.http.key_routes import KeyDesk, KeyRoutes
from gateway.adapters.http.ledger_routes import LedgerRoutes
from gateway.adapters.http.log_routes import LogRoutes
from gateway.adapters.http.problems import Problem, answer

LIST_MAX = 1_000
ROUTES = "docs/reference/rest.md lists the routes; an id goes into an address percent-encoded"


class Api:
    """The routes under `/api/v1`, `/evidence` and `/log`."""

    def __init__(
        self,
        gate: Gate,
        batches: BatchDesk,
        deliveries: DeliveryDesk,
        conditions: ConditionDesk,
        evidence: EvidenceDesk,
        health: Health,
        log: LogDesk,
        backups: BackupDesk,
        keys: KeyDesk,
        disposal: DisposalDesk,
        *,
        open_tree: bool = False,
    ) -> None:
        self._gate = gate
        self._batches = batches
        self._health = health
        self._others = [
            *DeliveryRoutes(gate, deliveries).routes(),
            *ConditionRoutes(gate, conditions, evidence).routes(),
            *LogRoutes(gate, log, open_tree=open_tree).routes(),
            *BackupRoutes(gate, backups).routes(),
            *KeyRoutes(gate, keys).routes(),
            *LedgerRoutes(gate, disposal).routes(),
        ]

    def application(self) -> Starlette:
        """Return the ASGI application."""
        guard = self._gate.guard
        routes = [
            Route("/api/v1/batches", guard(self._list), methods=["GET"]),
            # ids of batches may hold a slash, which arrives decoded: what stands behind the id is looked for first
            Route("/api/v1/batches/{batch:path}/events", guard(self._event), methods=["POST"]),
            Route("/api/v1/batches/{batch:path}/bundle.zip", guard(self._bundle), methods=["GET"]),
            Route("/api/v1/batches/{batch:path}", guard(self._show), methods=["GET"]),
            Route("/api/v1/signals", guard(self._signals), methods=["GET"]),
            Route("/api/v1/health", guard(self._health_report), methods=["GET"]),
            *self._others,
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self._http_error})

    async def _http_error(self, request: Request, error: Exception) -> Response:
        self._gate.number(request)
        status = error.status_code if isinstance(error, HTTPException) else 500
        asked = f"{request.method} {request.url.path}"
        if status == HTTP_404_NOT_FOUND:
            return answer(request, Problem(status, "no such route", f"nothing answers {asked}", remedy=ROUTES))
        if status == HTTP_405_METHOD_NOT_ALLOWED:
            problem = Problem(status, "no such route", f"{asked}: this address takes another method", remedy=ROUTES)
            return answer(request, problem, dict(getattr(error, "headers", None) or {}))
        return answer(request, Problem(status, "no such route", str(error)))

    async def _list(self, request: Request) -> Response:
        await self._gate.allow(request, "batch.read")
        query = query_of(request, "open", "equipment")
        items = self._batches.all(open_only=query.get("open") == "true", node=query.get("equipment"))
        return JSONResponse({"items": items[:LIST_MAX], "next": None, "as_of": self._health.report()["ledger"]})

    async def _show(self, request: Request) -> Response:
        await self._gate.allow(request, "batch.read")
        return JSONResponse(self._found(request))

    async def _event(self, request: Request) -> Response:
        key = idempotency_key(request)
        body = await read_body(request, BatchEventBody)
        account = await self._gate.allow(request, f"batch.{body.event}")
        batch = request.path_params["batch"]
        told, repeated = await self._batches.record(batch, body, key, account, terminal(request))
        return JSONResponse(told, 201, {"Idempotency-Replayed": "true"} if repeated else None)

    async def _bundle(self, request: Request) -> Response:
        account = await self._gate.allow(request, "bundle.export")
        self._found(request)
        content = await self._batches.bundle(request.path_params["batch"], account, terminal(request))
        return Response(content, media_type="application/zip", headers={"cache-control": "no-store"})

    async def _signals(self, request: Request) -> Response:
        await self._gate.allow(request, "live.read")
        return JSONResponse({"items": self._health.signals(), "next": None})

    async def _health_report(self, request: Request) -> Response:
        await self._gate.allow(request, "health.read")
        return JSONResponse(dict(self._health.report()))

    def _found(self, request: Request) -> dict[str, Any]:
        batch = request.path_params["batch"]
        found = self._batches.show(batch)
        if found is None:
            raise Problem(404, "no such batch", f"no batch {batch!r}", remedy="gateway batch list")
        return found


def telemetry_application(health: Health) -> Starlette:
    """Return `/metrics`, `/live`, `/ready` (`interface.md` 6)."""

    async def metrics(_: Request) -> Response:
        return Response(health.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True}) if health.live() else JSONResponse({"live": False}, 503)

    async def ready(_: Request) -> Response:
        reasons = health.ready()
        told = {"ready": not reasons, "reasons": reasons, "conditions": health.conditions()}
        return JSONResponse(told, 503 if reasons else 200)

    return Starlette(routes=[Route("/metrics", metrics), Route("/live", live), Route("/ready", ready)])
