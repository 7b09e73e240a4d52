"""Standing: where every source, signal and counter stands by the newest records; a fold, so a restart needs no second store.

The fold starts from the newest `carry` record, which opens each segment, and walks the tail (`ledger.md` 1, carry).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from gateway.domain.repeat import TransportKey, format_transport_key, topic_of
from gateway.errors import LedgerDoubt
from gateway.ledger.records import (
    Anchor,
    Batch,
    Calibration,
    Clock,
    Config,
    Content,
    Gap,
    Gateway,
    Key,
    Quarantine,
    Reading,
    Record,
    Signal,
    parse_content,
)
from gateway.pipeline.key_standing import KeyStanding
from gateway.ports import Resume

REPEATS_KEPT = 2_000
"""Newest repeat keys kept for each source: at least its Receive Maximum."""


@dataclass(slots=True)
class SignalStanding:
    """``n`` readings so far, last source time (ns), index of the calibration in force."""

    n: int = 0
    source_ns: int | None = None
    calibration: int | None = None


@dataclass(slots=True)
class SourceStanding:
    """Newest incarnation, epoch, position; the transport keys of its newest messages, oldest first."""

    incarnation: int = 0
    epoch: int = 0
    position: int = 0
    repeats: dict[str, None] = field(default_factory=dict[str, None])


@dataclass(slots=True)
class OpenGap:
    """A gap that was opened and not closed: its id, its source and the key the source knows it by."""

    gap: str
    source: str
    key: str
    cause: str
    certainty: str
    signals: list[str]
    bounded: bool = False


@dataclass(slots=True)
class Standing:
    """The fold. `apply` every record in ledger order; read the fields at any time."""

    clock: int = 0
    gap: int = 0
    run: int = 0
    config: str | None = None
    stopped: bool = True
    last_index: int = -1
    anchor: int | None = None
    """Index of the newest anchor: the next start compares its tree with it, wherever it stands."""
    signals: dict[str, SignalStanding] = field(default_factory=dict[str, SignalStanding])
    sources: dict[str, SourceStanding] = field(default_factory=dict[str, SourceStanding])
    gaps_open: dict[str, OpenGap] = field(default_factory=dict[str, OpenGap])
    batch_keys: dict[str, int] = field(default_factory=dict[str, int])
    places: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Signal → (source, address): which source a reading came by, which the record does not repeat."""
    read_blob: Callable[[str], bytes | None] = lambda _: None
    payloads: dict[str, deque[tuple[str, bytes]]] = field(default_factory=dict[str, deque[tuple[str, bytes]]])
    """Source → newest (topic, payload): from them the device's own repeat keys are found again."""
    keys: KeyStanding = field(default_factory=KeyStanding)

    def apply(self, index: int, record: Record) -> None:
        """Move the standing on by one record; the same call serves restart and live path (rule 6)."""
        self.last_index = index
        if isinstance(record, Reading):
            self._reading(record)
        elif isinstance(record, Clock):
            self.clock = record.clock
            self.run = max(self.run, record.run)
        elif isinstance(record, Gap):
            self._gap(record)
        elif isinstance(record, Gateway):
            self._gateway(record)
        elif isinstance(record, Quarantine):
            self._quarantine(record)
        elif isinstance(record, Calibration | Anchor):
            self._named_by_index(index, record)
        elif isinstance(record, Signal | Key):
            self._registered(record)
        elif isinstance(record, Config) and record.event == "effective":
            self.config = record.config if isinstance(record.config, str) else None
        elif isinstance(record, Batch) and isinstance(record.event_key, str):
            self.batch_keys[record.event_key] = index

    def _registered(self, record: Signal | Key) -> None:
        if isinstance(record, Key):
            self.keys.apply(record)
        else:
            self.places[record.signal] = (record.source, record.address)

    def resume(self, source: str, addresses: dict[str, str]) -> Resume:
        """Return a source's standing; ``addresses`` maps its signals to their plan addresses."""
        at = self.sources.get(source, SourceStanding())
        times: dict[str, int] = {}
        for signal, address in addresses.items():
            standing = self.signals.get(signal)
            if standing is not None and standing.source_ns is not None:
                times[address] = standing.source_ns
        gaps = {g.key: g.cause for g in self.gaps_open.values() if g.source == source}
        return Resume(
            incarnation=at.incarnation,
            epoch=at.epoch,
            position=at.position,
            source_ns=times,
            gaps_open=gaps,
            repeats=tuple(at.repeats),
        )

    def carry(self) -> bytes:
        """Return the canonical carry of `ledger.md` 1, ids in byte order."""
        carry = {
            "clock": self.clock,
            "gap": self.gap,
            "run": self.run,
            "signals": {k: [s.n, s.source_ns] for k, s in sorted(self.signals.items())},
            "sources": {k: [s.incarnation, s.epoch, s.position] for k, s in sorted(self.sources.items())},
        }
        return msgspec.json.encode(carry)

    def carry_facts(self) -> dict[str, Any]:
        """Return what a start needs beside the carry: the newest anchor; as parallel lists open gaps, calibrations, keys."""
        gaps = sorted(self.gaps_open.values(), key=lambda gap: gap.gap)
        calibrated = sorted((k, s.calibration) for k, s in self.signals.items() if s.calibration is not None)
        facts: dict[str, Any] = {} if self.anchor is None else {"anchor_index": self.anchor}
        if calibrated:
            facts["calibration_index"] = [index for _, index in calibrated]
            facts["calibration_signal"] = [signal for signal, _ in calibrated]
        if gaps:
            facts["gap_cause"] = [gap.cause for gap in gaps]
            facts["gap_id"] = [gap.gap for gap in gaps]
            facts["gap_key"] = [gap.key for gap in gaps]
            facts["gap_source"] = [gap.source for gap in gaps]
        return facts | self.keys.facts()

    def _named_by_index(self, index: int, record: Calibration | Anchor) -> None:
        if isinstance(record, Calibration) and record.event == "effective":
            self.signals.setdefault(record.signal, SignalStanding()).calibration = index
        elif isinstance(record, Anchor) and record.event in {"cosigned", "timestamped"}:
            self.anchor = index

    def _reading(self, record: Reading) -> None:
        signal = self.signals.setdefault(record.signal, SignalStanding())
        signal.n = record.n
        if isinstance(record.source_ns, int):
            signal.source_ns = max(record.source_ns, signal.source_ns or record.source_ns)
        place = self.places.get(record.signal)
        if place is None:
            return
        source, address = place
        self._at(source, record.incarnation, record.epoch, record.position)
        if isinstance(record.payload_sha256, str):
            topic = topic_of(address)
            self._repeat(source, TransportKey(record.incarnation, record.position, record.payload_sha256, topic))
            if isinstance(record.payload, Content) and (content := parse_content(record.payload)) is not None:
                self.payloads.setdefault(source, deque(maxlen=REPEATS_KEPT)).append((topic, content))

    def _quarantine(self, record: Quarantine) -> None:
        self._at(record.source, record.incarnation, record.epoch, record.position)
        content = parse_content(record.content)
        digest = sha256(content).hexdigest() if content is not None else record.content.sha256
        if isinstance(record.position, int) and isinstance(record.address, str) and isinstance(digest, str):
            self._repeat(record.source, TransportKey(record.incarnation, record.position, digest, record.address))

    def _repeat(self, source: str, key: TransportKey) -> None:
        repeats = self.sources[source].repeats
        text = format_transport_key(key)
        repeats.pop(text, None)
        repeats[text] = None
        if len(repeats) > REPEATS_KEPT:
            del repeats[next(iter(repeats))]

    def _at(self, source: str, incarnation: int, epoch: int, position: Any) -> None:
        standing = self.sources.setdefault(source, SourceStanding())
        standing.incarnation, standing.epoch = incarnation, epoch
        if isinstance(position, int):
            standing.position = position

    def _gap(self, record: Gap) -> None:
        facts = record.facts if isinstance(record.facts, dict) else {}
        if record.event == "opened":
            self.gap = max(self.gap, int(record.gap.removeprefix("G-")))
            self.gaps_open[record.gap] = OpenGap(
                gap=record.gap,
                source=record.source,
                key=str(facts.get("key", record.cause)),
                cause=record.cause,
                certainty=record.certainty,
                signals=record.signals,
            )
        elif record.event == "bounded" and record.gap in self.gaps_open:
            self.gaps_open[record.gap].bounded = True
        elif record.event == "closed":
            self.gap = max(self.gap, int(record.gap.removeprefix("G-")))
            self.gaps_open.pop(record.gap, None)

    def _gateway(self, record: Gateway) -> None:
        self.run = max(self.run, record.run)
        if record.event in {"start", "genesis"}:
            self.stopped = False
        elif record.event == "stop":
            self.stopped = True
        elif record.event == "link" and isinstance(record.source, str):
            if isinstance(record.incarnation, int) and isinstance(record.epoch, int):
                self._at(record.source, record.incarnation, record.epoch, None)
        elif record.event == "carry" and isinstance(record.carry, msgspec.Struct):
            self._load(self._content(record.carry))
            self._load_facts(record.facts if isinstance(record.facts, dict) else {})
            self.config = record.config if isinstance(record.config, str) else self.config

    def _content(self, carry: Content) -> bytes:
        """Return the bytes of a carry; with many signals they stand in a side object."""
        content = parse_content(carry)
        if content is None and isinstance(carry.sha256, str):
            content = self.read_blob(carry.sha256)
        if content is None:
            raise LedgerDoubt(
                "the carry of a segment has lost its side object", remedy="restore blob/ from backup or mirror"
            )
        return content

    def _load(self, content: bytes) -> None:
        carry = msgspec.json.decode(content)
        self.clock, self.gap = carry["clock"], carry["gap"]
        self.run = max(self.run, carry["run"])
        for signal, (n, source_ns) in carry["signals"].items():
            known = self.signals.setdefault(signal, SignalStanding())
            known.n, known.source_ns = n, source_ns
        for source, (incarnation, epoch, position) in carry["sources"].items():
            self._at(source, incarnation, epoch, position)

    def _load_facts(self, facts: dict[str, Any]) -> None:
        self.anchor = facts.get("anchor_index", self.anchor)
        self.keys.load(facts)
        for signal, index in zip(facts.get("calibration_signal", ()), facts.get("calibration_index", ()), strict=True):
            self.signals.setdefault(signal, SignalStanding()).calibration = index
        names = ("gap_id", "gap_source", "gap_key", "gap_cause")
        for gap, source, key, cause in zip(*(facts.get(name, ()) for name in names), strict=True):
            self.gaps_open.setdefault(
                gap, OpenGap(gap=gap, source=source, key=key, cause=cause, certainty="certain", signals=[])
            )
