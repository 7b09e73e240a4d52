"""Routes that change what the ledger holds on disk: disposal."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.bodies import PruneBody
from gateway.adapters.http.desk import DisposalDesk
from gateway.adapters.http.gate import Gate, read_body, terminal


class LedgerRoutes:
    """Disposal takes the operation `ledger.prune`."""

    def __init__(self, gate: Gate, desk: DisposalDesk) -> None:
        self._gate = gate
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/api/v1/operations/ledger.prune", self._gate.guard(self._prune), methods=["POST"])]

    async def _prune(self, request: Request) -> Response:
        body = await read_body(request, PruneBody)
        account = await self._gate.allow(request, "ledger.prune")
        return await self._gate.once(
            request,
            account,
            body,
            lambda: self._desk.prune(account.person, terminal(request), body.reason, dry_run=body.dry_run),
        )
