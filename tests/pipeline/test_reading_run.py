"""Reading runs: parcels offered together give the records, edges, standing and settling of one offer after the other."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.sample import Payload, Provenance, Raw, Sample
from gateway.ledger.records import Content, NewReading, Reading, format_record, new_reading
from gateway.pipeline.standing import Standing
from gateway.ports import Fact, Outcome, Parcel
from tests.pipeline.test_intake import NOON_NS, Notebook, intake, signal

SIGNALS = (
    signal("temp"),
    signal("door", type="boolean", measure="state", record="on_change"),
    signal("rate", rate_per_min=5.0),
)
NUMBERS = st.sampled_from(["1", "21.5", "x", "-0", "900"])
SAMPLES = st.builds(
    lambda place, number, second, repeat, late: Sample(
        place,
        Raw("bool", len(number) > 1) if place == "door" else Raw("num", number),
        NOON_NS + second * 10**9,
        second,
        source_ns=NOON_NS + (second - 3 * late) * 10**9,
        repeat_key=repeat,
        provenance=Provenance.HISTORICAL if late else Provenance.LIVE,
        flags=("dup",) if late else (),
    ),
    st.sampled_from(["temp", "temp", "door", "rate", "nowhere"]),
    NUMBERS,
    st.integers(0, 9),
    st.sampled_from([None, None, "k1", "k2"]),
    st.booleans(),
)
CONTENTS = {"none": None, "text": b"{}", "binary": b"\x00\xff", "too long for a record": b'"' * 30_000}


@st.composite
def parcels(draw: st.DrawFn) -> list[tuple[list[Sample], tuple[Fact, ...], str]]:
    facts = st.sampled_from([(), (), (), (Fact(kind="gap_opened", cause="link_down"),)])
    return draw(
        st.lists(st.tuples(st.lists(SAMPLES, max_size=3), facts, st.sampled_from(sorted(CONTENTS))), max_size=8)
    )


def made(position: int, samples: list[Sample], facts: tuple[Fact, ...], content: str, told: list[int]) -> Parcel:
    held = CONTENTS[content]
    payload = None if held is None else Payload(held, f"{len(held):064x}")
    cut = tuple(msgspec.structs.replace(one, part=k, payload=payload) for k, one in enumerate(samples))
    return Parcel("line1", 1, 2, position, lambda _: told.append(position), cut, facts)


@given(parcels())
def test_di_05_a_run_gives_the_records_of_one_offer_after_the_other(
    given_parcels: list[tuple[list[Sample], tuple[Fact, ...], str]],
) -> None:
    sides = []
    for together in (False, True):
        journal, standing, told = Notebook(), Standing(), list[int]()
        inlet = intake(journal, *SIGNALS, standing=standing)
        offered = [made(n, *one, told) for n, one in enumerate(given_parcels, 1)]

        async def story(inlet=inlet, offered=offered, together=together) -> None:
            if together:
                await inlet.offer_run(offered)
            else:
                for one in offered:
                    await inlet.offer(one)
            edge = Fact(kind="gap_opened", key="after", cause="link_down")
            await inlet.offer(Parcel("line1", 1, 2, 99, lambda _: None, (), (edge,)))

        asyncio.run(story())
        waiting = inlet.unsettled
        journal.commit()
        sides.append(
            (journal.records, journal.side_objects, told, waiting, inlet.unsettled, standing.signals, standing.sources)
        )
        sides[-1] += (standing.gaps_open, inlet.figures)
    assert sides[1] == sides[0]


def test_a_discarded_run_discards_each_of_its_parcels() -> None:
    journal, told = Notebook(), list[Outcome]()
    inlet = intake(journal, *SIGNALS)
    one = Sample("temp", Raw("num", "1"), NOON_NS, 1)
    run = [Parcel("line1", 1, 2, n, told.append, (one,)) for n in range(3)]
    asyncio.run(inlet.offer_run(run))
    for settle in journal.settles:
        settle(Outcome.DISCARDED)
    assert told == [Outcome.DISCARDED] * 3


def test_a_new_reading_is_a_reading_byte_for_byte() -> None:
    assert NewReading.__struct_fields__ == Reading.__struct_fields__
    assert NewReading.__struct_encode_fields__ == Reading.__struct_encode_fields__
    full = {name: index for index, name in enumerate(Reading.__struct_fields__)}
    full |= {"v": 1, "kind": "reading", "payload": Content(utf8="{}"), "raw": {"num": "1"}}
    optional = ("dev", "test", "raw", "status", "reason", "source_ns", "source_clock", "server_ns", "from_", "part")
    optional += ("calibration", "flags", "payload_sha256", "payload")
    for name in (None, *optional):
        values = full if name is None else {**full, name: msgspec.UNSET}
        assert format_record(new_reading(*values.values())) == format_record(Reading(**values))
