"""Bundles and events over a real ledger: what belongs is there, what is another's is not, and it all proves itself."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.domain.batch_event import NodeUse
from gateway.ledger.disclosed import parse_disclosed
from gateway.ledger.records import (
    Batch,
    Clock,
    Config,
    Deviation,
    Excursion,
    Gap,
    Key,
    ObjectRef,
    Reading,
    Record,
    Signal,
    parse_record,
)
from gateway.ledger.records.head import format_content
from gateway.ledger.verify import verify_bundle
from gateway.pipeline.audit_log import AuditLog
from gateway.ports import Committed, Fact
from tests.fakes.log import SEALER
from tests.fakes.virtual_loop import S, run_virtually
from tests.ledger.mutants import listed
from tests.ledger.test_bundle import both
from tests.pipeline.kept_plant import KeptLife, KeptPlant, members_of
from tests.pipeline.plant_life import SIGNALS, Life, epoch, rule

GAP = {"cause": "link_down", "key": "link"}
NOTHING = Committed(first=0, records=(), contents=(), size=0, root=b"", checkpoint=b"")


async def everybody(life: Life, seconds: int, **values: float) -> None:
    """All signals say something every 10 s."""
    for _ in range(seconds // 10):
        for one in SIGNALS:
            if one.measure != "state":
                await life.say(one.id, values.get(one.device.replace("-", ""), 5.0))
        await asyncio.sleep(10)


async def shift(life: KeptLife) -> None:
    """Batch B-1 in freezer 1, B-2 in freezer 2; a breach in freezer 1 and time before and after."""
    await everybody(life, 700)
    await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),), client="C-1")
    await life.batch("B-2", "start", "k2", nodes=(NodeUse(node="FRZ-2"),), client="C-2")
    await everybody(life, 100)
    await everybody(life, 120, FRZ1=9.0)
    await everybody(life, 100)
    await life.batch("B-1", "end", "k3")
    await everybody(life, 1300)
    await life.level()


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """(plant, members of B-1's bundle, all records) of one shift."""
    plant = KeptPlant(tmp_path_factory.mktemp("day"), epoch(1, rule(), signals=SIGNALS))

    async def story() -> dict[str, bytes]:
        async with KeptLife(plant) as life:
            await shift(life)
            return life.bundle("B-1")

    members = run_virtually(story())
    return plant, members, plant.records()


def disclosed(members: dict[str, bytes]) -> dict[int, Record]:
    found: dict[int, Record] = {}
    for one in parse_disclosed(members["entries.bin"])[0]:
        found[one.index] = parse_record(one.entry[16:])
    return found


def test_us_02_a_batch_bundle_holds_its_readings_with_rolls_and_nobody_elses(day):
    _, members, records = day
    found = disclosed(members)
    start, end = (one for one in records if isinstance(one, Batch) and one.batch == "B-1")
    from_ns, to_ns = start.effective_ns - 600 * S, end.effective_ns + 600 * S
    wanted = {
        index
        for index, one in enumerate(records)
        if isinstance(one, Reading) and one.signal in {"FRZ-1/temp", "R-1/temp"} and from_ns <= (one.source_ns) < to_ns
    }
    readings = {index: one for index, one in found.items() if isinstance(one, Reading)}
    assert readings.keys() == wanted
    assert not any("FRZ-2" in member.decode(errors="ignore") for member in members.values() if b"FRZ-2" in member)
    spans = {one["signal"]: (one["n_first"], one["n_last"]) for one in json.loads(members["manifest.json"])["signals"]}
    for name, (first, last) in spans.items():
        numbers = [one.n for one in readings.values() if one.signal == name]
        assert numbers == list(range(first, last + 1))


def test_us_02_a_batch_bundle_explains_itself(day):
    _, members, records = day
    found = disclosed(members)
    kinds = {type(one) for one in found.values()}
    assert {Batch, Excursion, Deviation, Clock, Signal, Config, Reading} <= kinds
    assert {one.batch for one in found.values() if isinstance(one, Batch)} == {"B-1"}
    assert {one.signal for one in found.values() if isinstance(one, Signal)} == {
        "FRZ-1/temp",
        "FRZ-1/door",
        "R-1/temp",
    }
    named = {one.clock for one in found.values() if isinstance(one, Reading)}
    assert named <= {one.clock for one in found.values() if isinstance(one, Clock)}, (
        "a reading's clock is not explained"
    )
    keys = [one for one in records if isinstance(one, Key)]
    assert [one for one in found.values() if isinstance(one, Key)] == keys


def test_us_01_a_batch_bundle_verifies_here_and_alone(day, tmp_path):
    _, members, _ = day
    assert verify_bundle(members).exit_code == 0
    for name, content in members.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "verify.py", "."], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_us_05_names_open_from_the_bundle_and_an_erased_one_leaves_it_whole(tmp_path):
    """Two acts of named accounts; one name is erased between two exports: its record stays as it was sealed."""
    plant = KeptPlant(tmp_path, epoch(1, rule(), signals=SIGNALS))

    async def story() -> tuple[dict[str, bytes], dict[str, bytes], list[str]]:
        async with KeptLife(plant) as life:
            await everybody(life, 700)
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            people = [life.people.add("Åsa Berg", 1), life.people.add("MES Basel", 2)]
            for person in people:
                audits = AuditLog("UTC", life.stamp, "1.0.0", lambda _, name=person.name: name)
                subject = ObjectRef(kind="batch", id="B-1")
                life.committer.append([audits.record(person.person, "batch.export", subject, "t")], urgent=True)
            await life.batch("B-1", "end", "k3")
            await everybody(life, 700)
            await life.level()
            first = life.bundle("B-1")
            life.people.erase(people[0].person, 3)
            return first, life.bundle("B-1"), [one.name for one in people]

    first, second, names = run_virtually(story())
    opened = [[json.loads(line) for line in one["names.jsonl"].splitlines()] for one in (first, second)]
    assert {one["name"]: one["text"] for one in opened[0]} == dict(zip(names, ("Åsa Berg", "MES Basel"), strict=True))
    assert [one["text"] for one in opened[1]] == ["MES Basel"]
    assert names[0].encode() in second["batch.json"], "the commitment stays in its record"
    assert not any("Åsa Berg".encode() in member for member in second.values())
    assert both(first).exit_code == both(second).exit_code == 0
    wrong = first | {"names.jsonl": first["names.jsonl"].replace("Åsa".encode(), b"Eva")}
    assert both(listed(wrong)).last_line == "FAILED in names.jsonl: a name does not open its commitment"


