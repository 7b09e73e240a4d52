"""Records of measurement: signal, reading, gap, clock, quarantine, calibration (`ledger.md` section 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, cast

from msgspec import UNSET, Struct, UnsetType, defstruct

from gateway.ledger.records.head import Content, Facts, Head


class Reading(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One decoded, qualified value of one signal; its head says ``received_ns`` instead of ``at_ns``.

    ``n`` counts this signal's readings in this log from 1 without hole. ``value`` is in the recorded unit, None when
    there is no exact number. ``raw`` is present whenever ``value`` is not literally what was on the wire.
    """

    v: int = 1
    kind: Literal["reading"] = "reading"
    received_ns: int
    boot_ns: int
    clock: int
    dev: bool | UnsetType = UNSET
    test: bool | UnsetType = UNSET
    signal: str
    config: str
    n: int
    value: Any
    raw: dict[str, Any] | UnsetType = UNSET
    status: int | UnsetType = UNSET
    quality: str
    reason: list[str] | UnsetType = UNSET
    source_ns: int | UnsetType = UNSET
    source_clock: str | UnsetType = UNSET
    server_ns: int | UnsetType = UNSET
    clock_state: str
    provenance: str
    from_: str | UnsetType = UNSET
    incarnation: int
    epoch: int
    position: int
    part: int | UnsetType = UNSET
    calibration: int | UnsetType = UNSET
    flags: list[str] | UnsetType = UNSET
    payload_sha256: str | UnsetType = UNSET
    payload: Content | UnsetType = UNSET


NewReading: Final = cast(
    "type[Reading]",
    defstruct("NewReading", list(Reading.__struct_fields__), bases=(Reading,), frozen=True, gc=False),
)
"""What `new_reading` makes: a reading none of whose members has a default."""

new_reading: Final = cast("Callable[..., Reading]", NewReading)
"""Make a reading from all its members in the order of the record, UNSET where it has nothing to say.

One is made for every value, and by name that costs ten times as much. Members, order and bytes are those of `Reading`.
"""


class Signal(Head, frozen=True, kw_only=True):
    """A signal as one configuration declares it: registered, changed or retired."""

    kind: Literal["signal"] = "signal"
    event: Literal["registered", "changed", "retired"]
    signal: str
    config: str
    title: str
    node: str
    source: str
    address: str
    profile: str
    profile_sha256: str
    measure: Literal["analog", "state", "counter", "event", "text"]
    type: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    decimals: int | UnsetType = UNSET
    acquire: Facts
    criticality: str
    relevance: str
    reduction: str
    facts: Facts | UnsetType = UNSET


class GapEdge(Struct, frozen=True, kw_only=True):
    """Last record before, or first record after, a gap; ``index`` is absent while it is not known."""

    index: int | UnsetType = UNSET
    source_ns: int | UnsetType = UNSET
    received_ns: int | UnsetType = UNSET


class Gap(Head, frozen=True, kw_only=True):
    """A stretch we know we did not record: opened, bounded, closed under one id (``G-000001``).

    ``signals`` empty means all of the source. ``positions`` is [first, last] in transport numbers.
    """

    kind: Literal["gap"] = "gap"
    event: Literal["opened", "bounded", "closed"]
    gap: str
    source: str
    signals: list[str]
    cause: str
    certainty: Literal["certain", "possible"]
    before: GapEdge | UnsetType = UNSET
    after: GapEdge | UnsetType = UNSET
    positions: list[int] | UnsetType = UNSET
    missing: int | UnsetType = UNSET
    recovery: Literal["none", "partial", "full"] | UnsetType = UNSET
    recovered: int | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class ClockStep(Struct, frozen=True, kw_only=True):
    """A step of the wall clock, ns."""

    before_ns: int
    after_ns: int
    size_ns: int


class ClockCheck(Struct, frozen=True, kw_only=True):
    """One answer of a time server we asked ourselves."""

    server: str
    offset_ns: int


class Clock(Head, frozen=True, kw_only=True):
    """How good our own clock was: at start, each minute, on events (`ingest.md` section 8)."""

    kind: Literal["clock"] = "clock"
    trigger: Literal["start", "minute", "step", "sync_lost", "sync_back", "zone", "resume", "stop"]
    run: int
    boot_id: str
    raw_ns: int
    state: Literal["synced", "doubt", "unsynced"]
    source: Literal["chrony", "ptp", "adjtimex", "none"]
    reference: str | UnsetType = UNSET
    stratum: int | UnsetType = UNSET
    offset_ns: int | UnsetType = UNSET
    delay_ns: int | UnsetType = UNSET
    dispersion_ns: int | UnsetType = UNSET
    bound_ns: int | UnsetType = UNSET
    freq_ppb: int | UnsetType = UNSET
    leap: str | UnsetType = UNSET
    tai_s: int | UnsetType = UNSET
    zone: str
    utc_offset_s: int
    tzdata: str
    step: ClockStep | UnsetType = UNSET
    checks: list[ClockCheck] | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Quarantine(Head, frozen=True, kw_only=True):
    """Bytes that could not be decoded or bound to a signal, kept whole, with the reason code of `ingest.md` 6."""

    kind: Literal["quarantine"] = "quarantine"
    reason: str
    source: str
    incarnation: int
    epoch: int
    position: int | UnsetType = UNSET
    address: str | UnsetType = UNSET
    content: Content
    flags: list[str] | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET


class Calibration(Head, frozen=True, kw_only=True):
    """Calibration of one signal; dates are ISO days, ``correction`` is {offset} or {table}."""

    kind: Literal["calibration"] = "calibration"
    event: Literal["entered", "effective", "due", "expired", "as_found_failed", "superseded"]
    signal: str
    config: str
    certificate: str
    certificate_sha256: str | UnsetType = UNSET
    performed: str
    due: str
    laboratory: str
    as_found: str
    last_good: str | UnsetType = UNSET
    uncertainty: Facts | UnsetType = UNSET
    correction: Facts | UnsetType = UNSET
    facts: Facts | UnsetType = UNSET
