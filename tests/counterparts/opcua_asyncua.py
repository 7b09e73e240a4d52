"""An asyncua server in its own process: a second opinion beside node-opcua, never the only witness nor the load.

Its variables are doubles; with `bump_ms` each counts up by one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.counterparts.ports import free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "urn:counterpart:asyncua"


class AsyncuaServer(OwnedServer):
    """Doubles by name on a random loopback port, no security; `bump_ms` counts each of them up by one."""

    def __init__(self, folder: Path, variables: Mapping[str, float], *, bump_ms: int = 0) -> None:
        super().__init__(folder, free_port())
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self.settings = {
            "port": self.port,
            "namespace": NAMESPACE,
            "variables": dict(variables),
            "bump_ms": bump_ms,
        }

    def command(self) -> Sequence[str]:
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {__name__} import serve; serve(sys.argv[1])"
        return [sys.executable, "-c", code, json.dumps(self.settings)]

    def start(self, seconds: float = 60.0) -> AsyncuaServer:
        super().start(seconds)
        return self


def serve(text: str) -> None:
    """Serve until the process is ended."""
    asyncio.run(_serve(json.loads(text)))


async def _serve(settings: dict) -> None:
    from asyncua import Server, ua

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{settings['port']}")
    index = await server.register_namespace(settings["namespace"])
    nodes = {
        name: await server.nodes.objects.add_variable(ua.NodeId(name, index), name, float(value))
        for name, value in settings["variables"].items()
    }
    async with server:
        value = dict(settings["variables"])
        while True:
            await asyncio.sleep((settings["bump_ms"] or 1000) / 1000)
            if settings["bump_ms"]:
                for name, node in nodes.items():
                    value[name] += 1
                    await node.write_value(float(value[name]))


__all__ = ["NAMESPACE", "AsyncuaServer", "serve"]
