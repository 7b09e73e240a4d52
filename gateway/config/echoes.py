"""Echoes: findings that only repeat that another file is not understood are left out, so that the first cause is seen."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.findings import Finding
from gateway.config.project import Project


def without_echoes(project: Project, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without names that are missing only because their file could not be read or understood."""
    found = list(findings)
    unread = any(one.id.startswith("YML-") for one in found)
    signals_unknown = project.plant is None or bool(project.broken_profiles)
    return [one for one in found if not _is_echo(one, unread=unread, signals_unknown=signals_unknown)]


def _is_echo(found: Finding, *, unread: bool, signals_unknown: bool) -> bool:
    if found.id == "REF-01":
        return found.path != "" and (unread or (signals_unknown and found.message.startswith("no signal ")))
    return found.id == "LIM-07" and unread
