"""Routes of deliveries: the list, one of them, a replay, and the test of a sink."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.adapters.http.bodies import HookReplayBody, HookTestBody, ReplayBody
from gateway.adapters.http.desk import DeliveryDesk
from gateway.adapters.http.gate import Gate, query_of, read_body, terminal
from gateway.adapters.http.problems import Problem


class DeliveryRoutes:
    """Reading takes `delivery.read`; a replay and a test are operations of their own."""

    def __init__(self, gate: Gate, desk: DeliveryDesk) -> None:
        self._gate = gate
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard = self._gate.guard
        return [
            Route("/api/v1/deliveries", guard(self._list), methods=["GET"]),
            Route("/api/v1/deliveries/{delivery}", guard(self._show), methods=["GET"]),
            Route("/api/v1/deliveries/{delivery}/replay", guard(self._replay), methods=["POST"]),
            Route("/api/v1/operations/hook.test", guard(self._test), methods=["POST"]),
            Route("/api/v1/operations/hook.replay", guard(self._replay_many), methods=["POST"]),
        ]

    async def _list(self, request: Request) -> Response:
        await self._gate.allow(request, "delivery.read")
        query = query_of(request, "failed")
        return JSONResponse({"items": await self._desk.all(failed=query.get("failed") == "true"), "next": None})

    async def _show(self, request: Request) -> Response:
        await self._gate.allow(request, "delivery.read")
        found = await self._desk.show(request.path_params["delivery"])
        if found is None:
            delivery = request.path_params["delivery"]
            raise Problem(404, "no such delivery", f"no delivery {delivery!r}", remedy="gateway hook list")
        return JSONResponse(found)

    async def _replay(self, request: Request) -> Response:
        body = await read_body(request, ReplayBody)
        account = await self._gate.allow(request, "hook.replay")
        delivery = request.path_params["delivery"]
        return await self._gate.once(
            request,
            account,
            body,
            lambda: self._desk.replay(delivery, body.sink, body.to, account.person, terminal(request), body.reason),
        )

    async def _test(self, request: Request) -> Response:
        body = await read_body(request, HookTestBody)
        account = await self._gate.allow(request, "hook.test")
        return await self._gate.once(
            request,
            account,
            body,
            lambda: self._desk.test(
                body.sink,
                account.person,
                terminal(request),
                dry_run=body.dry_run,
                enabling=body.enable,
                reason=body.reason,
            ),
        )

    async def _replay_many(self, request: Request) -> Response:
        body = await read_body(request, HookReplayBody)
        account = await self._gate.allow(request, "hook.replay")
        return await self._gate.once(
            request,
            account,
            body,
            lambda: self._desk.replay_many(
                body.sink, body.to, body.since, account.person, terminal(request), body.reason, dry_run=body.dry_run
            ),
        )
