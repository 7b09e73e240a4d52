"""Routes of backups: begin one, and see how far it is; it runs on while the caller waits or leaves."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.adapters.http.bodies import BackupBody
from gateway.adapters.http.gate import Gate, query_of, read_body, terminal
from gateway.adapters.http.problems import Problem

LOCAL = "control.sock"


class BackupDesk(Protocol):
    """Makes backups, one at a time; each is a record."""

    async def begin(self, to: str | None, person: str, terminal: str) -> dict[str, Any]:
        """Begin a backup to a folder, None: to the configured one; raise `Refused` when one is being made, or none can be."""
        ...

    def status(self) -> dict[str, Any]:
        """Return how far the one being made is, and how the last one ended."""
        ...


class BackupRoutes:
    """`backup` is the operation; a folder of one's own choice may be named on the box itself only."""

    def __init__(self, gate: Gate, desk: BackupDesk) -> None:
        self._gate = gate
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard = self._gate.guard
        return [
            Route("/api/v1/operations/backup", guard(self._begin), methods=["POST"]),
            Route("/api/v1/backup", guard(self._status), methods=["GET"]),
        ]

    async def _begin(self, request: Request) -> Response:
        body = await read_body(request, BackupBody)
        account = await self._gate.allow(request, "backup")
        if body.to is not None and terminal(request) != LOCAL:
            raise Problem(
                403,
                "not permitted",
                "a folder is named on the box itself only",
                code="ACC-002",
                remedy="leave --to out: the configured folder is used",
            )
        return await self._gate.once(
            request, account, body, lambda: self._desk.begin(body.to, account.person, terminal(request))
        )

    async def _status(self, request: Request) -> Response:
        await self._gate.allow(request, "backup")
        query_of(request)
        return JSONResponse(self._desk.status())
