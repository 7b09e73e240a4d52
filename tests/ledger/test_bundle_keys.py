"""Bundles of a log whose keys change: the three verifiers follow the disclosed key records from the policy's keys on."""

from __future__ import annotations

import pytest

from gateway.ledger.bundle import BundleRequest, Subject, build_bundle
from gateway.ledger.note import sign_note
from gateway.ledger.policy import Policy, Span
from gateway.ledger.proof import LeafReader
from gateway.ledger.records import format_record
from tests.counterparts.chromium import chromium
from tests.ledger.logs import genesis, reading, small_log
from tests.ledger.test_bundle import both
from tests.ledger.test_damage import entries
from tests.ledger.test_keys import NEW_KEY, NEXT, PUBLISH, SIGNS, STRANGER, ended, introduced, key_record
from tests.ledger.test_verify_html import HTML, in_browser
from tests.ledger.vector_files import SEAL_KEY

FIRST = Policy(logs=(SEAL_KEY,))
BEFORE = genesis()
GOOD = "VERIFIED  {} records, 1 head, range all"


def sealed_by(*names: str):
    return lambda text: sign_note(text, [SIGNS[name] for name in names])


def bundle(story, *signers: str, policy: Policy = FIRST, shown=None) -> dict[str, bytes]:
    """A bundle of every record: genesis, thirty readings, then `story`; its note is signed by `signers`."""
    log = small_log()
    for record in story:
        log.commit([format_record(record)])
    log.sealer = sealed_by(*signers)
    log.commit([reading(31)])
    every = [entry for number in range(len(log.frames)) for entry in entries(log, number)]
    leaves = [leaf for plan in log.plans for frame in plan.frames for leaf in frame.leaf_hashes]
    request = BundleRequest(
        subject=Subject(kind="range", id="all"),
        scope="site",
        made_ns=1,
        entries=[(i, entry) for i, entry in enumerate(every) if shown is None or i in shown],
        note=log.notes[-1],
        policy=policy,
    )
    return build_bundle(request, LeafReader(leaves))


def fails(key) -> str:
    return f"FAILED at size {{}}: signature of {key} does not verify"


P_IN = key_record(PUBLISH, "publish", "old", from_size=36, purpose="publish")
P_OUT = ended(PUBLISH, 37, "publish", "old", event="retired", purpose="publish")
P_TAKEN = ended(PUBLISH, 37, "old", event="revoked", purpose="publish")
Q_IN = key_record(NEXT, "next", "publish", "old", from_size=37, purpose="publish")
DEMANDS = Policy(logs=(SEAL_KEY,), publish=(PUBLISH,))
CASES = {
    "rotated, sealed by both": ((introduced("old", "new"),), ("old", "new"), FIRST, GOOD),
    "rotated, the old one retired": (
        (introduced("old", "new"), ended(SEAL_KEY, 36, "new", event="retired")), ("new",), FIRST, GOOD,
    ),
    "rotated, and the policy knows the new one alone": (
        (introduced("old", "new"),), ("old", "new"), Policy(logs=(NEW_KEY,)), GOOD,
    ),
    "a key that no trusted one vouches for": ((introduced("new"),), ("new",), FIRST, fails(NEW_KEY)),
    "a key that strangers vouch for": (
        (introduced("old", "new"),), ("new",), Policy(logs=(STRANGER,)), fails(NEW_KEY),
    ),
    "revoked, and sealed by it alone": (
        (introduced("old", "new"), ended(SEAL_KEY, 20, "new")), ("old",), FIRST, fails(SEAL_KEY),
    ),
    "revoked without endorsement": ((introduced("old", "new"), ended(SEAL_KEY, 20)), ("old",), FIRST, GOOD),
    "a former key of the policy": (
        (), ("old",), Policy(logs=(NEW_KEY,), former=(SEAL_KEY,), spans=((SEAL_KEY, Span(0, 36)),)), GOOD,
    ),
    "a former key after its end": (
        (), ("old",), Policy(logs=(NEW_KEY,), former=(SEAL_KEY,), spans=((SEAL_KEY, Span(0, 35)),)), fails(SEAL_KEY),
    ),
    "published": ((P_IN,), ("old", "publish"), DEMANDS, GOOD),
    "the publish line is missing": ((P_IN,), ("old",), DEMANDS, fails(PUBLISH)),
    "a publish key that the policy does not demand": ((P_IN,), ("old",), FIRST, GOOD),
    "its demand begins later": (
        (), ("old",), Policy(logs=(SEAL_KEY,), publish=(PUBLISH,), spans=((PUBLISH, Span(37)),)), GOOD,
    ),
    "retired by itself": ((P_IN, P_OUT), ("old",), DEMANDS, GOOD),
    "taken back by the seal key": ((P_IN, P_TAKEN), ("old",), DEMANDS, fails(PUBLISH)),
    "an heir is demanded too": ((P_IN, Q_IN), ("old", "publish"), DEMANDS, fails(NEXT)),
    "both publish lines": ((P_IN, Q_IN), ("old", "publish", "next"), DEMANDS, GOOD),
}  # fmt: skip


def judged(name: str) -> tuple[dict[str, bytes], Policy, str]:
    story, signers, policy, line = CASES[name]
    size = 36 + len(story)
    return bundle(story, *signers, policy=policy), policy, line.format(size)


@pytest.mark.parametrize("name", CASES)
def test_us_01_two_verifiers_follow_the_keys_of_a_bundle(name):
    members, policy, line = judged(name)
    assert both(members, policy).last_line == line


def test_us_01_what_is_no_key_record_is_read_over():
    story = (introduced("old", "new"),)
    good = bundle(story, "old")
    for change in ((b'"from_size":36', b'"from_size":3x'), (b'"purpose":"seal"', b'"purpose":"seat"')):
        place = good["entries.bin"].rindex(change[0])
        content = good["entries.bin"]
        changed = content[:place] + change[1] + content[place + len(change[0]) :]
        assert both(good | {"entries.bin": changed}, FIRST).exit_code == 1


@pytest.mark.integration
async def test_us_01_the_page_follows_the_keys_of_a_bundle_too(tmp_path):
    async with chromium(tmp_path) as page:
        await page.open(HTML)
        for name in CASES:
            members, policy, line = judged(name)
            ours = both(members, policy)
            assert await in_browser(page, members, [members], policy) == [[ours.result, ours.lines()]], name
            assert ours.last_line == line