def test_us_03_side_objects_of_a_bundle_lie_in_it_under_their_hash(tmp_path):
    plant = KeptPlant(tmp_path, epoch(1, rule(), signals=SIGNALS))
    long = "every line of a long statement\n" * 3000

    async def story() -> dict[str, bytes]:
        async with KeptLife(plant) as life:
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            content, side = format_content(long.encode())
            told = Batch(**life.stamp(), event="verified", batch="B-1", revision=2, evidence=content)
            life.committer.append([told], side_objects=[side], urgent=True)
            await everybody(life, 100)
            await life.level()
            return life.bundle("B-1")

    members = run_virtually(story())
    digest = sha256(long.encode()).hexdigest()
    name = f"blob/{digest[:2]}/{digest}"
    assert members[name] == long.encode()
    assert both(members).exit_code == 0
    wrong = listed(members | {name: members[name][:-1]})
    assert both(wrong).last_line == f"FAILED in {name}: content hash differs from its name"


def test_di_09_a_batch_without_one_reading_shows_its_gap(tmp_path):
    """The link was down before the batch began and until after it ended: the bundle says so."""
    plant = KeptPlant(tmp_path, epoch(1, rule(), signals=SIGNALS[:1]))

    async def story() -> dict[str, bytes]:
        async with KeptLife(plant) as life:
            await life.say("FRZ-1/temp", 5.0)
            await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_opened", **GAP),))
            await asyncio.sleep(2000)
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            await asyncio.sleep(100)
            await life.batch("B-1", "end", "k2")
            await asyncio.sleep(2000)
            await life.say("FRZ-1/temp", 5.0, facts=(Fact(kind="gap_closed", recovery="none", **GAP),))
            await life.level()
            return life.bundle("B-1")

    found = disclosed(run_virtually(story()))
    assert [one for one in found.values() if isinstance(one, Reading)] == []
    assert [one.event for one in found.values() if isinstance(one, Gap)] == ["opened", "closed"]
    assert [one.signal for one in found.values() if isinstance(one, Signal)] == ["FRZ-1/temp"]


