"""A small plant for OPC UA tests: links, plans, a running source, and the oracle that counts what came."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.source import OpcuaSource
from gateway.adapters.system_clock import OsClock
from gateway.domain.plan import OpcuaItem, OpcuaPlan
from tests.counterparts.certificates import Identity, make_identity
from tests.counterparts.node_opcua import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from tests.fakes.inlet import FakeInlet

SOURCE = "line1"
OUR_URI = "urn:site:gateway"
_OURS: list[Identity] = []


def ours() -> Identity:
    """The gateway's own identity, one a test run."""
    if not _OURS:
        _OURS.append(make_identity(OUR_URI))
    return _OURS[0]


def address(name: str, namespace: str = NAMESPACE) -> str:
    return f"nsu={namespace};s={name}"


def make_plan(
    names: Sequence[str], *, history: bool = False, publishing_ms: int = 100, sampling_ms: int = 0, queue: int = 1000
) -> OpcuaPlan:
    items = tuple(
        OpcuaItem(
            signal=f"D/{name}",
            address=name if "=" in name else address(name),
            type="double",
            sampling_ms=sampling_ms,
            queue=queue,
        )
        for name in names
    )
    return OpcuaPlan(source=SOURCE, items=items, publishing_ms=publishing_ms, history=history)


def open_link(url: str, **given: Any) -> OpcuaLink:
    """No security: loopback of a development ledger only."""
    return OpcuaLink(**{"url": url, "policy": "None", "mode": "None", "development": True, "keepalive_s": 1, **given})


def secure_link(url: str, server: Identity, **given: Any) -> OpcuaLink:
    return OpcuaLink(
        **{
            "url": url,
            "user": "gateway",
            "password": "right",
            "own_certificate": ours().certificate,
            "own_key": ours().key,
            "application_uri": OUR_URI,
            "server_certificate": server.certificate,
            "keepalive_s": 1,
            **given,
        }
    )


@contextlib.asynccontextmanager
async def running(link: OpcuaLink, plan: OpcuaPlan, inlet: FakeInlet, **given: Any) -> AsyncIterator[OpcuaSource]:
    """A source that runs until the block ends; its own failure fails the test."""
    source = OpcuaSource(link, plan, OsClock(), draw=lambda: 0.5, **given)
    task = asyncio.get_running_loop().create_task(source.run(inlet))
    try:
        yield source
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def number(bits: object) -> float:
    value: float = struct.unpack(">d", bytes.fromhex(str(bits)))[0]
    return value


def counted(inlet: FakeInlet, name: str, index: int = 1) -> list[int]:
    """The k of each sample of one signal that a ramp sent, in offer order."""
    found = []
    for sample in inlet.samples:
        if sample.address == address(name) and sample.raw.type == "f64":
            value = number(sample.raw.value)
            if value >= index * 1e9:
                found.append(round(value - index * 1e9))
    return found


def lost(ks: Iterable[int]) -> list[int]:
    """Numbers missing between the first and the last."""
    seen = set(ks)
    return [k for k in range(min(seen), max(seen)) if k not in seen]


def doubled(ks: Iterable[int]) -> list[int]:
    """Numbers that came more than once."""
    return sorted(k for k, times in Counter(ks).items() if times > 1)
