"""A list of all time stamps in a ledger: counted where it holds, named where file, names or answer do not fit."""

from __future__ import annotations

from hashlib import sha256

import pytest

from gateway.ledger.authority import Authority
from gateway.ledger.records import Anchor, format_record
from gateway.ledger.timestamp import make_request
from gateway.ledger.token_list import Token, format_tokens
from tests.counterparts import tsa
from tests.ledger.logs import reading
from tests.ledger.test_stamps import HEAD, Case, made, stamped  # noqa: F401  fixture
from tests.ledger.vector_files import ORIGIN


def with_list(made, *, tokens=None, answer=None, **changes) -> tuple[Case, bytes, bytes]:  # noqa: F811
    """The case of `test_stamps`, its two stamps then stamped as one list, and five readings more."""
    case = stamped(made)
    known = [Token(size, sha256(case.files.tokens[size]).hexdigest()) for size in sorted(case.files.tokens)]
    content = format_tokens(ORIGIN, known if tokens is None else tokens(known))
    imprint = sha256(content)
    answer = made.reply(make_request(imprint.digest(), 9)) if answer is None else answer
    told = Authority(made.ca.read_bytes()).open(made.reply(make_request(imprint.digest(), 9)), imprint.digest())
    told = Authority(made.ca.read_bytes()).open(answer, imprint.digest()) if changes.pop("real", True) else told
    facts = {
        "authority_sha256": sha256(made.ca.read_bytes()).hexdigest(),
        "list_sha256": imprint.hexdigest(),
        "list_token_sha256": sha256(answer).hexdigest(),
    }
    anchor = {
        "event": "timestamped",
        "size": 27,
        "root": "0" * 64,
        "note_sha256": imprint.hexdigest(),
        "token_sha256": sha256(answer).hexdigest(),
        "gen_ns": told.gen_ns,
        "serial": str(told.serial),
        "policy": told.policy,
        "facts": facts,
    } | changes
    case.log.commit([format_record(Anchor(**HEAD, **anchor))])
    case.log.commit([reading(n) for n in range(26, 31)])
    for blob in (content, answer):
        case.files.blobs[sha256(blob).hexdigest()] = blob
    return case, content, answer


def test_us_02_a_list_that_holds_is_counted(made):  # noqa: F811
    case, _, _ = with_list(made)
    assert case.verify().last_line == "VERIFIED  39 records, 3 heads, 3 time stamps"


WAYS = {
    "one is missing": lambda known: known[:1],
    "another order": lambda known: known[::-1],
    "one twice": lambda known: [*known, known[0]],
    "one more before": lambda known: [Token(3, "0" * 64), *known],
    "another answer": lambda known: [known[0], Token(known[1].size, "0" * 64)],
    "none": lambda _: [],
}


@pytest.mark.parametrize("way", WAYS)
def test_ac_03_a_list_that_names_others_is_refused(made, way):  # noqa: F811
    case, _, _ = with_list(made, tokens=WAYS[way])
    assert case.verify().last_line == "FAILED at size 27: list of time stamps names others than the ledger"


def test_ac_03_a_list_or_its_answer_that_is_gone_or_changed_is_named(made, tmp_path):  # noqa: F811
    case, content, answer = with_list(made)
    for blob, gone, changed in (
        (content, "list of time stamps is missing", "list of time stamps differs from its record"),
        (answer, "time stamp is missing", "time stamp differs from its record"),
    ):
        files = case.files.copy()
        del files.blobs[sha256(blob).hexdigest()]
        assert case.verify(files).last_line == f"FAILED at size 27: {gone}"
        files.blobs[sha256(blob).hexdigest()] = blob[:-1]
        assert case.verify(files).last_line == f"FAILED at size 27: {changed}"
    stranger = Authority(tsa.Authority(tmp_path, curve=True).ca.read_bytes())
    assert len(case.verify(authority=stranger).failures) == 3


def test_ac_03_an_answer_over_something_else_is_no_stamp_of_the_list(made):  # noqa: F811
    other = made.reply(make_request(bytes(32), 9))
    case, _, _ = with_list(made, answer=other, real=False)
    assert case.verify().last_line == "FAILED at size 27: time stamp does not verify"


def test_a_list_that_is_none_is_named(made):  # noqa: F811
    case, _, _ = with_list(made)
    junk = b"no list"
    case, _, _ = with_list(made, note_sha256=sha256(junk).hexdigest(), facts={"list_sha256": sha256(junk).hexdigest()})
    case.files.blobs[sha256(junk).hexdigest()] = junk
    assert case.verify().last_line == "FAILED at size 27: list of time stamps cannot be read"
    case, _, _ = with_list(made, facts={"list_sha256": 7})
    assert case.verify().last_line == "FAILED at size 27: list of time stamps is missing"
