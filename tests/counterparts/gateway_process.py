"""The gateway itself as people run it: a plant generated below a folder, set up, started, killed, and its ledger read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.policy import parse_policy
from gateway.ledger.records import parse_record
from tests.counterparts.http import ask
from tests.counterparts.ports import accepts, free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.ledger.records import Record
    from gateway.ledger.verify import Result

ROOT = Path(__file__).resolve().parents[2]
NODE = "MCH-1"
SCOPES = "batch.create,batch.start,batch.end,batch.read,bundle.export,live.read,health.read,backup"


def machine_mqtt(machine: str, connection: str = "plant") -> dict[str, Any]:
    """The device of `generic/mqtt-machine-temperature`: one reading a message on `machine/<machine>/temperature`."""
    device = {"profile": "generic/mqtt-machine-temperature@1", "connection": connection, "node": NODE, "serial": "X1"}
    return {**device, "params": {"machine": machine}}


def machine_opcua(machine: str, connection: str = "line") -> dict[str, Any]:
    """The device of `generic/opcua-machine-temperature`: the variable `<machine>.Temperature`."""
    device = {"profile": "generic/opcua-machine-temperature@1", "connection": connection, "node": NODE, "serial": "X2"}
    return {**device, "params": {"machine": machine}}


def compiled_environment() -> dict[str, str]:
    """Our environment, in which Python keeps its bytecode as an installed package has it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache"), "PYTHONPATH": str(ROOT)}


class GatewayProcess(OwnedServer):
    """`gateway run` on a configuration made in `folder/config`; `start()` returns once `/ready` says so.

    `connections`, `devices`, `limits` (one file's rules) and `sinks` are the blocks of the configuration as mappings;
    `ledger` adds to its block. Kill and start again keep ports, ledger and keys.
    """

    def __init__(
        self,
        folder: Path,
        *,
        connections: Mapping[str, Any],
        devices: Mapping[str, Any],
        limits: Mapping[str, Any] | None = None,
        sinks: Mapping[str, Any] | None = None,
        ledger: Mapping[str, Any] | None = None,
        profiles: Path = ROOT / "device_profiles",
    ) -> None:
        super().__init__(folder, free_port(), compiled_environment())
        self.config = folder / "config"
        self.api = free_port()
        self.secrets = folder / "secrets"
        self.secrets.mkdir(exist_ok=True)
        self.token = self.secrets / "mes.token"
        self.settings: dict[str, Any] = {
            "format": "gateway/1",
            "site": {"id": "basel", "name": "Basel plant 2", "timezone": "Europe/Zurich"},
            "gateway": {"id": "gw-01", "approval": "off"},
            "ledger": {
                "path": "../data/ledger",
                "origin": "acme.example/basel/gw-01-dev",
                "disk_reserve_mb": 256,
                **(ledger or {}),
            },
            "keys": {"seal": {"file": "file:../secrets/seal.pem"}},
            "connections": dict(connections),
            "http": {"listen": f"127.0.0.1:{self.api}"},
            "telemetry": {"listen": f"127.0.0.1:{self.port}"},
            "sinks": dict(sinks or {}),
        }
        self.plant: dict[str, Any] = {
            "format": "plant/1",
            "nodes": {NODE: {"level": "unit", "name": "Machine"}},
            "devices": dict(devices),
        }
        self.limits: dict[str, Any] = {
            "format": "limits/1",
            "id": "MCH-LIM",
            "version": 1,
            "title": "Machine",
            "source": {"document": "SPEC-1", "revision": "1"},
            "rules": dict(limits or {}),
        }
        self.ledger = (self.config / self.settings["ledger"]["path"]).resolve()
        beside = folder / "device_profiles"
        if not beside.exists():
            beside.symlink_to(profiles)
        self.write()

    def write(self) -> None:
        """Write the configuration as it stands in `settings`, `plant` and `limits`; JSON is YAML."""
        (self.config / "limits").mkdir(parents=True, exist_ok=True)
        files = {"gateway.yaml": self.settings, "plant.yaml": self.plant}
        if self.limits["rules"]:
            files["limits/machine.yaml"] = self.limits
        for name, content in files.items():
            (self.config / name).write_text(json.dumps(content, indent=1) + "\n")
        (self.config / "clients.yaml").write_text("format: clients/1\nclients: {}\n")

    def command(self) -> list[str]:
        return [sys.executable, "-m", "gateway", "run", "--config", str(self.config)]

    def ready(self) -> bool:
        return accepts(self.port) and ask(f"http://127.0.0.1:{self.port}/ready").status == 200

    def set_up(self) -> None:
        """`gateway setup` and one machine account whose token lies in `token`."""
        self.run("setup", "--config", str(self.config))
        account = ["--machine", "--scope", SCOPES, "--token-file", str(self.token)]
        self.run("user", "add", *account, "--config", str(self.config))

    def keep_secret(self, name: str, text: str) -> None:
        """Write a secret as `file:../secrets/<name>`, readable by nobody else."""
        path = self.secrets / name
        path.touch(mode=0o600)
        path.write_text(text)

    def run(self, *words: str, code: int = 0) -> str:
        """Run one command of the gateway to its end and return what it printed; `code` is the exit that is expected."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env=self.env,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"gateway {' '.join(words)} ended with {done.returncode}\n{said[-4000:]}"
        return said

    def batch(self, *words: str) -> str:
        """`gateway batch …` with the machine account."""
        return self.run("batch", *words, "--token-file", str(self.token), "--config", str(self.config))

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics` by its name with labels."""
        answer = ask(f"http://127.0.0.1:{self.port}/metrics").body.decode()
        lines = [line.rpartition(" ") for line in answer.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def readings(self) -> int:
        """Readings recorded since this start."""
        name = "gateway_readings_committed_total"
        return int(sum(value for key, value in self.metrics().items() if key.startswith(name)))

    def wait_recording(self, sources: Sequence[str] = (), seconds: float = 30.0) -> None:
        """Return once every source, or those named, has told that it is connected."""
        end = time.monotonic() + seconds
        wanted = set(sources or self.settings["connections"])
        while wanted - {one.source for one in self.records() if one.kind == "gateway" and one.code == "connected"}:
            assert time.monotonic() < end, f"not connected within {seconds} s"
            time.sleep(0.1)

    def size(self) -> int:
        """Committed entries as the running gateway says."""
        return int(self.metrics()["gateway_ledger_entries"])

    def records(self, first: int = 0) -> list[Record]:
        """All records of the ledger folder from `first` on, read by the product's own reader."""
        reader = LedgerFolder(self.ledger).reader
        return [parse_record(content) for _, _, content in reader.read(first, 1 << 62)]

    def verified(self) -> Result:
        """The one verifier over the whole folder, every seal; its last line is in the failure."""
        policy = parse_policy((self.ledger / "keys" / "policy").read_text())
        result = verify_folder(self.ledger, policy=policy, all_seals=True)
        assert result.exit_code == 0, "\n".join(result.lines())
        return result
