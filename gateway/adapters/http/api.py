"""REST API (`interface.md` 4): routes, scopes, idempotency; everything a route answers stands in the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.adapters.http.bodies import BatchEventBody
from gateway.adapters.http.desk import BatchDesk, Health
from gateway.adapters.http.problems import Problem, answer, of_error
from gateway.adapters.machine_accounts import MachineAccount, MachineAccounts
from gateway.errors import GatewayError

BODY_BYTES_MAX = 1_048_576
KEY_LENGTH_MAX = 64
LIST_MAX = 1_000

Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The routes under `/api/v1`. ``now_ns`` is the wall clock, ``new_id`` makes request ids."""

    def __init__(
        self,
        accounts: MachineAccounts,
        batches: BatchDesk,
        health: Health,
        *,
        now_ns: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._accounts = accounts
        self._batches = batches
        self._health = health
        self._now_ns = now_ns
        self._new_id = new_id

    def application(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/api/v1/batches", self._guard(self._list), methods=["GET"]),
            Route("/api/v1/batches/{batch}", self._guard(self._show), methods=["GET"]),
            Route("/api/v1/batches/{batch}/events", self._guard(self._event), methods=["POST"]),
            Route("/api/v1/batches/{batch}/bundle.zip", self._guard(self._bundle), methods=["GET"]),
            Route("/api/v1/signals", self._guard(self._signals), methods=["GET"]),
            Route("/api/v1/health", self._guard(self._health_report), methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self._http_error})

    def _guard(self, handler: Handler) -> Handler:
        """Give each request an id and turn what is refused into a problem."""

        async def guarded(request: Request) -> Response:
            request.state.request_id = self._new_id()
            try:
                return await handler(request)
            except Problem as problem:
                return answer(request, problem)
            except GatewayError as error:
                return answer(request, of_error(error))

        return guarded

    async def _http_error(self, request: Request, error: Exception) -> Response:
        request.state.request_id = self._new_id()
        status = error.status_code if isinstance(error, HTTPException) else 500
        return answer(request, Problem(status, "no such route", str(error)))

    async def _allow(self, request: Request, operation: str) -> MachineAccount:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        account = self._accounts.find(token.strip(), self._now_ns()) if scheme.lower() == "bearer" else None
        if account is None:
            await self._batches.refused(operation, "unknown", _terminal(request), "ACC-001")
            raise Problem(
                401,
                "sign-in failed",
                "a machine account's token is needed: Authorization: Bearer gwt_…",
                code="ACC-001",
                remedy="gateway user add --machine --scope batch.start,batch.end",
            )
        if operation not in account.scopes:
            await self._batches.refused(operation, account.person, _terminal(request), "ACC-002")
            raise Problem(403, "not permitted", f"not permitted: {account.person} may not {operation}", code="ACC-002")
        return account

    async def _list(self, request: Request) -> Response:
        await self._allow(request, "batch.read")
        query = request.query_params
        for name in query:
            if name not in {"open", "equipment"}:
                raise Problem(422, "not understood", f"unknown query field {name!r}: open and equipment are known")
        items = self._batches.all(open_only=query.get("open") == "true", node=query.get("equipment"))
        return JSONResponse({"items": items[:LIST_MAX], "next": None, "as_of": self._health.report()["ledger"]})

    async def _show(self, request: Request) -> Response:
        await self._allow(request, "batch.read")
        return JSONResponse(self._found(request))

    async def _event(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        if not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
            raise Problem(
                422,
                "not understood",
                f"Idempotency-Key is mandatory: 1 to {KEY_LENGTH_MAX} printable characters",
                remedy="send a new key for each event and the same one on a retry",
            )
        body = await _body(request)
        account = await self._allow(request, f"batch.{body.event}")
        batch = request.path_params["batch"]
        told, repeated = await self._batches.record(batch, body, key, account, _terminal(request))
        return JSONResponse(told, 201, {"Idempotency-Replayed": "true"} if repeated else None)

    async def _bundle(self, request: Request) -> Response:
        account = await self._allow(request, "bundle.export")
        self._found(request)
        content = await self._batches.bundle(request.path_params["batch"], account, _terminal(request))
        return Response(content, media_type="application/zip", headers={"cache-control": "no-store"})

    async def _signals(self, request: Request) -> Response:
        await self._allow(request, "live.read")
        return JSONResponse({"items": self._health.signals(), "next": None})

    async def _health_report(self, request: Request) -> Response:
        await self._allow(request, "health.read")
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
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    return Starlette(routes=[Route("/metrics", metrics), Route("/live", live), Route("/ready", ready)])


async def _body(request: Request) -> BatchEventBody:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            raise Problem(413, "too large", f"a body may have {BODY_BYTES_MAX:,} bytes")
    try:
        return BatchEventBody.model_validate_json(bytes(received))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/" + "/".join(str(part) for part in first["loc"])
        raise Problem(422, "not understood", f"{where}: {first['msg']}") from error


def _terminal(request: Request) -> str:
    return request.client.host if request.client is not None else "control.sock"
