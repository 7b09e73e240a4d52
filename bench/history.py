"""History: records of a plant that ran for days, as the pipeline makes them: 400 signals, one scan a second.

Half of the signals come from OPC UA servers (raw bits, status, two times), half from MQTT messages of ten values, whose
payload lies beside its first part. Values walk at random in the sensor's resolution: what compresses is what would
compress in a plant. The same seed gives the same records.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from gateway.domain.sample import Raw
from gateway.ledger.records import Batch, BatchNode, Clock, Reading, Record, Signal, format_content, format_record
from gateway.ledger.records import Gateway as GatewayRecord
from gateway.ledger.records.head import format_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = 400
PER_SERVER = 50
PER_MESSAGE = 10
BATCH = "B-2026-0412"
BATCH_NODE = "BR-201"
BATCH_SCANS = 2_000
"""The first server is the batch's equipment: 50 signals, 100,000 readings in 2,000 s."""
S = 1_000_000_000
BEGAN_NS = 1_792_888_200 * S
_BOOT_NS = 86_400 * S
_CONFIG = "05b3abf2579a5eb6"
_MINUTE = 60
_STEPS = 4_096
_HALF = SIGNALS // 2


class History:
    """Yields the records of one scan after the other; `batch_scans` is when the batch ran: first, last + 1.

    ``first`` above 0: goes on with a plant that has made so many scans; without beginning, batch and end.
    """

    def __init__(self, scans: int, *, first: int = 0, seed: int = 1) -> None:
        self.batch_scans = (scans * 6 // 10, min(scans * 6 // 10 + BATCH_SCANS, scans - 1))
        self.ids = [_signal_id(at) for at in range(SIGNALS)]
        self._first, self._stop = first, first + scans
        self._random = Random(seed)
        self._at = [self._random.randrange(_STEPS) for _ in range(SIGNALS)]
        self._clock = 0
        floats = [struct.unpack(">f", struct.pack(">f", 290.0 + step / 100))[0] for step in range(_STEPS)]
        self._kelvin = [
            (round(one - 273.15, 2), format_raw(Raw("f32", struct.pack(">f", one).hex()))) for one in floats
        ]

    @property
    def batch_ns(self) -> tuple[int, int]:
        """Return when the batch ran, ns."""
        first, stop = self.batch_scans
        return BEGAN_NS + first * S, BEGAN_NS + stop * S

    def pools(self) -> Iterator[list[bytes]]:
        """Yield the records of one commit after the other: a scan, and what else happened in that second."""
        if not self._first:
            yield [format_record(record) for record in self._beginning()]
        for scan in range(self._first, self._stop):
            now = BEGAN_NS + (scan + 1) * S
            records = [format_record(record) for record in self._events(scan, now)]
            self._opcua(records, scan, now)
            self._mqtt(records, scan, now)
            yield records
        if not self._first:
            head = self._head(BEGAN_NS + (self._stop + 1) * S)
            yield [format_record(GatewayRecord(**head, event="stop", gateway="gw-01", run=1))]

    def _head(self, now: int) -> dict[str, int]:
        return {"at_ns": now, "boot_ns": _BOOT_NS + now - BEGAN_NS, "clock": self._clock}

    def _beginning(self) -> Iterator[Record]:
        yield self._clock_record(BEGAN_NS)
        head = self._head(BEGAN_NS)
        yield GatewayRecord(**head, event="genesis", gateway="gw-01", run=1)
        for at, name in enumerate(self.ids):
            yield Signal(
                **head,
                event="registered",
                signal=name,
                config=_CONFIG,
                title="Vessel temperature",
                node=name.partition("-CTL")[0],
                source="line1" if at < _HALF else "plant",
                address=f"nsu=urn:example:line;s={name}",
                profile="generic/opcua-bioreactor@2",
                profile_sha256=sha256(b"profile").hexdigest(),
                measure="analog",
                unit="Cel",
                acquire={"expected_s": 1},
                criticality="critical",
                relevance="cpp",
                reduction="none",
            )

    def _events(self, scan: int, now: int) -> Iterator[Record]:
        if scan and not scan % _MINUTE:
            yield self._clock_record(now)
        if scan in self.batch_scans and not self._first:
            began, ended = self.batch_ns
            over = scan == self.batch_scans[1]
            node = BatchNode(
                node=BATCH_NODE,
                use="process",
                from_ns=began,
                pre_roll_s=0,
                post_roll_s=0,
                **({"to_ns": ended} if over else {}),
            )
            yield Batch(
                **self._head(now), event="end" if over else "start", batch=BATCH, revision=1 + over,
                effective_ns=now, nodes=[node],
            )  # fmt: skip

    def _clock_record(self, now: int) -> Clock:
        self._clock += 1
        return Clock(
            **self._head(now),
            trigger="minute" if self._clock > 1 else "start",
            run=1,
            boot_id="6d7f1c2e-0b1a-4a55-9c1d-3f2a8e5b7c10",
            raw_ns=_BOOT_NS + now - BEGAN_NS,
            state="synced",
            source="chrony",
            reference="10.1.0.5",
            stratum=2,
            offset_ns=self._random.randrange(-300_000, 300_000),
            bound_ns=1_062_000,
            zone="Europe/Zurich",
            utc_offset_s=7_200,
            tzdata="2026b",
        )

    def _opcua(self, records: list[bytes], scan: int, now: int) -> None:
        at, kelvin, walk = self._at, self._kelvin, self._random.choices((-1, 0, 0, 1), k=_HALF)
        for first in range(0, _HALF, PER_SERVER):
            received = now + self._random.randrange(2_000_000, 9_000_000)
            sampled = now - self._random.randrange(200, 400) * 1_000_000
            for one in range(first, first + PER_SERVER):
                at[one] = (at[one] + walk[one]) % _STEPS
                value, raw = kelvin[at[one]]
                records.append(
                    format_record(
                        Reading(
                            received_ns=received,
                            boot_ns=_BOOT_NS + received - BEGAN_NS,
                            clock=self._clock,
                            signal=self.ids[one],
                            config=_CONFIG,
                            n=scan + 1,
                            value=value,
                            raw=raw,
                            status=0,
                            quality="good",
                            source_ns=sampled,
                            server_ns=sampled + 2_000_000,
                            clock_state="synced",
                            provenance="live",
                            incarnation=1,
                            epoch=1,
                            position=scan + 1,
                            part=one - first,
                        )
                    )
                )

    def _mqtt(self, records: list[bytes], scan: int, now: int) -> None:
        at, walk = self._at, self._random.choices((-1, 0, 0, 1), k=_HALF)
        for first in range(_HALF, SIGNALS, PER_MESSAGE):
            received = now + self._random.randrange(2_000_000, 40_000_000)
            told_ms = (now - self._random.randrange(5, 60) * 1_000_000) // 1_000_000
            for one in range(first, first + PER_MESSAGE):
                at[one] = (at[one] + walk[one - _HALF]) % _STEPS
            values = [20 + at[one] / 100 for one in range(first, first + PER_MESSAGE)]
            payload = b'{"at":%d,"v":[%b]}' % (told_ms, b",".join(b"%.2f" % value for value in values))
            digest = sha256(payload).hexdigest()
            for part, value in enumerate(values):
                beside = {} if part else {"payload": format_content(payload)[0]}
                records.append(
                    format_record(
                        Reading(
                            received_ns=received,
                            boot_ns=_BOOT_NS + received - BEGAN_NS,
                            clock=self._clock,
                            signal=self.ids[first + part],
                            config=_CONFIG,
                            n=scan + 1,
                            value=value,
                            quality="good",
                            source_ns=told_ms * 1_000_000,
                            clock_state="synced",
                            provenance="live",
                            incarnation=1,
                            epoch=1,
                            position=scan * (_HALF // PER_MESSAGE) + (first - _HALF) // PER_MESSAGE + 1,
                            part=part,
                            payload_sha256=digest,
                            **beside,
                        )
                    )
                )


def _signal_id(at: int) -> str:
    """Return the id of the n-th signal: each server is one reactor, each message one room."""
    if at < _HALF:
        return f"BR-{201 + at // PER_SERVER}-CTL/temp_{at % PER_SERVER + 1:02d}"
    return f"RM-{100 + (at - _HALF) // PER_MESSAGE}-SENS/point_{at % PER_MESSAGE + 1:02d}"
