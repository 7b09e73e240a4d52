"""Time stamps in verify.html, verify.py and `gateway verify`: one token, its forgeries and every flipped bit judged alike by all three."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from random import Random
from time import sleep

import pytest

from gateway.ledger.authority import Authority
from gateway.ledger.timestamp import make_request
from tests.counterparts import tsa
from tests.ledger import stamp_forge
from tests.ledger.mutants import ANYWHERE, Members, listed, mutants
from tests.ledger.stamp_forge import AUTHORITY, STAMPING, Holder, Token, usage
from tests.ledger.test_bundle import OWN
from tests.ledger.test_bundle_stamps import GOOD, OWN_TSA, both, case, flipped, made  # noqa: F401  fixtures
from tests.ledger.test_damage import POLICY
from tests.ledger.test_verify_html import in_browser, page  # noqa: F401  fixture

BATCH = 100
FAILS = "FAILED in checkpoint.tsr: time stamp does not verify"


def small(members: Members) -> Members:
    """The bundle with the token of its checkpoint alone."""
    return {name: content for name, content in members.items() if not name.startswith("brackets/")}


@pytest.fixture(scope="module")
def stamped(case, tmp_path_factory):  # noqa: F811
    """The same bundle stamped by other kinds of authorities."""
    kinds = {
        "rsa below an issuer": {"intermediate": True},
        "old name of the certificate": {"curve": True, "ess": "sha1", "digits": 0},
        "ended since": {"curve": True, "until": timedelta(seconds=2)},
    }
    bundles = {"elliptic": listed(small(case.members))}
    for name, how in kinds.items():
        authority = tsa.Authority(tmp_path_factory.mktemp("kind"), **how)
        note = case.members["checkpoint"]
        answer = authority.reply(make_request(sha256(note).digest(), 7))
        changed = {"checkpoint.tsr": answer, "keys/tsa.pem": authority.ca.read_bytes()}
        bundles[name] = listed({**small(case.members), **changed})
    sleep(2.5)  # the last one ends
    return bundles


async def agree(page, base: Members, others: list[Members], policy=None, authority=None) -> list[str]:  # noqa: F811
    """Compare every line on all of them; return the last lines."""
    lasts = []
    for first in range(0, len(others), BATCH):
        part = others[first : first + BATCH]
        outside = None if authority is None else authority.pem
        for number, (other, (result, lines)) in enumerate(
            zip(part, await in_browser(page, base, part, policy, outside), strict=True), start=first
        ):
            ours = both(other, policy, authority)
            assert (lines, result) == (ours.lines(), ours.result), f"copy {number}"
            lasts.append(lines[-1])
    return lasts


@pytest.mark.integration
async def test_us_03_three_verifiers_count_the_same_time_stamps(page, case, stamped):  # noqa: F811
    assert await in_browser(page, case.members, [case.members], None) == [["verified", [OWN, GOOD]]]
    assert await in_browser(page, case.members, [case.members], POLICY) == [["verified", [OWN_TSA, GOOD]]]
    ours = case.authority
    assert await in_browser(page, case.members, [case.members], POLICY, ours.pem) == [["verified", [GOOD]]]
    lasts = await agree(page, small(case.members), list(stamped.values()), POLICY)
    assert lasts == ["VERIFIED  22 records, 1 head, 1 witness, 1 time stamp, batch B-123"] * 4


@pytest.mark.integration
async def test_ac_03_three_verifiers_refuse_what_stands_in_the_place_of_another(page, case, made):  # noqa: F811
    members = case.members
    other_imprint = made.reply(make_request(bytes(32), 7))
    stranger = Holder("root", [AUTHORITY, usage("key_cert_sign")])
    forged = Token(Holder("stamper", [STAMPING], stranger)).answer
    cases = {
        "other checkpoint": {"checkpoint.tsr": members["brackets/26.tsr"]},
        "other imprint": {"checkpoint.tsr": other_imprint},
        "other authority": {"checkpoint.tsr": forged},
        "no token": {"checkpoint.tsr": b""},
        "no authority": {"keys/tsa.pem": b""},
        "stranger's authority": {"keys/tsa.pem": stranger.pem},
        "other note": {"brackets/16": members["brackets/26"]},
        "no growth": {"brackets/16.consistency": members["brackets/5.consistency"]},
    }
    lasts = await agree(page, members, [listed(members | one) for one in cases.values()], POLICY)
    assert all(line.startswith("FAILED in ") for line in lasts)
    assert lasts[:4] == [FAILS] * 4
    lasts = await agree(page, members, [members], POLICY, Authority(stranger.pem))
    assert lasts == ["FAILED in brackets/5.tsr: time stamp does not verify"]


@pytest.mark.integration
async def test_ac_03_a_certificate_that_had_ended_when_the_token_was_made_is_refused_by_all(page, case, made):  # noqa: F811
    """Judged at the time in the token: one that ended since holds (above), one that had ended before does not."""
    root = Holder("root", [AUTHORITY, usage("key_cert_sign")])
    note_sha = sha256(case.members["checkpoint"]).digest()
    info = stamp_forge.info(b"20361124030405Z").replace(stamp_forge.IMPRINT, note_sha)
    ended = Token(Holder("stamper", [STAMPING], root), content=info).answer
    good = Token(
        Holder("stamper", [STAMPING], root), content=stamp_forge.info().replace(stamp_forge.IMPRINT, note_sha)
    ).answer
    base = small(case.members)
    copies = [listed({**base, "checkpoint.tsr": answer, "keys/tsa.pem": root.pem}) for answer in (ended, good)]
    lasts = await agree(page, base, copies, POLICY)
    assert lasts == [FAILS, "VERIFIED  22 records, 1 head, 1 witness, 1 time stamp, batch B-123"]


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["elliptic", "rsa below an issuer"])
async def test_us_01_three_verifiers_agree_on_every_flipped_bit_of_a_token(page, stamped, kind):  # noqa: F811
    base, random = stamped[kind], Random(3161)
    copies = [base | {"checkpoint.tsr": flipped(base["checkpoint.tsr"], random)} for _ in range(60)]
    copies = [listed(one) if number % 3 else one for number, one in enumerate(copies)]
    lasts = await agree(page, base, copies, POLICY)
    assert set(lasts) == {FAILS, "FAILED in checkpoint.tsr: content hash differs"}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_us_01_three_verifiers_agree_on_1000_damaged_tokens_authorities_and_notes(page, case, stamped):  # noqa: F811
    seen = set()
    for number, (kind, base) in enumerate(stamped.items()):
        part = {name: base[name] for name in ("checkpoint.tsr", "manifest.json")}
        copies = [base | one for one in mutants(part, 150, 60 + number, ways=ANYWHERE)]
        random = Random(number)
        copies += [listed(base | {"checkpoint.tsr": flipped(base["checkpoint.tsr"], random)}) for _ in range(50)]
        seen |= set(await agree(page, base, copies, POLICY))
        assert FAILS in seen, kind
    pem = stamped["elliptic"]
    random = Random(7)
    copies = [listed(pem | {"keys/tsa.pem": flipped(pem["keys/tsa.pem"], random)}) for _ in range(100)]
    seen |= set(await agree(page, pem, copies, POLICY))
    frozen = {name: content for name, content in case.members.items() if name.startswith("brackets/")}
    whole = [case.members | one for one in mutants(frozen, 100, 5, ways=ANYWHERE)]
    seen |= set(await agree(page, case.members, [listed(one) for one in whole], POLICY))
    assert len(seen) > 4


@pytest.mark.integration
async def test_us_03_a_browser_without_webcrypto_says_that_time_stamps_were_not_checked(page, case):  # noqa: F811
    await page.run("Object.defineProperty(globalThis, 'crypto', {value: undefined, configurable: true}); 0")
    [[result, lines]] = await in_browser(page, case.members, [case.members], None)
    assert result == "verified"
    assert lines[-2:] == ["note: time stamps not checked", "VERIFIED  22 records, 1 head, 1 witness, batch B-123"]


@pytest.mark.integration
async def test_the_page_reads_a_time_as_the_others_do(page):  # noqa: F811
    for said, known in (("20000229235959Z", 951868799), ("21000301000000.5Z", 4107542400), ("19700101000000Z", 0)):
        assert await page.run(f"derSecond({{tag: 0x18, content: unraw('{said}')}})") == known
    for said in ("20990229000000Z", "20261301000000Z", "20261201240000Z", "20261201000060Z", "20261201000000.50Z"):
        code = f"(() => {{ try {{ derSecond({{tag: 0x18, content: unraw('{said}')}}); return 'read'; }} catch {{ return 'refused'; }} }})()"
        assert await page.run(code) == "refused", said
