"""Look at a server: its tree with live value, type and unit, by one session that subscribes to nothing and writes nothing."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from asyncua.common.utils import Buffer
from msgspec import Struct

from gateway.adapters.opcua.addresses import bind, format_address, parse_address
from gateway.adapters.opcua.client import OpcuaClient, ServerFacts
from gateway.adapters.opcua.errors import Trouble, Verdict, status_name
from gateway.adapters.opcua.foreign import NodeId, binary, ua
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.security import check_link
from gateway.adapters.opcua.wire import Reader, Unreadable, WireValue
from gateway.domain.sample import ABSENT, Raw

NODES_MAX = 10_000
REFERENCES_A_CALL = 1000

_TYPES = {
    "bool": "boolean",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "f32": "float",
    "f64": "double",
    "str": "string",
    "ticks": "datetime",
}


class Leaf(Struct, frozen=True, kw_only=True):
    """One node of the tree; ``kind`` is object or variable, ``value`` as text, ``status`` the code's name if not good."""

    depth: int
    name: str
    address: str
    kind: str
    type: str = ""
    value: str = ""
    unit: str = ""
    status: str = ""


class _Found(Struct, frozen=True):
    depth: int
    name: str
    node: NodeId
    variable: bool


async def look(link: OpcuaLink, *, wall_ns: int, start: str | None = None, depth: int = 6) -> list[Leaf]:
    """Return the tree below ``start`` (the Objects folder), depth first, at most 10,000 nodes.

    Raises `SourceRefused` where the link may not be opened as configured, `Unavailable` when the server does not answer.
    """
    check_link(link)
    client = OpcuaClient(link)
    try:
        await client.open_channel()
        await client.begin_session(wall_ns)
        facts = await client.read_facts()
        root = ua.NodeId(ua.ObjectIds.ObjectsFolder)
        if start is not None:
            bound = bind(parse_address(start), facts.namespaces)
            if bound is None:
                raise Trouble(Verdict.NODE, f"the server does not know the namespace of {start}")
            root = bound
        found: list[_Found] = []
        await _walk(client, root, 0, depth, found)
        leaves = await _describe(client, facts, found)
        await close_session(client)
        return leaves
    finally:
        client.drop()


async def _walk(client: OpcuaClient, node: NodeId, level: int, depth: int, found: list[_Found]) -> None:
    if level >= depth:
        return
    for reference in await _children(client, node, ua.ObjectIds.HierarchicalReferences):
        child = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)
        if (
            child == ua.NodeId(ua.ObjectIds.Server)
            or len(found) >= NODES_MAX
            or any(one.node == child for one in found)
        ):
            continue
        variable = reference.NodeClass == ua.NodeClass.Variable
        found.append(_Found(level, str(reference.BrowseName.Name), child, variable))
        await _walk(client, child, level + 1, depth, found)


async def _children(client: OpcuaClient, node: NodeId, reference_type: int) -> list[Any]:
    """Return forward references to objects and variables, all pages of them."""
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = REFERENCES_A_CALL
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(reference_type),
            IncludeSubtypes=True,
            NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
            ResultMask=ua.BrowseResultMask.All,
        )
    ]
    answer = binary.struct_from_binary(ua.BrowseResponse, Buffer(await client.ask(request)))
    (result,) = answer.Results
    references = list(result.References or [])
    while result.ContinuationPoint:
        following = ua.BrowseNextRequest()
        following.Parameters.ContinuationPoints = [result.ContinuationPoint]
        answer = binary.struct_from_binary(ua.BrowseNextResponse, Buffer(await client.ask(following)))
        (result,) = answer.Parameters.Results if hasattr(answer, "Parameters") else answer.Results
        references += result.References or []
    return references


async def _describe(client: OpcuaClient, facts: ServerFacts, found: Sequence[_Found]) -> list[Leaf]:
    """Read the values of all variables; a property that holds a unit goes to its owner and is not listed itself."""
    values: list[WireValue] = []
    step = facts.limits["read"]
    nodes = [one.node for one in found]
    for start in range(0, len(nodes), step):
        values += await client.read_nodes(nodes[start : start + step])
    leaves: list[Leaf] = []
    for one, value in zip(found, values, strict=True):
        if one.name == "EngineeringUnits" and leaves and leaves[-1].depth <= one.depth:
            _give_unit(leaves, one.depth, _unit(value.raw))
            continue
        leaves.append(
            Leaf(
                depth=one.depth,
                name=one.name,
                address=format_address(one.node, facts.namespaces),
                kind="variable" if one.variable else "object",
                type=type_name(value.raw) if one.variable else "",
                value=format_value(value.raw) if one.variable else "",
                status=status_name(value.status) if one.variable and value.status >> 30 else "",
            )
        )
    return leaves


def _give_unit(leaves: list[Leaf], depth: int, unit: str) -> None:
    """Put a unit on the nearest variable above it."""
    for index in range(len(leaves) - 1, -1, -1):
        owner = leaves[index]
        if owner.depth == depth - 1:
            leaves[index] = Leaf(
                depth=owner.depth,
                name=owner.name,
                address=owner.address,
                kind=owner.kind,
                type=owner.type,
                value=owner.value,
                unit=unit,
                status=owner.status,
            )
            return


def type_name(raw: Raw) -> str:
    """Return the built-in type of a value in the words of a profile, empty where there is none; an array as ``double[3]``."""
    if isinstance(raw.value, list):
        inner = _TYPES.get(raw.value[0].type, "?") if raw.value else "?"
        return f"{inner}[{len(raw.value)}]"
    return "" if raw == ABSENT else _TYPES.get(raw.type, "other")


def format_value(raw: Raw) -> str:
    """Return a value as people read it; floats as the shortest decimal with the same bits."""
    if isinstance(raw.value, list):
        return f"[{', '.join(format_value(one) for one in raw.value[:3])}{', …' if len(raw.value) > 3 else ''}]"  # noqa: PLR2004 - three show the kind
    if raw.type == "f64":
        return repr(struct.unpack(">d", bytes.fromhex(str(raw.value)))[0])
    if raw.type == "f32":
        return f"{struct.unpack('>f', bytes.fromhex(str(raw.value)))[0]:.7g}"
    return str(raw.value)


def _unit(raw: Raw) -> str:
    """Return the display name of an EUInformation, empty when it is none."""
    if raw.type != "bytes":
        return ""
    try:
        reader = Reader(base64.b64decode(str(raw.value)))
        _, start, stop = reader.extension()
        body = Reader(reader.data, start, stop)
        body.blob()
        body.i32()
        mask = body.u8()
        if mask & 1:
            body.blob()
        text = body.blob() if mask & 2 else None
    except Unreadable:
        return ""
    return (text or b"").decode(errors="replace")


async def close_session(client: OpcuaClient) -> None:
    """End our own session in order: nothing of a recording hangs on it."""
    request = ua.CloseSessionRequest()
    request.DeleteSubscriptions = True
    await client.ask(request)
