"""The intake: facts before readings, gaps with true edges, one count a signal, and a standing that a restart finds again."""

import asyncio

import msgspec
import pytest

from gateway.domain.plan import Plan, SignalPlan, ValidWhen
from gateway.domain.sample import Payload, Provenance, Raw, Sample
from gateway.errors import LedgerDoubt
from gateway.ledger.records import Clock, Content, Gap, Gateway, Quarantine, Reading, format_record, parse_record
from gateway.pipeline.clock_watch import ClockLimits, ClockRecorder, ClockWatch
from gateway.pipeline.intake import Intake
from gateway.pipeline.opening import carry
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.standing import SignalStanding, Standing
from gateway.ports import Fact, Outcome, Parcel
from tests.fakes.clock import StillClock

NOON_NS = 1_792_888_200_000_000_000


class Notebook:
    """A journal that commits when told (port `Journal` as far as the intake needs it)."""

    def __init__(self) -> None:
        self.records = []
        self.settles = []
        self.side_objects = []
        self.hurried = 0

    def index_of(self, nth):
        return len(self.records) + nth

    def append(self, records, *, settle=None, side_objects=(), urgent=False):
        first = len(self.records)
        self.records += [parse_record(format_record(record)) for record in records]
        self.side_objects += side_objects
        self.settles.append(settle)
        return first

    async def room(self):
        await asyncio.sleep(0)

    def hurry(self):
        self.hurried += 1

    def commit(self):
        for settle in self.settles:
            settle(Outcome.COMMITTED)
        self.settles.clear()


def signal(name: str, **changes) -> SignalPlan:
    given = {
        "id": f"FRZ-01/{name}",
        "device": "FRZ-01",
        "source": "line1",
        "address": name,
        "node": "FRZ-01",
        "room": "R-1",
        "title": name,
        "profile": "generic/x@1",
        "profile_sha256": "00" * 32,
        "measure": "analog",
        "type": "number",
        "unit": "Cel",
        "acquire": {"expected_s": 1},
        "expected_ns": 1_000_000_000,
        "stale_ns": 2_000_000_000,
        "criticality": "critical",
        "relevance": "cpp",
    }
    return SignalPlan(**given | changes)


def plan(*signals: SignalPlan) -> Plan:
    return Plan(
        config="05b3abf2579a5eb6",
        config_sha256="05b3abf2579a5eb6" * 4,
        change_set="CS-0001",
        dev=True,
        site="basel",
        gateway="gw-01",
        zone="Europe/Zurich",
        signals={one.id: one for one in signals},
        nodes={},
    )


def sample(address: str = "temp", number: str = "21.5", second: int = 0, **changes) -> Sample:
    given = {
        "address": address,
        "raw": Raw("num", number),
        "source_ns": NOON_NS + second * 1_000_000_000,
        "received_ns": NOON_NS + second * 1_000_000_000 + 5_000_000,
        "boot_ns": 1_000 + second,
    }
    return Sample(**given | changes)


def parcel(position: int, *samples: Sample, facts: tuple[Fact, ...] = (), settle=lambda _: None) -> Parcel:
    return Parcel(
        source="line1", incarnation=1, epoch=2, position=position, samples=samples, facts=facts, settle=settle
    )


def intake(journal: Notebook, *signals: SignalPlan, standing: Standing | None = None, **options) -> Intake:
    standing = standing or Standing()
    stamp = Stamper(StillClock(), dev=True, run=1, clock_number=1)
    return Intake(plan(*signals), standing, journal, journal, stamp, **{"early": {}, **options})


async def test_di_01_reading_says_everything_it_must():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    await subject.offer(parcel(7, sample(number="21.50")))
    [reading] = journal.records
    assert isinstance(reading, Reading)
    assert (reading.signal, reading.n, reading.value, reading.quality) == ("FRZ-01/temp", 1, 21.5, "good")
    assert reading.raw == {"num": "21.50"}, "typed digits are the wire's, not ours"
    assert (reading.incarnation, reading.epoch, reading.position) == (1, 2, 7)
    assert reading.source_ns == NOON_NS
    assert reading.dev is True
    assert reading.part is msgspec.UNSET


