"""A real Mosquitto broker (MQTT 5) on a random loopback port."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.counterparts.missing import need
from tests.counterparts.ports import free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Mosquitto(OwnedServer):
    """Mosquitto with its persistence in `folder`; `conf` is added below the listener and wins over our defaults.

    `with Mosquitto(tmp_path, conf="max_inflight_messages 0") as broker: ... broker.port`. After `kill()`, `start()`
    comes back on the same port with what it had persisted: for state that survives a kill set
    `autosave_on_changes true` and `autosave_interval 1`.
    """

    def __init__(self, folder: Path, conf: str = "", *, port: int | None = None) -> None:
        self._program = need("mosquitto")
        super().__init__(folder, free_port() if port is None else port)
        self.conf = folder / "mosquitto.conf"
        self.conf.write_text(self._settings(conf))

    def _settings(self, conf: str) -> str:
        given = {line.split()[0] for line in conf.splitlines() if line.strip() and not line.lstrip().startswith("#")}
        ours = {
            "persistence": "true",
            "persistence_location": f"{self.folder}/",
            "allow_anonymous": "true",
            "log_dest": "stderr",
        }
        if os.geteuid() == 0:
            ours["user"] = "root"  # else it drops to a user who may not read a test's private folder
        ours["listener"] = f"{self.port} 127.0.0.1"  # last: TLS settings in `conf` belong to the listener above them
        return "\n".join([*(f"{key} {value}" for key, value in ours.items() if key not in given), conf, ""])

    def command(self) -> Sequence[str]:
        return [self._program, "-c", str(self.conf)]
