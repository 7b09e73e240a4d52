"""Routes of excursions, deviations and the evidence that events name."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.adapters.http.desk import ConditionDesk, EvidenceDesk
from gateway.adapters.http.gate import Gate, query_of, terminal
from gateway.adapters.http.problems import Problem
from gateway.domain.times import parse_time

ZIP = "application/zip"
_DIGEST = re.compile(r"[0-9a-f]{8}|[0-9a-f]{64}", re.ASCII)


class ConditionRoutes:
    """Read only: what was found, what was raised, and the bundle that proves it."""

    def __init__(self, gate: Gate, desk: ConditionDesk, evidence: EvidenceDesk) -> None:
        self._gate = gate
        self._desk = desk
        self._evidence = evidence

    def routes(self) -> list[Route]:
        """Return the routes."""
        guard = self._gate.guard
        return [
            Route("/api/v1/excursions", guard(self._excursions), methods=["GET"]),
            Route("/api/v1/excursions/{excursion}", guard(self._excursion), methods=["GET"]),
            Route("/api/v1/excursions/{excursion}/bundle.zip", guard(self._excursion_bundle), methods=["GET"]),
            Route("/api/v1/readings/bundle.zip", guard(self._readings_bundle), methods=["GET"]),
            Route("/api/v1/deviations", guard(self._deviations), methods=["GET"]),
            Route("/api/v1/deviations/{deviation}", guard(self._deviation), methods=["GET"]),
            Route("/evidence/{digest}.zip", guard(self._bundle), methods=["GET"]),
        ]

    async def _excursions(self, request: Request) -> Response:
        await self._gate.allow(request, "live.read")
        query = query_of(request, "open")
        return JSONResponse({"items": self._desk.excursions(open_only=query.get("open") == "true"), "next": None})

    async def _excursion(self, request: Request) -> Response:
        await self._gate.allow(request, "live.read")
        excursion = request.path_params["excursion"]
        found = self._desk.excursion(excursion)
        if found is None:
            raise Problem(404, "no such excursion", f"no excursion {excursion!r}", remedy="gateway excursion list")
        return JSONResponse(found)

    async def _excursion_bundle(self, request: Request) -> Response:
        account = await self._gate.allow(request, "bundle.export")
        excursion = request.path_params["excursion"]
        content = await self._evidence.excursion(excursion, account, terminal(request))
        if content is None:
            raise Problem(404, "no such excursion", f"no excursion {excursion!r}", remedy="gateway excursion list")
        return Response(content, media_type=ZIP, headers={"cache-control": "no-store"})

    async def _readings_bundle(self, request: Request) -> Response:
        account = await self._gate.allow(request, "bundle.export")
        query = query_of(request, "signal", "from", "to")
        if "from" not in query or "to" not in query:
            raise Problem(422, "not understood", "from and to are needed: times with zone, [from, to)")
        from_ns, to_ns = parse_time(query["from"]), parse_time(query["to"])
        signals = request.query_params.getlist("signal")
        content = await self._evidence.readings(signals, from_ns, to_ns, account, terminal(request))
        return Response(content, media_type=ZIP, headers={"cache-control": "no-store"})

    async def _deviations(self, request: Request) -> Response:
        await self._gate.allow(request, "batch.read")
        query = query_of(request, "open")
        return JSONResponse({"items": self._desk.deviations(open_only=query.get("open") == "true"), "next": None})

    async def _deviation(self, request: Request) -> Response:
        await self._gate.allow(request, "batch.read")
        deviation = request.path_params["deviation"]
        found = self._desk.deviation(deviation)
        if found is None:
            raise Problem(404, "no such deviation", f"no deviation {deviation!r}", remedy="gateway deviation list")
        return JSONResponse(found)

    async def _bundle(self, request: Request) -> Response:
        account = await self._gate.allow(request, "bundle.export")
        digest = request.path_params["digest"]
        if _DIGEST.fullmatch(digest) is None:
            raise Problem(
                422, "not understood", "a bundle is named by 8 or by all 64 digits of its SHA-256, lower case"
            )
        content = await self._evidence.bundle(digest, account, terminal(request))
        if content is None:
            raise Problem(
                404,
                "no such bundle",
                f"no bundle {digest}, and no event of this ledger from which this version makes it again",
                remedy="give all 64 digits, or export the batch: gateway batch bundle BATCH -o FILE",
            )
        headers = {"cache-control": "private, immutable", "content-disposition": f'attachment; filename="{digest}.zip"'}
        return Response(content, media_type=ZIP, headers=headers)
