"""Rules: what the check demands beyond the form of each file, one module for each family of finding ids."""

from __future__ import annotations

from datetime import date

from gateway.config.points import points
from gateway.config.project import Project
from gateway.config.rules.batch_adapters import check_batch_adapters
from gateway.config.rules.calibration import check_calibration
from gateway.config.rules.limits import check_limits
from gateway.config.rules.mapping import check_profile
from gateway.config.rules.references import check_references
from gateway.config.rules.security import check_security


def check_project(project: Project, today: date | None) -> None:
    """Run every rule that the understood parts allow and add what it finds."""
    found = list(points(project))
    check_security(project)
    check_references(project, found)
    check_batch_adapters(project)
    for profile in project.profiles.values():
        check_profile(project, profile)
    check_limits(project, found)
    check_calibration(project, found, today)
