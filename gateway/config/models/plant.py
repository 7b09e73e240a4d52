"""`plant.yaml`, format plant/1: nodes, devices, calibration (`profiles.md` 1)."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.models.types import (
    Day,
    Flag,
    LowerId,
    Model,
    NodeId,
    Number,
    ProfileRef,
    Sha256,
    Text,
    Title,
    UpperId,
    choice,
    need,
    number,
    refuse,
    whole,
)

Level = Literal["area", "process_cell", "unit", "equipment_module", "control_module", "room"]
_LEVELS = ("area", "process_cell", "unit", "equipment_module", "control_module", "room")


class Qualification(Model):
    """State of qualification."""

    state: Text
    """State, for people."""
    expires_on: Day | None = None
    """Last day."""
    reference: Text
    """Document."""


class NodeEntry(Model):
    """An ISA-95 level or a room."""

    level: Annotated[Level, choice(*_LEVELS)]
    """Level."""
    name: Title
    """Name for people."""
    in_: NodeId | None = Field(default=None, alias="in")
    """Node above; no cycle."""
    room: NodeId | None = None
    """Room it stands in."""
    alias: Title | None = None
    """Name in what clients see."""
    mobile: Flag = False
    """It moves; events name the room."""
    exclusive: Flag = False
    """One batch at a time."""
    grade: Annotated[Literal["A", "B", "C", "D", "CNC"], choice("A", "B", "C", "D", "CNC")] | None = None
    """Cleanroom grade."""
    qualification: Qualification | None = None
    """State of qualification."""


class Uncertainty(Model):
    """Expanded uncertainty of a calibration."""

    value: Annotated[Decimal, number("0")]
    """In the recorded unit."""
    k: Annotated[int, whole(1, 10)] = 2
    """Coverage factor."""


class CorrectionEntry(Model):
    """Correction from the certificate: an offset or a table."""

    offset: Number | None = None
    """Added to the reading, recorded unit."""
    table: list[list[Number]] | None = None
    """2..50 rising [reading, true] pairs; linear between, outside uncertain."""

    @field_validator("table")
    @classmethod
    def _rising(cls, value: list[list[Decimal]] | None) -> list[list[Decimal]] | None:
        if value is None:
            return None
        expected = "2..50 rising [reading, true] pairs"
        pairs_only = all(len(pair) == 2 for pair in value)  # noqa: PLR2004 - a pair has two numbers
        if not pairs_only or not 2 <= len(value) <= 50:  # noqa: PLR2004 - the bounds of `profiles.md`
            raise refuse([], expected)
        if any(b[0] <= a[0] or b[1] <= a[1] for a, b in pairwise(value)):
            raise refuse([], expected)
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.offset is None) == (self.table is None):
            raise PydanticCustomError("SCH-02", "missing key: exactly one of offset, table")
        return self


class CalibrationBlock(Model):
    """One calibration of one signal."""

    certificate: Text
    """Number of the certificate."""
    sha256: Sha256 | None = None
    """Hash of the certificate."""
    performed: Day
    """Day of calibration."""
    due: Day
    """Last day it holds."""
    laboratory: Title
    """Who did it."""
    as_found: Annotated[Literal["pass", "fail", "new"], choice("pass", "fail", "new")]
    """State before adjustment."""
    last_good: Day | None = None
    """Newest day known to be good; needed for fail."""
    uncertainty: Uncertainty | None = None
    """Expanded uncertainty."""
    correction: CorrectionEntry | None = None
    """Correction that is applied to each reading."""

    @model_validator(mode="after")
    def _known_since(self) -> Self:
        if self.as_found == "fail":
            need(self, "last_good", why="as_found fail lists the batches since then")
        return self


class DeviceEntry(Model):
    """One device: a profile at a place."""

    profile: ProfileRef
    """Profile id@version."""
    connection: LowerId
    """Connection of gateway.yaml."""
    node: NodeId
    """Where it measures."""
    serial: Text
    """Serial number."""
    signal_nodes: dict[LowerId, NodeId] = Field(default_factory=dict)
    """Signals that measure elsewhere."""
    params: dict[str, Text] = Field(default_factory=dict)
    """Parameters of the profile."""
    calibration: dict[LowerId, CalibrationBlock] = Field(default_factory=dict)
    """Calibration by signal."""
    in_service: Flag = True
    """false: not read, the entry stays."""


class PlantFile(Model):
    """The whole file."""

    format: Annotated[Literal["plant/1"], choice("plant/1")]
    """Kind and version of the file."""
    nodes: dict[NodeId, NodeEntry]
    """Levels and rooms, by id."""
    devices: dict[UpperId, DeviceEntry]
    """Devices, by id."""
