"""What a source tells the ledger is told to the operator as well: links and gaps, never readings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog.testing

from gateway.app.source_log import LoggedInlet
from gateway.ports import Fact, Inlet, Parcel, Resume

if TYPE_CHECKING:
    from collections.abc import Sequence


class Collecting(Inlet):
    """Keeps what it is offered."""

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []

    async def offer(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        self.parcels += parcels

    def resume(self, source: str) -> Resume:
        return Resume(epoch=len(source))


async def told(*facts: Fact) -> tuple[list[Any], list[Parcel]]:
    inlet = Collecting()
    parcel = Parcel(source="plant", incarnation=1, epoch=1, position=1, facts=facts, settle=lambda _: None)
    with structlog.testing.capture_logs() as lines:
        await LoggedInlet(inlet).offer(parcel)
    return lines, inlet.parcels


async def test_a_refused_connection_is_told_with_its_reason_and_passed_on() -> None:
    lines, parcels = await told(Fact(kind="link", cause="not_connected", detail={"reason": "refused"}))
    assert [line["event"] for line in lines] == ["source.unreachable"]
    assert lines[0]["source"] == "plant"
    assert lines[0]["error"] == "refused"
    assert "recorded as a gap" in lines[0]["remedy"]
    assert len(parcels) == 1


async def test_gaps_of_a_whole_source_are_told_and_those_of_one_signal_are_not() -> None:
    lines, _ = await told(
        Fact(kind="gap_opened", key="link_down", cause="link_down", certainty="possible"),
        Fact(kind="gap_closed", key="link_down", cause="link_down", recovered=0, missing=3),
        Fact(kind="gap_opened", key="x", cause="payload_sequence", addresses=("env/r-1/sensor#t",)),
        Fact(kind="quarantine", cause="codec_failed", content=b"?"),
    )
    assert [line["event"] for line in lines] == ["gap.opened", "gap.closed"]
    assert lines[1]["missing"] == 3


async def test_a_source_that_records_again_is_told() -> None:
    lines, _ = await told(
        Fact(kind="link", cause="connected", detail={"endpoint": "mqtt://127.0.0.1"}),
        Fact(kind="link", cause="state", detail={"state": "recording"}),
        Fact(kind="link", cause="state", detail={"state": "recovering"}),
    )
    assert [line["event"] for line in lines] == ["source.connected", "source.connected"]


def test_a_source_resumes_where_the_pipeline_says() -> None:
    assert LoggedInlet(Collecting()).resume("plant").epoch == 5
