"""Which stand-alone verifiers lie in a bundle: what people take away may be opened by a double click."""

from __future__ import annotations

import pytest

from gateway.app.parts import verifier
from gateway.ledger.policy import Policy
from gateway.pipeline.bundles import BundleBuilder, pack
from tests.fakes.store import MemoryStore
from tests.ledger.test_bundle import make_bundle
from tests.paths import ROOT

STANDALONE = ROOT / "gateway/ledger/standalone"


@pytest.mark.parametrize("name", ["verify.py", "verify.html"])
def test_us_03_verifiers_are_read_as_they_are(name):
    assert verifier(name) == (STANDALONE / name).read_bytes()


def test_us_03_the_page_lies_in_a_bundle_that_people_take_away():
    builder = BundleBuilder(MemoryStore(), lambda: None, Policy(()), {}, verifier(), page=verifier("verify.html"))
    assert set(builder._beside([])) == {"verify.py", "verify.html"}


def test_us_03_the_readme_names_the_page_where_it_is():
    with_page = make_bundle(extra={"verify.html": verifier("verify.html")})
    assert b"open verify.html" in with_page["README.txt"]
    assert b"verify.html" not in make_bundle()["README.txt"]
    assert len(pack(with_page)) - len(pack(make_bundle(extra={}))) < 24_000
