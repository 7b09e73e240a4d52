"""The routes under `/log` of one ledger folder on a loopback port, with two accounts; and a proxy that turns bytes on the way."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.gate import Gate
from gateway.adapters.http.log_routes import LogRoutes
from gateway.adapters.http.server import bind, serve
from gateway.adapters.machine_accounts import MachineAccounts
from gateway.adapters.segment_store.served import PublishedLog
from tests.counterparts.http import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW_NS = 1_792_888_200_000_000_000


class LogServer(NamedTuple):
    """`url` ends before `/log`. `owner` may export, `viewer` may only look; `refusals` lists (operation, account, code)."""

    url: str
    owner: str
    viewer: str
    refusals: list[tuple[str, str, str]]

    def get(self, path: str, token: str | None = None):
        return ask(self.url + path, headers={} if token is None else {"authorization": f"Bearer {token}"})


class _Refusals(list):
    async def refused(self, operation: str, account: str, terminal: str, code: str) -> None:
        del terminal
        self.append((operation, account, code))


@contextmanager
def log_server(
    ledger: Path, state: Path, *, open_tree: bool = False, certificate: tuple[Path, Path] | None = None
) -> Iterator[LogServer]:
    """Serve `ledger`; accounts lie in `state`; `certificate` and its key: over TLS."""
    accounts, refusals = MachineAccounts(state / "machines.json"), _Refusals()
    keys = iter(range(1, 9))
    owner = accounts.add(["bundle.export"], 9, NOW_NS, lambda size: bytes([next(keys)]) * size)[1]
    viewer = accounts.add(["live.read"], 9, NOW_NS, lambda size: bytes([next(keys)]) * size)[1]
    gate = Gate(accounts, refusals, lambda: NOW_NS + 1, lambda: "r-1")
    application = Starlette(routes=LogRoutes(gate, PublishedLog(ledger), open_tree=open_tree).routes())
    with served(application, certificate) as url:
        yield LogServer(url, owner, viewer, refusals)


@contextmanager
def proxy(server: LogServer, bend: Callable[[str, bytes], bytes]) -> Iterator[LogServer]:
    """Pass everything through; `bend` (path, body) may change what a 200 says."""

    async def passed(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        headers = {name: value for name, value in request.headers.items() if name == "authorization"}
        answer = await asyncio.to_thread(ask, f"{server.url}{request.url.path}{query}", headers=headers)
        body = bend(request.url.path, answer.body) if answer.status == 200 else answer.body
        return Response(body, answer.status)

    with served(Starlette(routes=[Route("/{rest:path}", passed)])) as url:
        yield server._replace(url=url)


@contextmanager
def served(application: Starlette, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve an application from a thread of its own until the block ends."""
    listening = bind("127.0.0.1:0")
    port = listening.getsockname()[1]
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve(application, listening, certificate))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
