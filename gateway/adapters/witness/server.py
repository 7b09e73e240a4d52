"""Witness server: `POST /add-checkpoint` of C2SP tlog-witness over the book; nothing else is served (`ledger.md` 4)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.keys import SEED_BYTES, create_key_file, parse_seed
from gateway.adapters.witness.book import BookAnswer, WitnessBook
from gateway.adapters.witness.caller import Caller
from gateway.errors import ConfigurationRefused
from gateway.ledger.crypto import ed25519_public
from gateway.ledger.note import COSIGNATURE, VerifyKey
from gateway.ledger.witness import BODY_BYTES_MAX, OK
from gateway.ports import Entropy, SystemClock

_NS: Final = 1_000_000_000

_log = structlog.get_logger(component="witness")


class WitnessDesk:
    """Takes questions from the wire; ``tell`` shows a line to people: the first checkpoint of each log, and what is wrong."""

    def __init__(self, book: WitnessBook, caller: Caller, clock: SystemClock, tell: Callable[[str], None]) -> None:
        self._book = book
        self._caller = caller
        self._clock = clock
        self._tell = tell
        self._heard: set[str] = set()

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(routes=[Route("/add-checkpoint", self._add, methods=["POST"])])

    async def _add(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return Response(f"a body may have {BODY_BYTES_MAX:,} bytes\n", 400, media_type="text/plain")
        now_s = self._clock.now().wall_ns // _NS
        try:
            answer = await asyncio.get_running_loop().run_in_executor(None, self._book.answer, bytes(body), now_s)
        except OSError as error:
            _log.error("witness.not_kept", error=str(error), remedy="check the disk of --state; nothing was cosigned")
            return Response("the checkpoint could not be kept\n", 500, media_type="text/plain")
        self._note(answer)
        return Response(answer.body, answer.status, {"content-type": answer.content_type})

    def _note(self, answer: BookAnswer) -> None:
        if answer.conflict is not None:
            self._caller.conflict(answer.conflict)
        if answer.status == OK and answer.seen is not None:
            self._caller.valid(answer.seen.origin)
            if answer.seen.origin not in self._heard:
                self._heard.add(answer.seen.origin)
                self._tell(f"{answer.seen.origin} size {answer.seen.size:,}")


def witness_key(path: Path, name: str | None, entropy: Entropy) -> tuple[VerifyKey, bytes]:
    """Return verifier key and seed of a witness; a key file that is missing is made, mode 0600.

    Without a name the key gives one: ``witness/<first 8 hex of the public key>``. Type 04: Ed25519 cosignatures.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        create_key_file(path, entropy(SEED_BYTES))
    if os.stat(path).st_mode & 0o077:  # noqa: PTH116  one system call, as written
        raise ConfigurationRefused(f"{path} is readable for others", remedy=f"chmod 600 {path}")
    seed = parse_seed(path.read_bytes(), "witness key")
    public = ed25519_public(seed)
    found = name or f"witness/{public.hex()[:8]}"
    if not found.isprintable() or " " in found or "+" in found:
        raise ConfigurationRefused(f"{found!r} is no key name", remedy="use a name such as witness.example/hq")
    return VerifyKey(found, COSIGNATURE, public), seed


def read_vkey_argument(text: str) -> str:
    """Return the vkey of an argument: the line itself, or the content of the file it names."""
    if "+" in text and not Path(text).exists():
        return text.strip()
    try:
        return Path(text).read_text().strip()
    except OSError as error:
        raise ConfigurationRefused(
            f"{text} is neither a verifier key nor a file", remedy="copy the whole line name+id+key"
        ) from error
