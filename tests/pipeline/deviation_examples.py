"""The two examples of `deviations.md` section 3: their published bytes, and the records they are made from."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.crypto import seal_key, sealer
from gateway.ledger.merkle import hash_leaf, hash_node, root_of
from gateway.ledger.note import sign_note
from gateway.ledger.records import Deviation, Excursion
from gateway.pipeline.deviation_body import (
    BundleRef,
    DeviationContext,
    ExcursionStory,
    ProvenLeaf,
    ReadingsSummary,
    build_deviation_event,
)
from gateway.pipeline.event_data import (
    Acknowledgement,
    BatchFacts,
    CalibrationState,
    DataQuality,
    Envelope,
    Equipment,
    HourBefore,
    Requirement,
    SignalFacts,
    Spec,
)
from tests.paths import shared

SEED = bytes(range(32))
ORIGIN = "acme.example/basel/gw-01"
S = 1_000_000_000
B0412 = BatchFacts(
    batch_id="B-2026-0412",
    client="C-014",
    product="P-88",
    lot="L-7",
    use="storage",
    phase=None,
    membership="open",
    overlap_s=300.0,
)
B0415 = BatchFacts(
    batch_id="B-2026-0415",
    client="C-021",
    product="P-12",
    lot="L-2",
    use="storage",
    phase=None,
    membership="open",
    overlap_s=300.0,
)


def published(number: int) -> bytes:
    """Wire bytes of example `number`: the page's lines without their breaks and indents."""
    page = shared("design/deviations.md").read_text()
    blocks = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return "".join(line.lstrip(" ") for line in blocks[number - 1].splitlines()).encode()


def ns(text: str) -> int:
    """Nanoseconds of 2026-11-22 at `HH:MM:SS[.mmm]`."""
    at = datetime.fromisoformat(f"2026-11-22T{text}+00:00")
    return int(at.timestamp()) * S + at.microsecond * 1_000


def proven(index: int, size: int, first: int = 2) -> ProvenLeaf:
    """Leaf `index` of the page's tree: leaf i is 16 bytes i, then `{"example":i}`."""
    entries = [bytes([i]) * 16 + f'{{"example":{i}}}'.encode() for i in range(size)]
    hashes = [hash_leaf(entry) for entry in entries]
    root = root_of(hashes)
    note = sign_note(format_checkpoint(Checkpoint(ORIGIN, size, root)), [(seal_key(ORIGIN, SEED), sealer(SEED))])
    return ProvenLeaf(
        origin=ORIGIN,
        first=first,
        index=index,
        entry=entries[index],
        size=size,
        root=root,
        proof=tuple(path(hashes, index)),
        checkpoint=note,
        key_id=bytes.fromhex("c04564cd"),
    )


def path(hashes: list[bytes], index: int) -> list[bytes]:
    """Audit path of RFC 6962 2.1.1, written again from the text so that the product's code is not its own witness."""
    if len(hashes) == 1:
        return []
    half = 1 << (len(hashes) - 1).bit_length() - 1
    if index < half:
        return [*path(hashes[:half], index), root_of(hashes[half:])]
    return [*path(hashes[half:], index - half), root_of(hashes[:half])]


