"""The budget of the core: how many distributions, how many megabytes, under which licences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.house.closure import closure, installed_bytes
from tests.house.settings import HOUSE, PYPROJECT
from tests.paths import ROOT

if TYPE_CHECKING:
    from importlib.metadata import Distribution

ALLOWED = {
    *(
        "mit",
        "mit-0",
        "mit license",
        "isc",
        "isc license",
        "isc license (iscl)",
        "0bsd",
        "zlib",
        "unlicense",
        "cc0-1.0",
    ),
    *("bsd", "bsd license", "bsd-2-clause", "bsd-3-clause", "bsd 2-clause license", "bsd 3-clause license"),
    *("apache-2.0", "apache 2.0", "apache 2", "apache license 2.0", "apache software license"),
    *("psf-2.0", "python software foundation license", "epl-2.0", "edl-1.0"),
    *("mpl-2.0", "mozilla public license 2.0 (mpl 2.0)", "any-osi"),
}
NAMED = {"asyncua": "LGPL-3.0+: imported unchanged, source offer in THIRD_PARTY.md"}


def licences(each: Distribution) -> list[str]:
    """The licences a distribution states: its expression, else its field, else its classifiers."""
    meta = each.metadata
    stated = meta.get("License-Expression") or meta.get("License") or ""
    if not stated or len(stated) > 60:
        stated = " OR ".join(
            line.rsplit(" :: ", 1)[-1] for line in meta.get_all("Classifier") or [] if line.startswith("License")
        )
    return [part for part in re.split(r" (?:OR|AND) ", stated) if part] or ["unknown"]


def test_core_stays_within_its_number_of_distributions() -> None:
    core = closure()
    assert "pytest" not in core
    assert len(core) <= int(HOUSE["distributions_core_max"]), sorted(core)


def test_core_stays_within_its_size() -> None:
    megabytes = {name: installed_bytes(each) / 1e6 for name, each in closure().items()}
    largest = sorted(megabytes.items(), key=lambda pair: -pair[1])[:8]
    assert 10 < sum(megabytes.values()) <= float(HOUSE["megabytes_core_max"]), largest


def test_runtime_licences_are_on_the_allow_list() -> None:
    every = closure(*PYPROJECT["project"]["optional-dependencies"])
    refused = {
        name: licences(each)
        for name, each in every.items()
        if name not in NAMED and not ALLOWED.issuperset(part.strip().lower() for part in licences(each))
    }
    assert refused == {}


def test_third_party_page_names_each_licence_with_terms() -> None:
    page = (ROOT / "THIRD_PARTY.md").read_text()
    every = closure(*PYPROJECT["project"]["optional-dependencies"])
    assert "asyncua" in every
    copyleft = [name for name, each in every.items() if re.search("GPL|MPL|EPL|Mozilla|GNU", " ".join(licences(each)))]
    assert [name for name in copyleft if f"`{name}`" not in page] == []
