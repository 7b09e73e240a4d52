"""All stamps stamped again as one list: when it is due, what is kept before it is read, and who is told when nobody lives longer."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from msgspec.structs import replace

from gateway.ledger.authority import Authority
from gateway.ledger.records import Anchor, Gateway
from gateway.ledger.token_list import Token, parse_tokens
from gateway.pipeline.restamping import AGAIN_NS, DAY_NS, FIRST_NS, Due, Restamping, RestampSettings, judge_stamps
from gateway.pipeline.revocations import Revocations
from gateway.pipeline.stamp import Stamper
from tests.counterparts import tsa
from tests.fakes.clock import NOON_NS, StillClock
from tests.fakes.frozen import MemoryFrozen
from tests.fakes.journal import FakeJournal
from tests.fakes.log import ORIGIN
from tests.fakes.revocation_lists import FakeRevocationLists
from tests.fakes.time_stamper import FakeTimeStamper

MONTH = 30


def anchor(size: int, days: int | None, *, own: str = "own", listed: bool = False) -> Anchor:
    """A stamp whose certificate ends in so many days."""
    facts = {"authority_sha256": own, **({} if days is None else {"ends_ns": NOON_NS + days * DAY_NS})}
    if listed:
        facts["list_sha256"] = "00"
    digest = sha256(b"%d" % size).hexdigest()
    return Anchor(
        at_ns=1, boot_ns=1, clock=1, event="timestamped", size=size, root="0" * 64, token_sha256=digest,
        facts=dict(sorted(facts.items())),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stamps", "due"),
    [
        ([], Due.NOTHING),
        ([anchor(1, 400)], Due.NOTHING),
        ([anchor(1, 360)], Due.ENDING),
        ([anchor(1, 360), anchor(2, 360 + MONTH)], Due.ENDING),
        ([anchor(1, 360), anchor(2, 361 + MONTH)], Due.STAMP),
        ([anchor(1, 360, own="old"), anchor(2, 3000)], Due.STAMP),
        ([anchor(1, 360), anchor(2, 3000, own="other")], Due.WAIT),
        ([anchor(1, -10), anchor(2, 3000)], Due.STAMP),
        ([anchor(1, 360), anchor(2, 3000), anchor(2, 3000, listed=True)], Due.NOTHING),
        ([anchor(1, 360), anchor(2, 3000), anchor(2, 350, listed=True)], Due.STAMP),
        ([anchor(1, 360), anchor(2, 3000), anchor(2, 3000, listed=True), anchor(9, 200)], Due.ENDING),
        ([anchor(1, None), anchor(2, 3000)], Due.NOTHING),
        ([anchor(1, 100), anchor(2, None)], Due.WAIT),
    ],
)
def test_di_14_what_is_due(stamps, due):
    assert judge_stamps(list(enumerate(stamps)), "own", NOON_NS) is due


def test_di_14_stamps_from_before_a_day_are_due_when_it_has_come():
    """Somebody gave the day: an algorithm lost its worth long before the certificates end."""
    old, new = replace(anchor(1, 3000), gen_ns=NOON_NS - DAY_NS), replace(anchor(2, 3000), gen_ns=NOON_NS)
    listed = replace(anchor(2, 3000, listed=True), gen_ns=NOON_NS)
    for stamps, renew_ns, due in (
        ([old], NOON_NS, Due.STAMP),
        ([old, new], NOON_NS, Due.STAMP),
        ([old], NOON_NS + 1, Due.NOTHING),
        ([old], 0, Due.NOTHING),
        ([new], NOON_NS, Due.NOTHING),
        ([old, new, listed], NOON_NS, Due.NOTHING),
    ):
        assert judge_stamps(list(enumerate(stamps)), "own", NOON_NS, renew_ns) is due


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return tsa.Authority(
        tmp_path_factory.mktemp("tsa"), curve=True, until=timedelta(days=3000), root_until=timedelta(days=3000)
    )


class Bench:
    """Two stamps that end within a year, one of the authority in use that does not."""

    def __init__(self, authority: tsa.Authority) -> None:
        self.clock = StillClock()
        self.stamper, self.notes, self.journal = FakeTimeStamper(authority), MemoryFrozen(), FakeJournal()
        pem = authority.ca.read_bytes()
        own = sha256(pem).hexdigest()
        self.stamps = [(5, anchor(4, 300, own="old")), (9, anchor(8, 300, own="old")), (20, anchor(19, 3000, own=own))]
        stamp = Stamper(self.clock, dev=False, run=1, clock_number=1)
        self.restamping = Restamping(
            RestampSettings(origin=ORIGIN, gateway="gw-01", run=1),
            Authority(pem),
            self.stamper,
            self.notes,
            self.all,
            Revocations(FakeRevocationLists(), (), self.clock),
            self.journal,
            stamp,
            self.clock,
            lambda size: b"\xf1" * size,
            in_thread=self.direct,
        )

    async def all(self):
        return self.stamps

    async def direct(self, function, *arguments):
        return function(*arguments)

    async def after(self, ns: int) -> None:
        self.clock.advance(ns)
        await self.restamping.step()

    def lists(self) -> list[Anchor]:
        return [one for one in self.journal.records if isinstance(one, Anchor)]


async def test_di_14_all_stamps_are_stamped_again_as_one_list(authority):
    bench = Bench(authority)
    await bench.after(FIRST_NS - 1)
    assert bench.stamper.queries == []
    await bench.after(1)
    [record] = bench.lists()
    content = bench.notes.blobs[record.facts["list_sha256"]]
    answer = bench.notes.blobs[record.facts["list_token_sha256"]]
    origin, tokens = parse_tokens(content)
    assert origin == ORIGIN
    assert tokens == [Token(one.size, one.token_sha256) for _, one in bench.stamps]
    assert (record.size, record.event) == (19, "timestamped")
    assert record.note_sha256 == sha256(content).hexdigest()
    assert record.token_sha256 == sha256(answer).hexdigest()
    assert authority.accepts(content, answer), "openssl takes it over the list's bytes"
    told = Authority(authority.ca.read_bytes()).open(answer, sha256(content).digest())
    assert (record.gen_ns, record.serial) == (told.gen_ns, str(told.serial))
    bench.stamps.append((30, record))
    await bench.after(DAY_NS)
    assert len(bench.lists()) == 1, "a list covers what stands below it"


async def test_di_14_an_authority_that_is_away_is_asked_again_in_an_hour(authority):
    bench = Bench(authority)
    bench.stamper.mode = "down"
    await bench.after(FIRST_NS)
    assert len(bench.stamper.queries) == 1
    bench.stamper.mode = "other_imprint"
    await bench.after(AGAIN_NS - 1)
    assert len(bench.stamper.queries) == 1
    await bench.after(1)
    assert bench.lists() == []
    assert len(bench.notes.blobs) == 2, "the list, and the answer that was no stamp of it, kept as it came"
    bench.stamper.mode = "ok"
    bench.notes.fail_next = "full"
    await bench.after(AGAIN_NS)
    assert bench.lists() == []
    await bench.after(AGAIN_NS)
    assert len(bench.lists()) == 1


async def test_an_authority_that_is_new_is_waited_for(authority):
    bench = Bench(authority)
    last = bench.stamps.pop()
    await bench.after(FIRST_NS)
    assert bench.stamper.queries == []
    bench.stamps.append(last)
    await bench.after(FIRST_NS)
    assert len(bench.lists()) == 1


async def test_somebody_is_told_once_when_the_authority_itself_ends(authority):
    bench = Bench(authority)
    bench.stamps = [*bench.stamps[:2], (20, anchor(19, 310, own=sha256(authority.ca.read_bytes()).hexdigest()))]
    await bench.after(FIRST_NS)
    await bench.after(DAY_NS)
    await bench.after(0)
    told = [one for one in bench.journal.records + bench.journal._pending if isinstance(one, Gateway)]
    assert [one.code for one in told] == ["timestamp_ending"]
    assert bench.stamper.queries == []
