"""Sample: one value as it came from the wire, with exact bits or text, before any profile has judged it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

RawValue = bool | str | list["Raw"]


class Raw(NamedTuple):
    """The exact thing on the wire: a wire type and its value (`ledger.md` 1, row `raw`).

    ``type`` is one of ``bool`` (value bool), ``i8 i16 i32 i64 u8 u16 u32 u64 ticks`` (decimal string; ticks are 100 ns
    since 1601), ``f32 f64`` (bits in hex, 8 or 16 digits), ``num`` (a JSON number as typed), ``str guid json`` (text),
    ``bytes`` (base64), ``arr`` (a list of Raw), ``null`` (value ``""``: nothing there).
    """

    type: str
    value: RawValue


ABSENT = Raw("null", "")


class Provenance(StrEnum):
    """How a reading reached us."""

    LIVE = "live"
    REPUBLISHED = "republished"
    HISTORICAL = "historical"
    RETAINED = "retained"
    TEST = "test"


class Quality(StrEnum):
    """Judgement of a value; the native status code stands beside it, untouched."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Payload(Struct, frozen=True, gc=False):
    """The whole message a sample was cut from; shared by its samples, written once with part 0."""

    content: bytes
    sha256: str


class Sample(Struct, frozen=True, gc=False):
    """One value from the wire.

    ``address`` is the plan address within its source: ``nsu=<uri>;s=…`` for OPC UA, ``<topic>#<path>`` for MQTT.
    ``source_ns``, ``server_ns``: ns since 1970 as sent, None if absent. ``received_ns``, ``boot_ns``: our wall clock and
    CLOCK_BOOTTIME when the bytes arrived. ``flags``: codes of `ledger.md` (``dup``, ``retain``, ``qos0``, ``initial`` …).
    ``reasons``: reason codes that the transport already found (``time_impossible``, ``absent`` …).
    ``sequence``, ``repeat_key``: device counter and duplicate key where the profile names them (`ingest.md` 4.2).
    ``native``: the device's own word for its quality, where the profile has a path to it (a code goes to ``status``).
    """

    address: str
    raw: Raw
    received_ns: int
    boot_ns: int
    source_ns: int | None = None
    part: int = 0
    payload: Payload | None = None
    repeat_key: str | None = None
    flags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    provenance: Provenance = Provenance.LIVE
    came_from: str | None = None
    status: int | None = None
    server_ns: int | None = None
    native: str | None = None


class Position(NamedTuple):
    """The place of a message in its transport: incarnation, epoch, and sequence number or message id."""

    incarnation: int
    epoch: int
    position: int
