"""Routes of the machine's keys: a rotation and a revocation, each an operation of its own."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.bodies import KeyRevokeBody, KeyRotateBody
from gateway.adapters.http.gate import Gate, read_body, terminal


class KeyDesk(Protocol):
    """Changes keys of the log; every act is in the ledger."""

    async def rotate(
        self, purpose: str, overlap_s: int, person: str, terminal: str, reason: str | None, *, dry_run: bool
    ) -> dict[str, Any]:
        """Enter a new key beside the one in force. Raises `Refused`."""
        ...

    async def revoke(
        self, purpose: str, key_id: str | None, to_size: int, person: str, terminal: str, reason: str, *, dry_run: bool
    ) -> dict[str, Any]:
        """End a key for every larger tree. Raises `Refused`."""
        ...


class KeyRoutes:
    """`key.rotate` and `key.revoke`."""

    def __init__(self, gate: Gate, desk: KeyDesk) -> None:
        self._gate = gate
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard = self._gate.guard
        return [
            Route("/api/v1/operations/key.rotate", guard(self._rotate), methods=["POST"]),
            Route("/api/v1/operations/key.revoke", guard(self._revoke), methods=["POST"]),
        ]

    async def _rotate(self, request: Request) -> Response:
        body = await read_body(request, KeyRotateBody)
        account = await self._gate.allow(request, "key.rotate")
        return await self._gate.once(
            request,
            account,
            body,
            lambda: self._desk.rotate(
                body.purpose, body.overlap_s, account.person, terminal(request), body.reason, dry_run=body.dry_run
            ),
        )

    async def _revoke(self, request: Request) -> Response:
        body = await read_body(request, KeyRevokeBody)
        account = await self._gate.allow(request, "key.revoke")
        return await self._gate.once(
            request,
            account,
            body,
            lambda: self._desk.revoke(
                body.purpose,
                body.key_id,
                body.to_size,
                account.person,
                terminal(request),
                body.reason,
                dry_run=body.dry_run,
            ),
        )
