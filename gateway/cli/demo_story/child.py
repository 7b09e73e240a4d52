"""Child processes of the demo: started here, ended by their own process id, their words kept in a file."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.errors import Unavailable

STOP_S: Final = 15.0
POLL_S: Final = 0.05
LINES_SHOWN: Final = 5


class Child:
    """One process; its standard output and error go to ``log``."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self._name = name
        self._command = list(command)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; raise `Unavailable` when it cannot be started."""
        try:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            raise Unavailable(f"{self._name} cannot be started: {error.strerror}") from error

    async def listening(self, port: int, seconds: float) -> None:
        """Wait until it accepts connections on loopback; raise `Unavailable` with its last words when it does not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            self.check()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.transport.abort()
                return
            if loop.time() > end:
                raise Unavailable(f"{self._name} does not listen after {seconds:.0f} s: {self.last_words()}")
            await asyncio.sleep(POLL_S)

    def check(self) -> None:
        """Raise `Unavailable` when the process has ended by itself."""
        assert self._process is not None, "the process was started"
        if self._process.returncode is not None:
            raise Unavailable(
                f"{self._name} ended with {self._process.returncode}: {self.last_words()}",
                remedy=f"its whole log is {self._log}",
            )

    def last_words(self) -> str:
        """Return the last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return " | ".join(lines[-LINES_SHOWN:]) or "it said nothing"

    async def stop(self) -> int | None:
        """End it in order (SIGTERM), after 15 s by force; return its exit code, None if it never ran."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
                await self._process.wait()
        return self._process.returncode

    def kill(self) -> None:
        """End it by force."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
