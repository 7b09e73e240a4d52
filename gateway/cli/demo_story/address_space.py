"""The freezer's address space: one object with its variables in a namespace of its own, written with source times."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import Server, ua
from asyncua.common.node import Node
from msgspec import Struct

from gateway.cli.demo_story.thermal import SET_POINT_C, Chamber

CELSIUS: Final = ua.EUInformation(
    NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
    UnitId=4_408_652,
    DisplayName=ua.LocalizedText("°C"),
    Description=ua.LocalizedText("degree Celsius"),
)


class Variable(Struct, frozen=True, kw_only=True):
    """One variable: node id text in the namespace (``s=…``), browse name, OPC UA type, and whether it has a unit."""

    address: str
    name: str
    type: ua.VariantType
    celsius: bool = False


class AddressSpace:
    """The variables of one freezer; ``nodes`` is filled by `build`, in the order of the variables."""

    def __init__(self, namespace: str, root: str, variables: dict[str, Variable]) -> None:
        self._namespace = namespace
        self._root = root
        self._variables = variables
        self.nodes: list[Node] = []

    async def build(self, server: Server, chamber: Chamber) -> None:
        """Make the nodes with their first values."""
        index = await server.register_namespace(self._namespace)
        freezer = await server.nodes.objects.add_object(
            ua.NodeId(self._root, index), ua.QualifiedName(self._root, index)
        )
        for signal, variable in self._variables.items():
            node = await freezer.add_variable(
                ua.NodeId.from_string(f"ns={index};{variable.address}"),
                ua.QualifiedName(variable.name, index),
                ua.Variant(value_of(signal, chamber), variable.type),
            )
            if variable.celsius:
                await node.add_property(index, "EngineeringUnits", CELSIUS)
            self.nodes.append(node)
        await self.write(chamber)

    async def write(self, chamber: Chamber) -> None:
        """Write what the sensors say now, with one source time for all."""
        now = datetime.fromtimestamp(time.clock_gettime_ns(time.CLOCK_REALTIME) / 1e9, UTC)
        for node, (signal, variable) in zip(self.nodes, self._variables.items(), strict=True):
            value = ua.Variant(value_of(signal, chamber), variable.type)
            await node.write_value(ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now))


def value_of(signal: str, chamber: Chamber) -> Any:
    """Return what a sensor of the freezer says."""
    match signal:
        case "temp":
            return chamber.read()
        case "setpoint":
            return SET_POINT_C
        case "compressor":
            return chamber.compressor_on
        case _:
            raise AssertionError(f"the demo's freezer has no sensor {signal!r}")
