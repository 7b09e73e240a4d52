"""Which distributions the product installs: the closure of its requirements in this environment."""

from __future__ import annotations

from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "shopfloor-gateway"


def closure(*extras: str) -> dict[str, Distribution]:
    """Every distribution that the project needs with `extras`, by name, without the project itself."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(PROJECT, "")] + [(PROJECT, extra) for extra in extras]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = distribution(name)
        for line in found[name].requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                child = str(canonicalize_name(needed.name))
                waiting += [(child, ""), *((child, each) for each in needed.extras)]
    del found[PROJECT]
    return found


def installed_bytes(each: Distribution) -> int:
    """Size on disk of one distribution's files in bytes."""
    paths = (Path(str(each.locate_file(file))) for file in each.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())
