"""A process of our own for work that would slow the commits: one module, one JSON line back, the lowest priority."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from subprocess import DEVNULL, PIPE
from typing import Any, Final

import msgspec

from gateway.errors import Unavailable

LOWEST: Final = 19
_KEPT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "LD_LIBRARY_PATH", "TMPDIR")
"""What the process is told of our environment: where Python is, and no secret."""


async def run_child(module: str, *given: str) -> bytes:
    """Run `python -m MODULE …` and return what it wrote; `Unavailable` when it failed. Cancelled: it is killed."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = (sys.executable, "-m", module, *given)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment)
    try:
        told, failed = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        last = failed.decode(errors="replace").strip().rpartition("\n")[2]
        raise Unavailable(
            f"{module.rpartition('.')[2]} ended with {process.returncode}: {last}",
            remedy="it is tried again by itself; if it stays so, look for memory and permissions",
        )
    return told


def answer(told: Any) -> None:
    """Write the one JSON line."""
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