def walk(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """Root that an inclusion proof leads to (RFC 9162 2.1.3.2)."""
    last = size - 1
    for node in proof:
        if index & 1 or index == last:
            leaf = hash_node(node, leaf)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            leaf = hash_node(leaf, node)
        index, last = index >> 1, last >> 1
    return leaf


def excursion(**changes: Any) -> Excursion:
    """The excursion of both examples, as raised."""
    facts: dict[str, Any] = {
        "at_ns": ns("03:06:20.105"),
        "boot_ns": 1,
        "clock": 1,
        "event": "raised",
        "excursion": "EXC-2XTLFAWY",
        "condition": "FRZ-01/temp:high.action",
        "signal": "FRZ-01/temp",
        "class_": "limit",
        "level": "action",
        "config": "1e28f6dba8456d2c",
        "t0_ns": ns("03:01:20"),
        "raised_ns": ns("03:06:20"),
        "detected_ns": ns("03:06:20.105"),
        "extreme": -12.6,
        "extreme_ns": ns("03:06:10"),
        "breach_ns": 300 * S,
        "unknown_ns": 0,
        "crossings": 1,
        "degree_minutes": 6.2,
        "decided": 5,
    }
    return Excursion(**(facts | changes))


def deviation(**changes: Any) -> Deviation:
    """The deviation record of example 1."""
    facts: dict[str, Any] = {
        "at_ns": ns("03:06:20.412"),
        "boot_ns": 1,
        "clock": 1,
        "event": "opened",
        "deviation": "DEV-gw01-000042",
        "revision": 1,
        "scope": "site",
        "state": "open",
        "excursions": ["EXC-2XTLFAWY"],
        "severity": "major",
        "severity_basis": ["SEV-1"],
        "batches": ["B-2026-0412", "B-2026-0415"],
        "sinks": ["main"],
    }
    return Deviation(**(facts | changes))


def context(name: str = "FRZ-01", **changes: Any) -> DeviationContext:
    """What stands around the records; `name` is the equipment in the words of the scope."""
    facts: dict[str, Any] = {
        "gateway": "gw-01",
        "site": "basel",
        "area": "STORE",
        "room": "R-118",
        "timezone": "Europe/Zurich",
        "build": "1.0.0",
        "duty": "P-000031",
        "url": "https://gw-01.plant.example",
        "event_class": "equipment",
        "names": {"FRZ-01": name, "FRZ-01/temp": f"{name}/temp"},
        "equipment": Equipment(id=name, qualified_until="2027-03-31"),
        "signal": SignalFacts(
            id=f"{name}/temp",
            quantity="temperature",
            unit="Cel",
            profile="generic/opcua-lads-freezer@1",
            serial="F-2201",
            calibration=CalibrationState(state="valid", due="2027-03-02", certificate="CAL-26-0917"),
        ),
        "requirement": Requirement(
            condition=f"{name}/temp:high.action",
            level="action",
            operator="gt",
            value=-15.0,
            unit="Cel",
            hysteresis=0.5,
            on_delay_s=300,
            off_delay_s=60,
            spec=Spec(low=-25.0, high=-10.0),
            document="SPEC-0533 rev 4",
            limits="COLD-STORE-M20@3",
            config_hash="1e28f6dba8456d2c98ef3da5bda8d2793bd76ef221a3bff70fa8d2beb0b8adc2",
        ),
        "summary": ReadingsSummary(
            first=-14.9,
            last=-12.6,
            until_ns=ns("03:06:20"),
            readings_out=31,
            hour_before=HourBefore(min=-19.8, mean=-19.1, max=-15.1),
        ),
        "batches": (B0412, B0415),
        "data_quality": DataQuality(completeness_pct=100.0, gap_s=0.0, bad_s=0.0, uncertain_s=0.0, clock_error_ms=12),
    }
    return DeviationContext(**(facts | changes))


def example_1() -> Envelope:
    """Example 1: site scope, opened."""
    return build_deviation_event(
        deviation(),
        [ExcursionStory(excursion(), excursion())],
        context(),
        proven(6, 8),
        BundleRef("b5790eaab58e675da4a3732b7a53afea7b61c87bc3810b06772c64fae9f986ec", 48_211),
    )


def example_2() -> Envelope:
    """Example 2: the same event for client C-014, after the end."""
    returned = excursion(
        event="returned",
        detected_ns=ns("03:14:00.200"),
        t1_ns=ns("03:14:00"),
        extreme=-11.2,
        extreme_ns=ns("03:09:10"),
        breach_ns=750 * S,
        degree_minutes=27.9,
    )
    record = deviation(
        at_ns=ns("03:19:00.388"),
        event="condition_ended",
        deviation="DEV-gw01-C014-000007",
        revision=3,
        scope="C-014",
        state="returned",
        batches=["B-2026-0412"],
    )
    around = context(
        "Freezer 1",
        batches=(
            BatchFacts(
                batch_id="B-2026-0412",
                client="C-014",
                product="P-88",
                lot="L-7",
                use="storage",
                phase=None,
                membership="open",
                overlap_s=760.0,
            ),
        ),
        summary=ReadingsSummary(
            first=-14.9,
            last=-19.4,
            until_ns=ns("03:19:00"),
            readings_out=75,
            hour_before=HourBefore(min=-19.8, mean=-19.1, max=-15.1),
        ),
        acknowledgement=Acknowledgement(
            person="P-000031",
            role="operator",
            at="2026-11-22T03:11:02.100Z",
            reason="equipment_event",
            comment="door not latched, closed",
        ),
    )
    return build_deviation_event(
        record,
        [ExcursionStory(excursion(), returned)],
        around,
        proven(12, 16),
        BundleRef("aec9c08a1c68329914cc00efe2aa6a6c3c04eecc4e3134832bac5c595869cedd", 61_874),
    )
