"""One server process that a test owns: started, awaited, stopped, killed, frozen; never anybody else's."""

from __future__ import annotations

import atexit
import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from tests.counterparts.ports import accepts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


class OwnedServer(ABC):
    """A program that listens on `port` of loopback and logs to `folder/server.log`.

    Subclasses give `command()`. Start, stop, kill and restart keep the port and the folder, as a power cut would.
    """

    def __init__(self, folder: Path, port: int, env: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port
        self.log = folder / "server.log"
        self.env = None if env is None else dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Argument list of the server."""

    def ready(self) -> bool:
        """Whether it does its work; accepting a connection is enough for most."""
        return accepts(self.port)

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = 20.0) -> Self:
        """Start it and return once `ready()`; its log is in the failure otherwise."""
        assert not self.running, "the server is running already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.env,
            )
        end = time.monotonic() + seconds
        while not self.ready():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > end:
                self.kill()
                how = f"ended with {ended}" if ended is not None else f"not ready after {seconds} s"
                raise AssertionError(f"{self.command()[0]} {how}\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        return self

    def stop(self, seconds: float = 10.0) -> None:
        """End it as its service manager would (SIGTERM), then by SIGKILL."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); nothing is flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> Self:
        """Stop in order, start again on the same port and folder."""
        self.stop()
        return self.start()

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections stay open and silent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        atexit.unregister(self.kill)
