"""The freezer's address space: one object with its variables in a namespace of its own, written with source times."""

from __future__ import annotations

import time
from datetime import UTC, timedelta
from typing import Any, Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.uatypes import DateTime
from msgspec import Struct

from gateway.cli.demo_story.oracle import Written
from gateway.cli.demo_story.profiles import NAMESPACE
from gateway.cli.demo_story.thermal import SET_POINT_C, Chamber

EPOCH: Final = DateTime(1970, 1, 1, tzinfo=UTC)
CELSIUS: Final = ua.EUInformation(
    NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
    UnitId=4_408_652,
    DisplayName=ua.LocalizedText("°C"),
    Description=ua.LocalizedText("degree Celsius"),
)


class Variable(Struct, frozen=True, kw_only=True):
    """One variable: its part of the node id (``s=<root>.<address>``), browse name, OPC UA type, and whether it has a unit."""

    address: str
    name: str
    type: ua.VariantType
    celsius: bool = False


FUNCTIONS: Final = "FunctionSet"
VARIABLES: Final = {
    "temp": Variable(
        address=f"{FUNCTIONS}.Temperature.SensorValue", name="SensorValue", type=ua.VariantType.Double, celsius=True
    ),
    "setpoint": Variable(
        address=f"{FUNCTIONS}.Temperature.TargetValue", name="TargetValue", type=ua.VariantType.Double, celsius=True
    ),
    "door": Variable(address=f"{FUNCTIONS}.Door.SensorValue", name="DoorValue", type=ua.VariantType.Boolean),
}


class AddressSpace:
    """The variables of one freezer; ``nodes`` is filled by `build`, ``written`` is the freezer's own log of temperatures."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.nodes: list[Node] = []
        self.written: list[Written] = []

    async def build(self, server: Server, chamber: Chamber) -> None:
        """Make the nodes with their first values."""
        index = await server.register_namespace(NAMESPACE)
        freezer = await server.nodes.objects.add_object(
            ua.NodeId.from_string(f"ns={index};s={self._root}"), ua.QualifiedName(self._root, index)
        )
        for signal, variable in VARIABLES.items():
            node = await freezer.add_variable(
                ua.NodeId.from_string(f"ns={index};s={self._root}.{variable.address}"),
                ua.QualifiedName(variable.name, index),
                ua.Variant(value_of(signal, chamber), variable.type),
            )
            if variable.celsius:
                await node.add_property(index, "EngineeringUnits", CELSIUS)
            self.nodes.append(node)
        await self.write(chamber)

    async def write(self, chamber: Chamber) -> None:
        """Write what the sensors say now, with one source time for all."""
        now_us = time.clock_gettime_ns(time.CLOCK_REALTIME) // 1_000
        now = EPOCH + timedelta(microseconds=now_us)
        for node, (signal, variable) in zip(self.nodes, VARIABLES.items(), strict=True):
            value = value_of(signal, chamber)
            stamped = ua.DataValue(ua.Variant(value, variable.type), SourceTimestamp=now, ServerTimestamp=now)
            await node.write_value(stamped)
            if signal == "temp":
                self.written.append(Written(now_us * 1_000, value))


def value_of(signal: str, chamber: Chamber) -> Any:
    """Return what a sensor of the freezer says."""
    match signal:
        case "temp":
            return chamber.read()
        case "setpoint":
            return SET_POINT_C
        case "door":
            return chamber.door_open
        case _:
            raise AssertionError(f"the demo's freezer has no sensor {signal!r}")
