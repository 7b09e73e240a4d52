"""Reading run: many plain parcels of one source, made into readings stage by stage instead of parcel by parcel.

A stage is a short loop over the whole run. A processor that repeats a short way keeps its code and its branch history at
hand; the whole way of one parcel after that of another does not fit, and costs a third more for every reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import UNSET

from gateway.domain.decode import NO_COMPANIONS
from gateway.domain.sample import Sample
from gateway.ledger.records import Content, Reading, format_content
from gateway.pipeline.channel import Channel, ParcelHead
from gateway.ports import Outcome, Parcel

Item: TypeAlias = tuple[Sample, Channel, int]
"""A sample, its signal's channel, and the place of its parcel in the run."""


class ReadingRun:
    """Parcels of one source that hold samples of bound signals and nothing else, in the order of their offers."""

    __slots__ = ("_items", "_parcels")

    def __init__(self) -> None:
        self._parcels: list[Parcel] = []
        self._items: list[Item] = []

    def __len__(self) -> int:
        return len(self._parcels)

    def add(self, parcel: Parcel, channels: dict[tuple[str, str], Channel]) -> bool:
        """Take a parcel; False, and nothing taken, where a sample belongs to no signal or a parcel holds facts."""
        if parcel.facts or not parcel.samples:
            return False
        source, place, items = parcel.source, len(self._parcels), self._items
        before = len(items)
        for sample in parcel.samples:
            channel = channels.get((source, sample.address))
            if channel is None:
                del items[before:]
                return False
            items.append((sample, channel, place))
        self._parcels.append(parcel)
        return True

    @property
    def newest(self) -> Parcel:
        """The last parcel: where the source stands after the run."""
        return self._parcels[-1]

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return len(self._items)

    def readings(
        self, clock: int, clock_state: str, is_repeat: Callable[[str], bool], side_objects: list[bytes]
    ) -> list[Reading]:
        """Return the readings in order, without repeats and what a declared reduction leaves out."""
        items = [item for item in self._items if item[0].repeat_key is None or not is_repeat(item[0].repeat_key)]
        decoded = [channel.decode(sample, NO_COMPANIONS) for sample, channel, _ in items]
        if any(channel.reduces for _, channel, _ in items):
            kept = [
                (item, one)
                for item, one in zip(items, decoded, strict=True)
                if not (item[1].reduces and item[1].unchanged(one))
            ]
            items, decoded = [item for item, _ in kept], [one for _, one in kept]
        judged = [channel.judge(sample, one) for (sample, channel, _), one in zip(items, decoded, strict=True)]
        parcels = self._parcels
        heads = [ParcelHead(clock, clock_state, one.incarnation, one.epoch, one.position) for one in parcels]
        parts = [UNSET if len(parcels[place].samples) == 1 else sample.part for sample, _, place in items]
        contents = [
            UNSET if sample.payload is None or sample.part else kept_content(sample.payload.content, side_objects)
            for sample, _, _ in items
        ]
        return [
            channel.reading(sample, one, clocked, heads[place], part, content)
            for (sample, channel, place), one, clocked, part, content in zip(
                items, decoded, judged, parts, contents, strict=True
            )
        ]

    def settle(self, outcome: Outcome) -> None:
        """Settle the parcels in order."""
        for parcel in self._parcels:
            parcel.settle(outcome)


def kept_content(content: bytes, side_objects: list[bytes]) -> Content:
    """Return the member that holds a message whole; one too long for a record becomes a side object."""
    member, side = format_content(content)
    if side is not None:
        side_objects.append(side)
    return member