async def test_di_05_settles_when_committed_and_hurries_at_half_the_window():
    journal = Notebook()
    subject = intake(journal, signal("temp"), early={"line1": 2})
    told = []
    await subject.offer(parcel(1, sample(), settle=told.append))
    assert (told, journal.hurried) == ([], 0)
    await subject.offer(parcel(2, sample(), settle=told.append))
    assert (told, journal.hurried) == ([], 1)
    journal.commit()
    assert told == [Outcome.COMMITTED] * 2
    await subject.offer(parcel(3, sample()))
    assert journal.hurried == 1


async def test_di_08_gap_stands_before_the_readings_after_it_with_true_edges():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    await subject.offer(parcel(1, sample(second=0)))
    lost = Fact(kind="gap_opened", key="sub", cause="subscription_lost", addresses=("temp",))
    back = Fact(kind="gap_bounded", key="sub", cause="subscription_lost")
    await subject.offer(parcel(1, facts=(lost,)))
    await subject.offer(parcel(2, sample(second=9), facts=(Fact(kind="link", detail={"step": 3}), back)))
    done = Fact(kind="gap_closed", key="sub", cause="subscription_lost", recovery="full", recovered=8, missing=8)
    await subject.offer(parcel(2, facts=(done,)))
    reading, opened, link, bounded, after, closed = journal.records
    assert isinstance(opened, Gap)
    assert (opened.gap, opened.event, opened.signals, opened.before.index) == ("G-000001", "opened", ["FRZ-01/temp"], 0)
    assert opened.before.source_ns == reading.source_ns
    assert (link.event, link.facts) == ("link", {"step": 3})
    assert (bounded.event, bounded.after.index, bounded.after.source_ns) == ("bounded", 4, after.source_ns)
    assert (closed.event, closed.recovery, closed.recovered, closed.missing) == ("closed", "full", 8, 8)
    assert subject.gaps_open == 0


async def test_a_gap_is_opened_once_and_only_an_open_one_is_closed():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    lost = Fact(kind="gap_opened", cause="link_down")
    await subject.offer(parcel(1, facts=(lost, lost)))
    await subject.offer(parcel(1, facts=(Fact(kind="gap_closed", cause="broker_restart", recovery="none"),)))
    assert [record.event for record in journal.records] == ["opened"]


async def test_di_03_payload_stands_with_part_0_and_its_hash_with_each():
    journal = Notebook()
    subject = intake(journal, signal("temp"), signal("rh", unit="%{RH}"))
    payload = Payload(b'{"t":21.5,"rh":45}', "ab" * 32)
    await subject.offer(
        parcel(1, sample(payload=payload), sample("rh", "45", part=1, payload=payload)),
    )
    first, second = journal.records
    assert (first.part, second.part) == (0, 1)
    assert first.payload.utf8 == '{"t":21.5,"rh":45}'
    assert second.payload is msgspec.UNSET
    assert first.payload_sha256 == second.payload_sha256 == "ab" * 32


async def test_di_01_a_message_too_long_for_its_record_is_kept_beside_it():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    quotes = b'{"t":21.5,"x":"' + b'\\"' * 20_000 + b'"}'
    for content in (b'{"t":21.5,"x":"' + b"x" * 60_000 + b'"}', quotes):
        await subject.offer(parcel(1, sample(payload=Payload(content, "ab" * 32))))
        assert journal.side_objects.pop() == content
        assert journal.records[-1].payload.len == len(content)


