"""One example a type of event, ours from made-up records; writes `docs/formats/events/examples/` when run as a module."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from gateway.pipeline.deviation_body import BundleRef, ExcursionStory, build_deviation_event
from gateway.pipeline.event_body import format_event, format_ms
from gateway.pipeline.event_data import (
    Acknowledgement,
    BatchSealedData,
    Correlation,
    Envelope,
    GapData,
    PingData,
    Shape,
    SystemData,
)
from tests.pipeline import deviation_examples as page

START = page.ns("05:00:00")
MINUTE = 60 * 1_000_000_000


def examples() -> dict[str, bytes]:
    """Event type → exact body."""
    made = {**_deviations(), **_others()}
    return {
        event.type.removeprefix("gxp.gateway.").removesuffix(".v1"): format_event(event).content
        for event in made.values()
    }


def write_examples(folder: Path) -> None:
    """Write one file a type, as it goes over the wire."""
    for name, content in examples().items():
        (folder / f"{name}.json").write_bytes(content + b"\n")


def _deviations() -> dict[str, Envelope]:
    acknowledged = Acknowledgement(
        person="P-000007",
        role="operator",
        at="2026-11-22T05:12:30.000Z",
        reason="process_step",
        comment="loading, door open",
    )
    ended = {"t1_ns": START + 20 * MINUTE, "breach_ns": 19 * MINUTE, "degree_minutes": 31.5}
    steps = [
        ("opened", {"state": "open"}, {}, None),
        ("updated", {"state": "open"}, {"extreme": 9.75, "crossings": 2, "breach_ns": 11 * MINUTE}, None),
        ("acknowledged", {"state": "open"}, {"breach_ns": 12 * MINUTE}, acknowledged),
        ("condition_ended", {"state": "returned"}, ended, acknowledged),
        ("annotated", {"state": "returned"}, ended, acknowledged),
        ("superseded", {"state": "superseded", "parent": "DEV-gw07-000011"}, ended, acknowledged),
        (
            "retracted",
            {"state": "retracted", "reason": "probe was being cleaned", "person": "P-000003"},
            ended,
            acknowledged,
        ),
    ]
    return {
        word: _deviation(word, revision, record, excursion, acknowledgement)
        for revision, (word, record, excursion, acknowledgement) in enumerate(steps, 1)
    }


def _deviation(
    word: str, revision: int, record: dict, excursion: dict, acknowledgement: Acknowledgement | None
) -> Envelope:
    raised = page.excursion(
        excursion="EXC-AB23CD45",
        condition="COLD-2/temp:high.action",
        signal="COLD-2/temp",
        t0_ns=START,
        raised_ns=START + 10 * MINUTE,
        detected_ns=START + 10 * MINUTE + 120_000_000,
        extreme=9.25,
        extreme_ns=START + 9 * MINUTE,
        breach_ns=10 * MINUTE,
        degree_minutes=8.125,
    )
    around = page.context("COLD-2")
    signal = msgspec.structs.replace(around.signal, id="COLD-2/temp", profile="vaisala/rfl100@2", serial="K1030021")
    requirement = msgspec.structs.replace(
        around.requirement,
        condition="COLD-2/temp:high.action",
        value=8.0,
        spec=None,
        document="SPEC-0102 rev 2",
        on_delay_s=600,
        limits="COLD-2-8@1",
    )
    summary = msgspec.structs.replace(
        around.summary,
        first=8.25,
        last=6.5,
        until_ns=START + (10 + revision) * MINUTE,
        readings_out=10 + revision,
        hour_before=None,
    )
    return build_deviation_event(
        page.deviation(
            at_ns=START + ((25 if "t1_ns" in excursion else 10) + revision) * MINUTE,
            event=word,
            deviation="DEV-gw07-000012",
            revision=revision,
            **record,
        ),
        [ExcursionStory(raised, msgspec.structs.replace(raised, **excursion))],
        msgspec.structs.replace(
            around,
            gateway="gw-07",
            site="graz",
            area="WH-2",
            room="R-21",
            timezone="Europe/Vienna",
            url="https://gw-07.plant.example",
            names={},
            signal=signal,
            requirement=requirement,
            summary=summary,
            batches=(msgspec.structs.replace(page.B0412, batch_id="B-77", client="C-003", product="P-5", lot="L-19"),),
            acknowledgement=acknowledgement,
            correlation=Correlation(parent=record.get("parent"), repeats_30d=1),
        ),
        page.proven(4 + revision, 16),
        BundleRef(f"{revision:02x}" * 32, 40_000 + revision),
    )


def _others() -> dict[str, Envelope]:
    gap = {
        "gap_id": "G-000031",
        "signal": "COLD-2/temp",
        "from_": format_ms(START),
        "cause": "comm_lost",
        "batches": ["B-77"],
    }
    clock = {
        "condition": "clock",
        "level": "action",
        "since": format_ms(START),
        "text": "the clock error may exceed 1 s",
        "remedy": "check the time servers with gateway doctor",
    }
    sealed = BatchSealedData(
        batch="B-77",
        count=86_400,
        root="93953eab" * 8,
        tree_size=1_204_331,
        verdict="2 exceptions, 0 open",
        addendum=None,
    )
    return {
        event.type: event
        for event in (
            _event("data_gap", "opened", "gap:000031", "gap/G-000031", GapData(**gap, to=None, recovered=None), 1),
            _event(
                "data_gap",
                "closed",
                "gap:000031",
                "gap/G-000031",
                GapData(**gap, to=format_ms(START + MINUTE), recovered=12),
                2,
            ),
            _event("system", "raised", "sys:000004", "system/clock", SystemData(**clock), 1),
            _event("system", "cleared", "sys:000004", "system/clock", SystemData(**clock), 2),
            _event("batch", "sealed", "batch:B-77", "batch/B-77", sealed, 1),
            _event("ping", "", "ping:000007", "sink/main", PingData(sink="main"), 1),
        )
    }


def _event(schema: str, word: str, number: str, subject: str, data: Shape, revision: int) -> Envelope:
    return Envelope(
        id=f"gw-07:{number}:{revision}",
        source="urn:gw:graz:gw-07",
        subject=subject,
        type=".".join(part for part in ("gxp.gateway", schema, word, "v1") if part),
        time=format_ms(START + revision * MINUTE),
        dataschema=f"urn:gxp:gateway:schema:{schema}:v1",
        sequence=str(revision),
        data=data,
    )


if __name__ == "__main__":
    write_examples(Path(sys.argv[1]))