def test_us_02_a_gap_of_another_day_stays_out(tmp_path):
    plant = KeptPlant(tmp_path, epoch(1, rule(), signals=SIGNALS[:1]))

    async def story() -> dict[str, bytes]:
        async with KeptLife(plant) as life:
            await life.say("FRZ-1/temp", None, facts=(Fact(kind="gap_opened", **GAP),))
            await asyncio.sleep(100)
            await life.say("FRZ-1/temp", 5.0, facts=(Fact(kind="gap_closed", recovery="none", **GAP),))
            await asyncio.sleep(5000)
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),))
            await life.say("FRZ-1/temp", 5.0)
            await asyncio.sleep(100)
            await life.batch("B-1", "end", "k2")
            await life.level()
            return life.bundle("B-1")

    found = disclosed(run_virtually(story()))
    assert len([one for one in found.values() if isinstance(one, Reading)]) == 1
    assert [one for one in found.values() if isinstance(one, Gap)] == []


def first_deviation(records: list[Record]) -> tuple[int, Deviation]:
    return next((index, one) for index, one in enumerate(records) if isinstance(one, Deviation))


async def made(plant: KeptPlant) -> tuple[bytes, dict[str, bytes]]:
    async with KeptLife(plant) as life:
        await life.level()
        records = [parse_record(content) for _, _, content in life.store.read(0, life.committer.size)]
        index, record = first_deviation(records)
        body = await life.maker.make(index, record, "main", NOTHING)
        return body.content, dict(life.kept)


def test_qm_03_the_same_event_and_evidence_whenever_they_are_made(tmp_path):
    """Made at once, after more records, after a restart, under another configuration: the same bytes."""
    plant = KeptPlant(tmp_path, epoch(1, rule(), signals=SIGNALS))

    async def story() -> list[tuple[bytes, dict[str, bytes]]]:
        found = []
        async with KeptLife(plant) as life:
            await everybody(life, 100)
            await life.batch("B-1", "start", "k1", nodes=(NodeUse(node="FRZ-1"),), client="C-1")
            for _ in range(9):
                await life.say("FRZ-1/temp", 9.0)
                await asyncio.sleep(10)
            await life.level()
            for _ in range(2):
                records = [parse_record(content) for _, _, content in life.store.read(0, life.committer.size)]
                index, record = first_deviation(records)
                body = await life.maker.make(index, record, "main", NOTHING)
                found.append((body.content, dict(life.kept)))
                await everybody(life, 300)
                await life.batch("B-1", "phase", "k2", phase="growth")
                await life.level()
        return found

    first, again = run_virtually(story())
    assert first == again
    assert run_virtually(made(plant)) == first
    other = epoch(2, rule(), signals=[msgspec.structs.replace(one, node="FRZ-2") for one in SIGNALS])
    zone = msgspec.structs.replace(other.plan, zone="Europe/Zurich", site="bern")
    plant.approve(msgspec.structs.replace(other, plan=zone))
    assert run_virtually(made(plant)) == first
    event = json.loads(first[0])
    assert event["data"]["timezone"] == "UTC"
    [(digest, bundle)] = first[1].items()
    assert sha256(bundle).hexdigest() == digest == event["data"]["evidence"]["bundle_sha256"]
    assert len(bundle) == event["data"]["evidence"]["bundle_bytes"]
    assert event["data"]["batches"][0]["batch_id"] == "B-1"
    prove(event["data"]["evidence"], members_of(bundle))


def prove(evidence: dict, members: dict[str, bytes]) -> None:
    """Plain RFC 6962: leaf, proof, root, note; no code of ours but the layout of entries.bin."""
    entry = next(one.entry for one in parse_disclosed(members["entries.bin"])[0] if one.index == evidence["leaf_index"])
    node = sha256(b"\x00" + entry).digest()
    assert base64.b64encode(node).decode() == evidence["leaf_hash"]
    index, last = evidence["leaf_index"], evidence["tree_size"] - 1
    for text in evidence["inclusion_proof"]:
        sibling = base64.b64decode(text)
        if index & 1 or index == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    assert last == 0
    assert base64.b64encode(node).decode() == evidence["root_hash"]
    text, _, signatures = evidence["checkpoint"].partition("\n\n")
    origin, size, root = text.split("\n")
    assert (origin, int(size), root) == (evidence["origin"], evidence["tree_size"], evidence["root_hash"])
    seal = base64.b64decode(signatures.strip().split(" ")[2])
    assert seal[:4].hex() == evidence["key_id"]
    key = base64.b64decode(SEALER.vkey.split("+", 2)[2])[1:]
    Ed25519PublicKey.from_public_bytes(key).verify(seal[4:], (text + "\n").encode())
