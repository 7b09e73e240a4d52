"""Supervisor: keeps a task of ours alive; a fault of ours ends in a log line, a pause and a new start, never in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.errors import LedgerDoubt, SourceRefused

PAUSE_S_MAX = 30.0
HEALTHY_S = 60.0

_log = structlog.get_logger(component="supervisor")


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    monotonic: Callable[[], float],
    on_restart: Callable[[str], None] | None = None,
    on_refused: Callable[[str, SourceRefused], None] | None = None,
) -> None:
    """Run ``run`` until it returns; after a fault start it again after 1, 2, 4 … 30 s.

    `LedgerDoubt` passes through: nothing may go on. `SourceRefused` ends this task alone: only a new configuration helps.
    """
    pause_s, attempt = 1.0, 0
    while True:
        began = monotonic()
        try:
            await run()
        except LedgerDoubt:
            raise
        except SourceRefused as refused:
            _log.error("source.refused", task=name, error=refused.text, remedy=refused.remedy)
            if on_refused is not None:
                on_refused(name, refused)
            return
        except Exception as fault:  # noqa: BLE001 - the one place where a fault of ours is survived
            attempt += 1
            if monotonic() - began > HEALTHY_S:
                pause_s = 1.0
            _log.exception("task.restarted", task=name, error=repr(fault), attempt=attempt, remedy="report this fault")
            if on_restart is not None:
                on_restart(name)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_S_MAX)
        else:
            return
