"""The ports: what the pipeline asks of the world and the world of the pipeline, each with its promises in prose.

One contract suite a port runs on the fake and on the real one (`tests/contract/`). Times are integers in nanoseconds.
"""

from __future__ import annotations

from gateway.ports.clock import ClockReport, Moment, SystemClock
from gateway.ports.ledger import (
    Committed,
    Entropy,
    FrozenNotes,
    Journal,
    LedgerStore,
    RevocationLists,
    Sealer,
    Stamp,
    StoreHead,
    TimeStamper,
)
from gateway.ports.outward import (
    CosignAnswer,
    ProjectionAnswer,
    ProjectionSink,
    WebAnswer,
    Webhook,
    WebRequest,
    Witness,
    WitnessMemory,
)
from gateway.ports.people import ERASED, People, Person
from gateway.ports.source import Fact, Inlet, Outcome, Parcel, Resume, Source
from gateway.ports.upkeep import Disposal, PackedSegment, Packer, Scrubber, ScrubFinding, ScrubReport, Space

__all__ = [
    "ERASED",
    "ClockReport",
    "Committed",
    "CosignAnswer",
    "Disposal",
    "Entropy",
    "Fact",
    "FrozenNotes",
    "Inlet",
    "Journal",
    "LedgerStore",
    "Moment",
    "Outcome",
    "PackedSegment",
    "Packer",
    "Parcel",
    "People",
    "Person",
    "ProjectionAnswer",
    "ProjectionSink",
    "Resume",
    "RevocationLists",
    "ScrubFinding",
    "ScrubReport",
    "Scrubber",
    "Sealer",
    "Source",
    "Space",
    "Stamp",
    "StoreHead",
    "SystemClock",
    "TimeStamper",
    "WebAnswer",
    "WebRequest",
    "Webhook",
    "Witness",
    "WitnessMemory",
]