async def test_eu_22_companion_of_the_same_message_makes_a_sample_invalid_not_zero():
    journal = Notebook()
    flow = signal("flow", unit="L/min")
    count = signal("p05", unit="/m3", valid_when=(ValidWhen(signal="FRZ-01/flow", low=26, high=30),))
    subject = intake(journal, count, flow)
    await subject.offer(parcel(1, sample("p05", "12"), sample("flow", "3")))
    by_signal = {record.signal: record for record in journal.records}
    assert by_signal["FRZ-01/p05"].value is None
    assert by_signal["FRZ-01/p05"].reason == ["invalid_sample"]
    assert by_signal["FRZ-01/flow"].value == 3


async def test_us_08_sample_without_signal_is_quarantined_and_settled():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    told = []
    await subject.offer(parcel(1, sample("nobody"), settle=told.append))
    [kept] = journal.records
    assert isinstance(kept, Quarantine)
    assert (kept.reason, kept.address, kept.content.utf8) == ("no_binding", "nobody", "num:21.5")
    journal.commit()
    assert told == [Outcome.COMMITTED]


async def test_long_quarantined_bytes_become_a_side_object():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    await subject.offer(parcel(1, facts=(Fact(kind="quarantine", cause="too_large", content=b"x" * 60_000),)))
    [kept] = journal.records
    assert kept.content.len == 60_000
    assert journal.side_objects == [b"x" * 60_000]


async def test_di_13_a_restart_finds_the_standing_again_by_fold_and_by_carry():
    journal = Notebook()
    standing = Standing()
    subject = intake(journal, signal("temp"), signal("rh", unit="%{RH}"), standing=standing)
    for position in range(1, 6):
        await subject.offer(parcel(position, sample(second=position), sample("rh", "45", second=position)))
    await subject.offer(parcel(6, facts=(Fact(kind="gap_opened", key="k", cause="link_down", addresses=("temp",)),)))
    folded = Standing(run=1, places={"FRZ-01/temp": ("line1", "temp"), "FRZ-01/rh": ("line1", "rh")})
    for index, record in enumerate(journal.records):
        folded.apply(index, record)
    assert folded.signals == standing.signals
    assert folded.gaps_open == standing.gaps_open
    at = folded.resume("line1", {"FRZ-01/temp": "temp"})
    assert (at.incarnation, at.epoch, at.position) == (1, 2, 5)
    assert at.source_ns == {"temp": NOON_NS + 5_000_000_000}
    assert at.gaps_open == {"k": "link_down"}

    stamp = Stamper(StillClock(), dev=True, run=1, clock_number=1)
    carried = Standing()
    record, side_objects = carry(folded, stamp, "gw-01")
    assert side_objects == []
    carried.apply(6, parse_record(format_record(record)))
    assert carried.signals == folded.signals
    assert carried.resume("line1", {"FRZ-01/temp": "temp"}).gaps_open == {"k": "link_down"}
    assert carried.carry() == folded.carry()


def test_di_13_a_plant_too_large_for_one_record_carries_by_side_object():
    standing = Standing()
    for number in range(3_000):
        standing.signals[f"DEVICE-{number:04d}/temperature"] = SignalStanding(n=number, source_ns=NOON_NS)
    stamp = Stamper(StillClock(), dev=True, run=1, clock_number=1)
    record, [side] = carry(standing, stamp, "gw-01")
    found = Standing(read_blob={record.carry.sha256: side}.get)
    found.apply(65_536, parse_record(format_record(record)))
    assert found.signals == standing.signals
    with pytest.raises(LedgerDoubt, match="side object"):
        Standing().apply(65_536, record)


async def test_dedicated_values_stay_apart_reduction_is_only_what_is_declared():
    journal = Notebook()
    subject = intake(journal, signal("temp", record="on_change", reduction="on_change"))
    for second, number in enumerate(("21.5", "21.5", "21.6", "21.6")):
        await subject.offer(parcel(second, sample(number=number, second=second)))
    assert [record.value for record in journal.records] == [21.5, 21.6]
    assert [record.n for record in journal.records] == [1, 2]


