"""Gate: who may ask, how bodies are read, how refusals are answered; the same for every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.adapters.http.problems import Problem, answer, of_error
from gateway.adapters.machine_accounts import MachineAccount, MachineAccounts
from gateway.errors import GatewayError

BODY_BYTES_MAX = 1_048_576
KEY_LENGTH_MAX = 64
ANSWERS_MAX = 1_000

Handler = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body", bound=BaseModel)


class Refusals(Protocol):
    """Where refusals are recorded."""

    async def refused(self, operation: str, account: str, terminal: str, code: str) -> None:
        """Record that somebody was not permitted to do something."""
        ...


class Gate:
    """Sign-in and scopes of machine accounts. ``now_ns`` is the wall clock, ``new_id`` makes request ids."""

    def __init__(
        self, accounts: MachineAccounts, refusals: Refusals, now_ns: Callable[[], int], new_id: Callable[[], str]
    ) -> None:
        self._accounts = accounts
        self._refusals = refusals
        self._now_ns = now_ns
        self._new_id = new_id
        self._answers: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}

    def guard(self, handler: Handler) -> Handler:
        """Give each request an id and turn what is refused into a problem."""

        async def guarded(request: Request) -> Response:
            self.number(request)
            try:
                return await handler(request)
            except Problem as problem:
                return answer(request, problem)
            except GatewayError as error:
                return answer(request, of_error(error))

        return guarded

    def number(self, request: Request) -> None:
        """Give a request its id."""
        request.state.request_id = self._new_id()

    async def known(self, request: Request, operation: str) -> MachineAccount:
        """Return the account of a request, whatever it may do; ``operation`` is named in the record of a refusal."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        account = self._accounts.find(token.strip(), self._now_ns()) if scheme.lower() == "bearer" else None
        if account is None:
            await self._refusals.refused(operation, "unknown", terminal(request), "ACC-001")
            raise Problem(
                401,
                "sign-in failed",
                "a machine account's token is needed: Authorization: Bearer gwt_…",
                code="ACC-001",
                remedy="gateway user add --machine --scope batch.start,batch.end",
            )
        return account

    async def allow(self, request: Request, operation: str) -> MachineAccount:
        """Return the account of a request that may do ``operation``; every refusal is recorded."""
        account = await self.known(request, operation)
        if operation not in account.scopes:
            await self._refusals.refused(operation, account.person, terminal(request), "ACC-002")
            raise Problem(
                403,
                "not permitted",
                f"not permitted: {account.person} may not {operation}",
                code="ACC-002",
                remedy=f"use an account that may: gateway user add --machine --scope {operation}",
            )
        return account

    async def once(
        self, request: Request, account: MachineAccount, body: BaseModel, act: Callable[[], Awaitable[dict[str, Any]]]
    ) -> JSONResponse:
        """Do what a POST asks once for its key; the same key and body get the first answer again while this run lasts."""
        key = (account.person, idempotency_key(request))
        asked = sha256(f"{request.url.path}\n{body.model_dump_json()}".encode()).hexdigest()
        known = self._answers.get(key)
        if known is not None:
            if known[0] != asked:
                raise Problem(422, "not understood", "this Idempotency-Key was used for another request")
            return JSONResponse(known[1], headers={"Idempotency-Replayed": "true"})
        told = await act()
        self._answers[key] = (asked, told)
        if len(self._answers) > ANSWERS_MAX:
            del self._answers[next(iter(self._answers))]
        return JSONResponse(told)


def idempotency_key(request: Request) -> str:
    """Return the key that every POST must bring."""
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        raise Problem(
            422,
            "not understood",
            f"Idempotency-Key is mandatory: 1 to {KEY_LENGTH_MAX} printable characters",
            remedy="send a new key for each event and the same one on a retry",
        )
    return key


async def read_body(request: Request, model: type[Body]) -> Body:
    """Return the body of a POST as its model; an unknown field is refused."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            raise Problem(413, "too large", f"a body may have {BODY_BYTES_MAX:,} bytes")
    try:
        return model.model_validate_json(bytes(received))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/" + "/".join(str(part) for part in first["loc"])
        raise Problem(422, "not understood", f"{where}: {first['msg']}") from error


def query_of(request: Request, *known: str) -> dict[str, str]:
    """Return the query of a request; an unknown field is refused."""
    for name in request.query_params:
        if name not in known:
            raise Problem(
                422, "not understood", f"unknown query field {name!r}: {' and '.join(known) or 'none'} are known"
            )
    return dict(request.query_params)


def terminal(request: Request) -> str:
    """Return where a request came from."""
    return request.client.host if request.client is not None else "control.sock"
