"""A real node-opcua server on random loopback ports: variables with history, values on order, killed like a power cut."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.counterparts.certificates import Identity, make_identity
from tests.counterparts.http import ask
from tests.counterparts.missing import absent, need
from tests.counterparts.ports import accepts, free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).resolve().parent / "node_opcua"
TOOLS = Path(__file__).resolve().parents[2] / ".tools" / "node_opcua"
NAMESPACE = "urn:counterpart:plant"
SERVER_URI = "urn:counterpart:node-opcua"


def modules() -> Path:
    """Folder with node-opcua in it, installed once from the lock file; without node or npm: skip, or failure in CI."""
    need("node")
    found = TOOLS / "node_modules"
    if not (found / "node-opcua").is_dir():
        npm = need("npm")
        TOOLS.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, TOOLS / name)
        done = subprocess.run([npm, "ci"], cwd=TOOLS, capture_output=True, timeout=300, check=False)
        if done.returncode:
            absent(f"node-opcua cannot be installed here: {done.stderr.decode(errors='replace')[-500:]}")
    return found


def server_identity() -> Identity:
    """The server's certificate and key, made once: a pinned certificate survives the server's restart."""
    certificate, key = TOOLS / "server.der", TOOLS / "server.pem"
    if not certificate.exists() or not key.exists():
        made = make_identity(SERVER_URI, days=(-1, 3650))
        key.write_bytes(made.key)
        certificate.write_bytes(made.certificate)
        certificate.with_suffix(".crt").write_bytes(made.certificate_pem)
    return Identity(certificate.read_bytes(), key.read_bytes())


class NodeOpcua(OwnedServer):
    """`variables` are `{"name", "type", "value", "history"}`; `url` is its endpoint.

    What its ramps produced stands in `folder/produced.log` and comes back as history after a kill and a start.
    """

    def __init__(
        self,
        folder: Path,
        variables: Sequence[Mapping[str, Any]],
        *,
        ramps: Sequence[Mapping[str, Any]] = (),
        before: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
        namespace: str = NAMESPACE,
    ) -> None:
        self._node = need("node")
        self._modules = modules()
        self.identity = server_identity()
        super().__init__(folder, free_port(), {**os.environ, "NODE_PATH": str(self._modules)})
        self.control = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self.settings: dict[str, Any] = {
            "port": self.port,
            "control": self.control,
            "pki": str(TOOLS / "pki"),
            "certificate": str(TOOLS / "server.crt"),
            "key": str(TOOLS / "server.pem"),
            "namespace": namespace,
            "before": list(before),
            "variables": [dict(one) for one in variables],
            "ramps": [dict(one) for one in ramps],
            "limits": dict(limits or {}),
            "log": str(folder / "produced.log"),
        }

    def command(self) -> Sequence[str]:
        return [self._node, str(HERE / "server.js"), json.dumps(self.settings)]

    def ready(self) -> bool:
        return accepts(self.port) and accepts(self.control)

    def start(self, seconds: float = 60.0) -> NodeOpcua:
        super().start(seconds)
        return self

    def order(self, op: str, **given: Any) -> Any:
        """Give one order and return its answer."""
        answer = ask(f"http://127.0.0.1:{self.control}/", body=json.dumps([{"op": op, **given}]).encode())
        assert answer.status == 200, answer.body.decode(errors="replace")
        return json.loads(answer.body)[0]

    def put(self, name: str, value: Any, type: str = "Double", **more: Any) -> None:  # noqa: A002 - the server's word
        """Set a variable now."""
        self.order("set", name=name, type=type, value=value, **more)

    def produced(self) -> list[tuple[str, int, int]]:
        """What its ramps sent: (name, k, source time in ms), oldest first."""
        text = (self.folder / "produced.log").read_text() if (self.folder / "produced.log").exists() else ""
        return [(n, int(k), int(ms)) for n, _, k, ms in (line.split() for line in text.splitlines())]
