"""The plant of `plant_life` with its ledger and index on a real disk, and the maker of events and bundles beside it."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from gateway.adapters.index.follower import IndexFollower
from gateway.adapters.index.query import IndexQuery
from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.finder import IndexFinder
from gateway.app.parts import verifier
from gateway.ledger.policy import Policy
from gateway.ledger.records import Record, parse_record
from gateway.pipeline.bundles import BundleBuilder, batch_subject
from gateway.pipeline.event_maker import Maker, MakerSettings
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER
from tests.fakes.people import MemoryPeople
from tests.pipeline.plant_life import Life, Plant

if TYPE_CHECKING:
    from pathlib import Path

FACTS = {"version": "1.0.0", "commit": "0" * 40, "sha256": "0" * 64}


class KeptPlant(Plant):
    """A plant whose ledger is a folder."""

    def __init__(self, folder: Path, running: Any = None) -> None:
        super().__init__(running)
        self.folder = folder

    def open_store(self, frames_left: int | None) -> SegmentStore:
        return SegmentStore(
            self.folder / "ledger", ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096
        )

    def records(self) -> list[Record]:
        store = self.open_store(None)
        size = store.open().tree.size
        try:
            return [parse_record(content) for _, _, content in store.read(0, size)]
        finally:
            store.close()


class KeptLife(Life):
    """A life with index, bundles and maker; ``kept`` holds the evidence that was kept, by hash."""

    def __init__(self, plant: KeptPlant) -> None:
        super().__init__(plant)
        self.index = IndexFollower(plant.folder / "state" / "index.db", ORIGIN, self.store.reader)
        self.index.open(self.committer.size)
        self.query: IndexQuery | None = None
        self.kept: dict[str, bytes] = {}
        self.people = MemoryPeople()
        policy = Policy(logs=(SEALER.key,))
        self.bundles = BundleBuilder(
            self.store, self.finder, policy, FACTS, verifier(), page=b"<page>", openings=self.people.openings
        )
        settings = MakerSettings(
            origin=ORIGIN,
            build="1.0.0",
            url="https://gw-01.plant.example",
            serials={"FRZ-1": "F-2201"},
            modes={"main": ("structured", "application/cloudevents+json")},
        )
        keep = self.kept.__setitem__
        self.maker = Maker(settings, self.fold, self.store, self.finder, self.bundles, keep, self.indexed)

    def finder(self) -> IndexFinder:
        if self.query is None:
            self.query = IndexQuery(self.plant.folder / "state" / "index.db", self.store.layout)
        return IndexFinder(self.query)

    async def indexed(self, size: int) -> None:
        self.index.follow(size)

    def bundle(self, batch: str) -> dict[str, bytes]:
        """The members of a batch's bundle, as the API makes it."""
        size, note = self.committer.size, self.committer.checkpoint
        self.index.follow(size)
        context = self.fold.batches.batch(batch)
        names = [("excursion", one["excursion"]) for one in self.fold.excursions_of(context.memberships)]
        names += [("deviation", one["deviation"]) for one in self.fold.deviations_of(batch)]
        subject = batch_subject(batch, context.memberships, self.fold.rules_under("").plan, names, self.now_ns())
        return members_of(self.bundles.build(subject, size, note, self.now_ns()))

    async def die(self) -> None:
        await super().die()
        if self.query is not None:
            self.query.close()
        self.index.close()
        self.store.close()


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
