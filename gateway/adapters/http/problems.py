"""Problems: errors as RFC 9457 bodies with a code, a remedy and the request's id."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from gateway.errors import GatewayError, LedgerDoubt, Refused, Unavailable

STATUS: dict[str, int] = {"BAT-001": 422, "BAT-003": 422, "BAT-004": 422, "BAT-005": 422, "BAT-007": 422}
"""Refusals that speak of the body; every other refusal is a conflict with the present state."""


class Problem(Exception):
    """A refused request before any rule of the plant was asked."""

    def __init__(self, status: int, title: str, detail: str, *, code: str = "", remedy: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.remedy = remedy


def answer(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the problem as `application/problem+json`."""
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}" if problem.code else "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
        "request_id": request.state.request_id,
    }
    if problem.remedy:
        body["remedy"] = problem.remedy
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


def of_error(error: GatewayError) -> Problem:
    """Return the problem of one of our errors."""
    if isinstance(error, LedgerDoubt):
        return Problem(503, "halted", error.text, code=error.code, remedy=error.remedy)
    if isinstance(error, Unavailable):
        return Problem(503, "unavailable", error.text, code=error.code, remedy=error.remedy)
    if isinstance(error, Refused):
        status = STATUS.get(error.code, 409)
        return Problem(status, "refused", error.text, code=error.code, remedy=error.remedy)
    return Problem(422, "not understood", error.text, code=error.code, remedy=error.remedy)
