"""Bundles on request: of an excursion with its deviation, of signals over a stretch; what leaves is recorded first."""

from __future__ import annotations

import json
from hashlib import sha256
from types import SimpleNamespace

import pytest

from gateway.app.bundle_desk import RANGE_NS_MAX, BundleDesk
from gateway.domain.batch_event import NodeUse
from gateway.errors import Refused
from gateway.ledger.records import Audit, Deviation, Excursion, Reading
from tests.fakes.virtual_loop import S, run_virtually
from tests.ledger.test_bundle import both
from tests.pipeline.kept_plant import KeptLife, KeptPlant, members_of
from tests.pipeline.plant_life import SIGNALS, epoch, rule
from tests.pipeline.test_bundles import disclosed, everybody


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A breach in freezer 1; its bundle, one of an hour of all signals, one of a minute of one signal, and what was refused."""
    plant = KeptPlant(tmp_path_factory.mktemp("asked"), epoch(1, rule(), signals=SIGNALS))
    found = SimpleNamespace(plant=plant)

    async def story() -> None:
        async with KeptLife(plant) as life:
            desk = desk_of(life)
            await everybody(life, 700)
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            began = life.now_ns()
            await everybody(life, 120, FRZ1=9.0)
            await everybody(life, 1300)
            await life.level()
            found.excursion = next(
                name
                for name, one in life.fold.book.stories.items()
                if one.raised.signal == "FRZ-1/temp" and life.fold.deviations.holding(name)
            )
            found.of_excursion = await desk.excursion(found.excursion, "P-000001", "t")
            found.of_all = await desk.readings([], began, began + 100 * S, "P-000001", "t")
            found.of_one = await desk.readings(["FRZ-2/temp"], began, began + 60 * S, "P-000001", "t")
            found.strange = await desk.excursion("EXC-NONE", "P-000001", "t")
            for signals, first, last in ((["X/y"], 0, 1), ([], 5, 5), ([], 0, RANGE_NS_MAX + 1)):
                with pytest.raises(Refused) as refused:
                    await desk.readings(signals, first, last, "P-000001", "t")
                assert refused.value.code == "EXC-02"
            found.began = began

    run_virtually(story())
    return found


def desk_of(life: KeptLife) -> BundleDesk:
    async def head() -> tuple[int, bytes]:
        return life.committer.size, life.committer.checkpoint

    return BundleDesk(life.desk, life.fold, life.bundles, head, life.indexed, life.now_ns)


def test_us_03_an_excursion_has_its_bundle(case):
    members = members_of(case.of_excursion)
    assert both(members).last_line.endswith(f"excursion {case.excursion}")
    assert {"verify.py", "verify.html"} <= members.keys()
    records = list(disclosed(members).values())
    assert {one.excursion for one in records if isinstance(one, Excursion)} == {case.excursion}
    assert any(isinstance(one, Deviation) for one in records)
    readings = [one for one in records if isinstance(one, Reading)]
    assert {one.signal for one in readings} == {"FRZ-1/temp"}
    raised = next(one for one in records if isinstance(one, Excursion))
    assert min(one.source_ns for one in readings) <= raised.t0_ns - 600 * S
    assert json.loads(members["manifest.json"])["intervals"][0]["signal"] == "FRZ-1/temp"


def test_us_03_a_stretch_has_its_bundle(case):
    members = members_of(case.of_all)
    assert " range " in both(members).last_line
    readings = [one for one in disclosed(members).values() if isinstance(one, Reading)]
    assert {one.signal for one in readings} >= {"FRZ-1/temp", "FRZ-2/temp", "R-1/temp"}
    assert all(case.began <= one.source_ns < case.began + 100 * S for one in readings)
    one = members_of(case.of_one)
    assert {r.signal for r in disclosed(one).values() if isinstance(r, Reading)} == {"FRZ-2/temp"}
    assert json.loads(one["manifest.json"])["subject"]["id"].startswith("FRZ-2/temp ")


def test_us_03_each_export_is_recorded_with_its_hash(case):
    audits = [one for one in case.plant.records() if isinstance(one, Audit)]
    exported = {one.facts["bundle_sha256"]: one.object.kind for one in audits}
    wanted = {case.of_excursion: "excursion", case.of_all: "range", case.of_one: "range"}
    assert exported == {sha256(content).hexdigest(): kind for content, kind in wanted.items()}
    assert case.strange is None
