"""Questions to an OPC UA server for `gateway check`: is a session given, are our nodes there, do they have the types we expect.

A session of its own, named ``<gateway>-check``: nothing is subscribed to, nothing is written, and it is closed in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.adapters.opcua.addresses import parse_address
from gateway.adapters.opcua.browse import close_session, type_name
from gateway.adapters.opcua.client import OpcuaClient, ServerFacts
from gateway.adapters.opcua.errors import Trouble, Verdict, judge_status, status_name
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.security import check_link
from gateway.adapters.opcua.subscription import NOT_BOUND, bind_items
from gateway.adapters.opcua.wire import Unreadable
from gateway.config.environment import Answer, EnvironmentCheck, Shared, reason
from gateway.domain.plan import OpcuaItem, OpcuaPlan

SHOWN: Final = 3


class Seen(Struct, frozen=True):
    """One item as the server has it: the status of reading it, and its type (empty where there was no value)."""

    item: OpcuaItem
    status: int
    type: str = ""

    @property
    def missing(self) -> bool:
        """Whether the node itself cannot be read; a bad value of a node that is there is no fault of the configuration."""
        return judge_status(self.status) is Verdict.NODE if self.status >> 30 else False


class Looked(Struct, frozen=True):
    """What one session saw."""

    facts: ServerFacts
    seen: tuple[Seen, ...]


async def look_at_items(link: OpcuaLink, plan: OpcuaPlan, *, name: str, wall_ns: int) -> Looked:
    """Open a session, read every item of the plan once, close it. Raises `SourceRefused` or `Trouble`."""
    check_link(link)
    client = OpcuaClient(replace(link, session_file=None))
    client.name = client.description = name
    try:
        await client.open_channel()
        await client.begin_session(wall_ns)
        facts = await client.read_facts()
        addresses = [parse_address(item.address) for item in plan.items]
        wanted = await bind_items(client, facts, plan, addresses, range(1, len(addresses) + 1))
        seen = {one.handle: Seen(plan.items[one.handle - 1], NOT_BOUND) for one in wanted}
        bound = [one for one in wanted if one.node is not None]
        for start in range(0, len(bound), facts.limits["read"]):
            part = bound[start : start + facts.limits["read"]]
            values = await client.read_nodes([one.node for one in part])
            for one, value in zip(part, values, strict=True):
                whole = addresses[one.handle - 1].field is None and not value.status >> 30
                found = type_name(value.raw) if whole else ""
                seen[one.handle] = Seen(plan.items[one.handle - 1], value.status, found)
        await close_session(client)
        return Looked(facts, tuple(seen[handle] for handle in sorted(seen)))
    except Unreadable as error:
        raise Trouble(Verdict.LINK, f"the server sent bytes that are not OPC UA: {error}") from error
    finally:
        client.drop()


@dataclass(frozen=True)
class OpcuaCheck:
    """One question to one server; ``judge`` makes the answer of what was seen."""

    id: str
    target: str
    looked: Shared[Looked]
    judge: Callable[[Looked], Answer]
    first: bool = False

    async def ask(self) -> Answer:
        """Take part in the session; a server that is not reached is told of once."""
        try:
            return self.judge(await self.looked.get())
        except Trouble as trouble:
            if not self.first:
                return Answer("skipped", "no session")
            remedy = "is the server on and reachable from here?" if "by itself" in trouble.remedy else trouble.remedy
            cause = trouble.__cause__
            why = f"no connection: {reason(cause)}" if isinstance(cause, OSError) else trouble.text
            return Answer("failed", f"{why}. Next: {remedy}")


def opcua_checks(plan: OpcuaPlan, link: OpcuaLink, *, name: str, wall_ns: int) -> Iterator[EnvironmentCheck]:
    """Yield the questions to the server of a plan; ``name`` is what the session is called."""
    looked = Shared(lambda: look_at_items(link, plan, name=name, wall_ns=wall_ns))
    yield OpcuaCheck("opcua-session", f"{plan.source} as {name}", looked, _session, first=True)
    if plan.items:
        yield OpcuaCheck("opcua-nodes", plan.source, looked, lambda one: _nodes(one, plan.source))
        yield OpcuaCheck("opcua-types", plan.source, looked, _types)


def _session(looked: Looked) -> Answer:
    build = looked.facts.build
    said = " ".join(build[key] for key in ("product", "software") if build.get(key))
    return Answer("ok", f"session opened{': ' if said else ''}{said}")


def _nodes(looked: Looked, source: str) -> Answer:
    missing = [f"{one.item.address} ({status_name(one.status)})" for one in looked.seen if one.missing]
    if not missing:
        return Answer("ok", f"{len(looked.seen)} of {len(looked.seen)} are there")
    return Answer("failed", f"{_listed(missing)}. Next: gateway opcua browse {source}")


def _types(looked: Looked) -> Answer:
    typed = [one for one in looked.seen if one.type and one.item.type is not None]
    other = [
        f"{one.item.address} is {one.type}, the profile says {one.item.type}"
        for one in typed
        if one.type != one.item.type
    ]
    if not other:
        return Answer("ok", f"{len(typed)} of {len(looked.seen)} have a value, of the type their profile says")
    return Answer("failed", f"{_listed(other)}. Next: correct type in the profile: nothing is converted in silence")


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
