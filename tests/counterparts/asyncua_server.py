"""A real asyncua server with one variable that tells a recorded story: every value at full speed, source times as given.

As a process: `python asyncua_server.py PORT NAMESPACE NAME FILE`; FILE holds `[value, source_ns]` pairs as JSON. The first
is the variable's initial value; the others are written at SIGUSR1.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from asyncua import Server, ua

from tests.counterparts.ports import free_port
from tests.counterparts.process import OwnedServer

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TURN = 100
"""Values between two moments in which the server may publish."""


class AsyncuaServer(OwnedServer):
    """`variable` in `namespace`, told by `story` ((value, source time in ns), …); `tell()` writes all but the first."""

    def __init__(self, folder: Path, namespace: str, variable: str, story: Sequence[tuple[float, int]]) -> None:
        super().__init__(folder, free_port(), {**os.environ, "PYTHONPATH": str(ROOT)})
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self._namespace, self._variable = namespace, variable
        self._story = folder / "story.json"
        self._story.write_text(json.dumps(list(story)))

    def command(self) -> Sequence[str]:
        words = [str(self.port), self._namespace, self._variable, str(self._story)]
        return [sys.executable, "-m", "tests.counterparts.asyncua_server", *words]

    def tell(self) -> None:
        """Write the story now."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)


async def serve(port: int, namespace: str, name: str, story: list[tuple[float, int]]) -> None:
    """Serve until killed."""
    began = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, began.set)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(namespace)
    variable = await server.nodes.objects.add_variable(ua.NodeId(name, index), name, 0.0, ua.VariantType.Double)
    await variable.write_value(value_of(*story[0]))
    async with server:
        await began.wait()
        for number, point in enumerate(story[1:], 1):
            await variable.write_value(value_of(*point))
            if not number % TURN:
                await asyncio.sleep(0.005)
        await asyncio.Event().wait()


def value_of(value: float, source_ns: int) -> ua.DataValue:
    """A good Double at its source time."""
    at = EPOCH + timedelta(microseconds=source_ns // 1000)
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=at)


if __name__ == "__main__":
    where, space, named, told = sys.argv[1:]
    asyncio.run(serve(int(where), space, named, json.loads(Path(told).read_text())))