async def test_di_03_a_device_that_sends_a_value_again_adds_nothing():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    subject.know("line1", ["temp|1|6|num:20"])
    told = []
    await subject.offer(parcel(1, sample(repeat_key="temp|1|7|num:21.5")))
    await subject.offer(parcel(2, sample(repeat_key="temp|1|7|num:21.5"), settle=told.append))
    await subject.offer(parcel(3, sample(repeat_key="temp|1|6|num:20"), settle=told.append))
    assert [record.n for record in journal.records] == [1]
    assert subject.figures.duplicates == {"line1": 2}
    journal.commit()
    assert told == [Outcome.COMMITTED] * 2


def test_di_03_message_ids_are_found_again_after_a_restart():
    standing = Standing(places={"FRZ-01/temp": ("line1", "env/a#t")})
    payload = Content(utf8='{"t":21.5}')
    reading = Reading(
        received_ns=1,
        boot_ns=1,
        clock=1,
        signal="FRZ-01/temp",
        config="c",
        n=1,
        value=21.5,
        quality="good",
        clock_state="synced",
        provenance="live",
        incarnation=3,
        epoch=4,
        position=77,
        payload_sha256="ab",
        payload=payload,
    )
    standing.apply(0, reading)
    assert standing.resume("line1", {}).repeats == ("mqtt/3/77/ab/env/a",)
    assert list(standing.payloads["line1"]) == [("env/a", b'{"t":21.5}')]


async def test_retained_value_is_recorded_as_such():
    journal = Notebook()
    subject = intake(journal, signal("temp"))
    await subject.offer(parcel(1, sample(provenance=Provenance.RETAINED, flags=("retain",))))
    assert (journal.records[0].provenance, journal.records[0].flags) == ("retained", ["retain"])


class Utc:
    name = "UTC"

    def offset_s(self, wall_ns: int) -> int:
        return 0


@pytest.mark.parametrize(("stepped_ns", "recorded"), [(3_600_000_000_000, 1), (-300_000_000_000, 1), (10_000_000, 0)])
def test_di_06_a_step_of_our_clock_is_a_record(stepped_ns, recorded):
    clock, journal, steps = StillClock(), Notebook(), []
    stamp = Stamper(clock, dev=False, run=1, clock_number=4)
    recorder = ClockRecorder(clock, stamp, Utc(), ClockLimits())
    watch = ClockWatch(clock, stamp, recorder, journal, steps.append)
    first = recorder.record("start")
    assert (first.clock, first.state, first.bound_ns) == (5, "synced", 1_000_000)
    clock.advance(1_000_000_000)
    watch.look()
    assert journal.records == []
    clock.advance(1_000_000_000)
    clock.wall_ns += stepped_ns
    watch.look()
    assert len(journal.records) == len(steps) == recorded
    if recorded:
        [record] = journal.records
        assert isinstance(record, Clock)
        assert (record.trigger, record.step.size_ns, record.clock) == ("step", stepped_ns, 6)
        assert stamp.clock_number == 6


def test_di_06_lost_synchronisation_and_minutes_are_records():
    clock, journal = StillClock(), Notebook()
    stamp = Stamper(clock, dev=False, run=1, clock_number=0)
    recorder = ClockRecorder(clock, stamp, Utc(), ClockLimits())
    watch = ClockWatch(clock, stamp, recorder, journal)
    recorder.record("start")
    clock.answer = msgspec.structs.replace(clock.answer, synchronised=False)
    clock.advance(1_000_000_000)
    watch.look()
    clock.advance(60_000_000_000)
    watch.look()
    assert [(record.trigger, record.state) for record in journal.records] == [
        ("sync_lost", "unsynced"),
        ("minute", "unsynced"),
    ]
    assert isinstance(journal.records[0], Clock)
    assert not isinstance(journal.records[0], Gateway)
