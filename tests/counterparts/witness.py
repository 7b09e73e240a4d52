"""`gateway witness serve` as its owner runs it: a process with a folder of its own, for the log of one seal key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.ledger.note import VerifyKey, parse_vkey
from tests.counterparts.gateway_process import compiled_environment
from tests.counterparts.ports import free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Sequence


class WitnessProcess(OwnedServer):
    """Its key is on the first line it prints; kill and start again keep port, key and notes. `mirror`: more options."""

    def __init__(
        self, folder: Path, log: str, name: str, *, notify: str | None = None, mirror: Sequence[str] = ()
    ) -> None:
        super().__init__(folder, free_port(), compiled_environment())
        self.state = folder / "state"
        self._log_key = log
        self._name = name
        self._notify = notify
        self.mirror = list(mirror)

    def command(self) -> Sequence[str]:
        words = ["--listen", f"127.0.0.1:{self.port}", "--state", str(self.state), "--log", self._log_key]
        words += ["--name", self._name]
        words += ["--notify", self._notify] if self._notify is not None else []
        words += self.mirror
        return [sys.executable, "-m", "gateway", "witness", "serve", *words]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def vkey_line(self) -> str:
        return self.log.read_text().splitlines()[0]

    @property
    def key(self) -> VerifyKey:
        return parse_vkey(self.vkey_line())
