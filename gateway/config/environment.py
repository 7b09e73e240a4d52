"""Environment: what a check asks of the machine and the network, in parallel, each answer one line (`profiles.md` 4).

A check here is one question with one target. The ones that stay on this machine are in `machine_checks.py`; commands add
those that need the network. Nothing is recorded and nothing is written to the plant.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from gateway.errors import GatewayError

T = TypeVar("T")
State = Literal["ok", "warning", "failed", "skipped"]
SECONDS_EACH = 10.0
SECONDS_ALL = 60.0

REFUSALS = frozenset(
    ("secret-readable", "key-usable", "tls-chain", "mqtt-acl", "opcua-nodes", "opcua-types", "opcua-units")
)
"""Checks whose failure is a wrong configuration (exit 78); the failure of others is a target that did not answer (69)."""


class Answer(NamedTuple):
    """What a check found out, and what to do next where it is not ok."""

    state: State
    detail: str


class EnvironmentCheck(Protocol):
    """One question: ``id`` as in the list of `profiles.md` 4, ``target`` what it is asked of."""

    @property
    def id(self) -> str:
        """Name of the check."""
        ...

    @property
    def target(self) -> str:
        """What it looks at, as people name it."""
        ...

    async def ask(self) -> Answer:
        """Find out; errors of the world are answers, a `GatewayError` is one too."""
        ...


class Shared(Generic[T]):
    """One conversation that several questions take part in: it is held once, whoever asks first, and its error is everybody's."""

    def __init__(self, hold: Callable[[], Awaitable[T]]) -> None:
        self._hold = hold
        self._turn = asyncio.Lock()
        self._said: list[T | GatewayError] = []

    async def get(self) -> T:
        """Return what was said; raise the error it ended with."""
        async with self._turn:
            if not self._said:
                try:
                    self._said.append(await self._hold())
                except GatewayError as error:
                    self._said.append(error)
        (said,) = self._said
        if isinstance(said, GatewayError):
            raise said
        return said


class EnvironmentResult(Struct, frozen=True, kw_only=True):
    """One answer as it is shown and as `check/1` holds it."""

    id: str
    target: str
    state: State
    detail: str
    ms: int

    def line(self) -> str:
        """Return ``failed  opcua-nodes  line1: …``."""
        return f"{self.state}  {self.id}  {self.target}: {self.detail}"


def reason(error: OSError) -> str:
    """Return what went wrong in words, without numbers: several tries of asyncio are one text of its own."""
    if isinstance(error, socket.gaierror):
        return "its name is not known here"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    number = error.errno or 0
    return os.strerror(number).lower() if number > 0 else error.strerror or str(error)


async def run_checks(
    checks: Sequence[EnvironmentCheck], seconds_each: float = SECONDS_EACH, seconds_all: float = SECONDS_ALL
) -> tuple[EnvironmentResult, ...]:
    """Ask all in parallel, 10 s each and 60 s in all; answers stand in the order of the questions."""
    found: dict[int, EnvironmentResult] = {}

    async def one(index: int, check: EnvironmentCheck) -> None:
        started = time.monotonic_ns()
        try:
            async with asyncio.timeout(seconds_each):
                answer = await check.ask()
        except TimeoutError:
            answer = Answer("failed", f"no answer in {seconds_each:g} s")
        except GatewayError as error:
            answer = Answer("failed", str(error))
        except OSError as error:
            answer = Answer("failed", reason(error))
        ms = (time.monotonic_ns() - started) // 1_000_000
        found[index] = EnvironmentResult(
            id=check.id, target=check.target, state=answer.state, detail=answer.detail, ms=ms
        )

    try:
        async with asyncio.timeout(seconds_all), asyncio.TaskGroup() as group:
            for index, check in enumerate(checks):
                group.create_task(one(index, check))
    except TimeoutError:
        for index, check in enumerate(checks):
            late = Answer("failed", f"no answer in {seconds_all:g} s")
            ms = int(seconds_all * 1000)
            default = EnvironmentResult(id=check.id, target=check.target, state=late.state, detail=late.detail, ms=ms)
            found.setdefault(index, default)
    return tuple(found[index] for index in sorted(found))
