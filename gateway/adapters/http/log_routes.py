"""Routes under `/log`: tlog-tiles over HTTP, consistency, and what a mirror pulls (`interface.md` 4).

Tiles and checkpoint hold salted hashes only; entries, segments, side objects and time stamps hold all clients' records.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.desk import LogDesk
from gateway.adapters.http.gate import Gate, query_of
from gateway.adapters.http.problems import Problem
from gateway.errors import EvidenceRefused
from gateway.ledger.tile import ENTRIES, TILE_WIDTH, Tile, parse_path

AT_ONCE: Final = 2
"""Reads of the log at the same time: who asks for many tiles waits, the commits do not."""
FOR_EVER: Final = "private, max-age=31536000, immutable"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_TREE: Final = "live.read"
"""What a refusal before sign-in is recorded as."""
Found = TypeVar("Found")


class LogRoutes:
    """``open_tree``: checkpoint, policy, tiles and consistency need no account; with an account any one may read them."""

    def __init__(self, gate: Gate, desk: LogDesk, *, open_tree: bool) -> None:
        self._gate = gate
        self._desk = desk
        self._open = open_tree
        self._few = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard = self._gate.guard
        return [
            Route("/log/checkpoint", guard(self._checkpoint), methods=["GET"]),
            Route("/log/policy", guard(self._policy), methods=["GET"]),
            Route("/log/consistency", guard(self._consistency), methods=["GET"]),
            Route("/log/tile/{tile:path}", guard(self._tile), methods=["GET"]),
            Route("/log/segments/{first}", guard(self._segment), methods=["GET"]),
            Route("/log/blob/{digest}", guard(self._blob), methods=["GET"]),
            Route("/log/cp/{size}.tsr", guard(self._token), methods=["GET"]),
            Route("/log/cp/{size}", guard(self._note), methods=["GET"]),
        ]

    async def _checkpoint(self, request: Request) -> Response:
        await self._read_tree(request)
        query_of(request)
        return _text(_there(await self._ask(self._desk.checkpoint), "nothing was published yet"))

    async def _policy(self, request: Request) -> Response:
        await self._read_tree(request)
        query_of(request)
        return _text(_there(await self._ask(self._desk.policy), "no policy was made yet"))

    async def _consistency(self, request: Request) -> Response:
        await self._read_tree(request)
        query = query_of(request, "from", "to")
        first = _number(query.get("from"), "from")
        second = _number(query["to"], "to") if "to" in query else None
        proof = await self._ask(lambda: self._desk.consistency(first, second))
        return _text(b"".join(base64.b64encode(one) + b"\n" for one in proof))

    async def _tile(self, request: Request) -> Response:
        """Entry bundles hold records: they need the right to export them, whatever the tree is."""
        path = f"tile/{request.path_params['tile']}"
        if path.startswith("tile/entries/"):
            await self._gate.allow(request, "bundle.export")
        else:
            await self._read_tree(request)
        query_of(request)
        try:
            tile: Tile = parse_path(path)
        except EvidenceRefused as error:
            raise Problem(404, "no such tile", error.text) from error
        content = _there(await self._ask(lambda: self._desk.tile(tile)), f"{path} is not in the published tree")
        if tile.level == ENTRIES:
            return _bytes(content)
        return _bytes(content, FOR_EVER if tile.width == TILE_WIDTH else "private, no-cache")

    async def _segment(self, request: Request) -> Response:
        await self._gate.allow(request, "bundle.export")
        first = _number(request.path_params["first"], "first")
        offset = _number(query_of(request, "offset").get("offset", "0"), "offset")
        return _bytes(
            _there(
                await self._ask(lambda: self._desk.segment(first, offset)), f"no published segment begins at {first:,}"
            )
        )

    async def _blob(self, request: Request) -> Response:
        await self._gate.allow(request, "bundle.export")
        query_of(request)
        digest = request.path_params["digest"]
        if _DIGEST.fullmatch(digest) is None:
            raise Problem(422, "not understood", "a side object is named by the 64 digits of its SHA-256, lower case")
        return _bytes(_there(await self._ask(lambda: self._desk.blob(digest)), f"no side object {digest}"))

    async def _note(self, request: Request) -> Response:
        return await self._frozen(request, self._desk.note)

    async def _token(self, request: Request) -> Response:
        return await self._frozen(request, self._desk.token)

    async def _frozen(self, request: Request, read: Callable[[int], bytes | None]) -> Response:
        await self._gate.allow(request, "bundle.export")
        query_of(request)
        size = _number(request.path_params["size"], "size")
        return _bytes(_there(await self._ask(lambda: read(size)), f"no time stamp over size {size:,}"))

    async def _read_tree(self, request: Request) -> None:
        if not self._open:
            await self._gate.known(request, _TREE)

    async def _ask(self, read: Callable[[], Found]) -> Found:
        async with self._few:
            return await asyncio.to_thread(read)


def _there(content: bytes | None, missing: str) -> bytes:
    if content is None:
        raise Problem(404, "not there", missing)
    return content


def _number(text: str | None, name: str) -> int:
    if text is None or _SIZE.fullmatch(text) is None:
        raise Problem(422, "not understood", f"{name} is a whole number without leading zeros")
    return int(text)


def _text(content: bytes) -> Response:
    return Response(content, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-store"})


def _bytes(content: bytes, cache: str = "no-store") -> Response:
    return Response(content, media_type="application/octet-stream", headers={"cache-control": cache})
