"""Revocation lists beside stamps: asked when due, kept with each stamp, a revoked authority refused, an absent one waited for by nobody."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.timestamp import make_request
from gateway.pipeline.revocations import LONGEST_NS, SHORTEST_NS, Revocations
from tests.counterparts import tsa
from tests.fakes.clock import StillClock
from tests.fakes.revocation_lists import FakeRevocationLists

URL = "http://ca.example/tsa.crl"
IMPRINT = sha256(b"note").digest()
HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tsa.Authority(tmp_path_factory.mktemp("tsa"), curve=True, crl_url=URL)


@pytest.fixture(scope="module")
def opened(made):
    return Authority(made.ca.read_bytes()).open_with_chain(made.reply(make_request(IMPRINT, 7)), IMPRINT, 7)


class Clock(StillClock):
    """Stands at the wall clock's second and is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_ns = 0
        self.began_ns = int(tsa.now().timestamp()) * 10**9

    def now(self):
        from gateway.ports import Moment

        wall = self.began_ns + self.passed_ns
        return Moment(wall_ns=wall, monotonic_ns=self.passed_ns, boot_ns=self.passed_ns, raw_ns=self.passed_ns)


async def test_di_14_a_list_is_kept_and_asked_for_again_when_it_is_replaced(made, opened):
    stamped, chain = opened
    lists, clock = FakeRevocationLists(**{URL: made.crl(hours=5)}), Clock()
    found = Revocations(lists, (), clock)
    kept = await found.beside(chain, stamped.gen_ns)
    assert kept.startswith(b"-----BEGIN X509 CRL-----")
    clock.passed_ns = 4 * HOUR_NS
    assert await found.beside(chain, stamped.gen_ns) == kept
    assert lists.asked == [URL]
    clock.passed_ns = 5 * HOUR_NS + 1
    lists.lists[URL] = made.crl(hours=50)
    assert await found.beside(chain, stamped.gen_ns) != kept
    assert lists.asked == [URL, URL]
    clock.passed_ns += LONGEST_NS
    await found.beside(chain, stamped.gen_ns)
    assert len(lists.asked) == 3


async def test_di_14_nobody_waits_for_a_list_that_does_not_come(made, opened):
    stamped, chain = opened
    lists, clock = FakeRevocationLists(), Clock()
    found = Revocations(lists, (), clock)
    assert await found.beside(chain, stamped.gen_ns) == b""
    assert await found.beside(chain, stamped.gen_ns) == b""
    assert lists.asked == [URL], "asked again after an hour"
    lists.lists[URL] = b"<html>a portal</html>"
    clock.passed_ns = SHORTEST_NS
    assert await found.beside(chain, stamped.gen_ns) == b""
    lists.lists[URL] = made.crl()
    clock.passed_ns = 2 * SHORTEST_NS
    kept = await found.beside(chain, stamped.gen_ns)
    assert kept
    del lists.lists[URL]
    clock.passed_ns += LONGEST_NS
    assert await found.beside(chain, stamped.gen_ns) == kept, "an old list says more than none"


async def test_ac_03_a_revoked_authority_stamps_no_more(made, opened):
    stamped, chain = opened
    found = Revocations(
        FakeRevocationLists(**{"lists/own.crl": made.crl(tsa.now() - timedelta(days=1))}), ["lists/own.crl"], Clock()
    )
    with pytest.raises(EvidenceRefused, match="revoked"):
        await found.beside(chain, stamped.gen_ns)


async def test_an_authority_that_publishes_none_needs_none(tmp_path, opened):
    quiet = tsa.Authority(tmp_path, curve=True)
    stamped, chain = Authority(quiet.ca.read_bytes()).open_with_chain(quiet.reply(make_request(IMPRINT, 7)), IMPRINT, 7)
    lists = FakeRevocationLists()
    assert await Revocations(lists, (), Clock()).beside(chain, stamped.gen_ns) == b""
    assert lists.asked == []
