"""The lock: hashes for everything, no registry address, and what pyproject.toml asks for."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.settings import PYPROJECT
from tests.paths import ROOT

ENTRY = re.compile(
    r"^([A-Za-z0-9._-]+)==([^ ;]+)(?: ; [^\\]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE
)


def locked(name: str) -> dict[str, str]:
    """Distribution → version of a lock file in which every line is accounted for."""
    text = (ROOT / name).read_text()
    rest = re.sub(r"^#.*$", "", ENTRY.sub("", text), flags=re.MULTILINE).strip()
    assert rest == "", f"{name} has lines that are no pinned, hashed distribution: {rest[:200]}"
    return {str(canonicalize_name(found[1])): found[2] for found in ENTRY.finditer(text)}


def test_no_lock_names_a_registry() -> None:
    for name in ("requirements.lock", "tools.lock"):
        assert "://" not in (ROOT / name).read_text(), name


def test_every_locked_distribution_has_a_hash() -> None:
    assert len(locked("requirements.lock")) > 50
    assert list(locked("tools.lock")) == ["uv"]


def test_lock_satisfies_every_range_of_the_project() -> None:
    project = PYPROJECT["project"]
    asked = [*PYPROJECT["build-system"]["requires"], *project["dependencies"]]
    for more in (*project["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values()):
        asked += more
    versions = locked("requirements.lock")
    for each in map(Requirement, asked):
        found = versions.get(str(canonicalize_name(each.name)))
        assert found is not None, f"{each} is not in the lock: ./run lock"
        assert each.specifier.contains(Version(found), prereleases=True), f"{each} is locked at {found}: ./run lock"


def test_run_and_tools_lock_pin_one_uv() -> None:
    pinned = re.search(r"^uv_version=(\S+)$", (ROOT / "run").read_text(), re.MULTILINE)
    assert pinned is not None
    assert locked("tools.lock")["uv"] == pinned[1]
