"""Rules: what the check demands beyond the form of each file, one module for each family of finding ids."""

from __future__ import annotations

from datetime import date

from gateway.config.project import Project


def check_project(project: Project, today: date | None) -> None:
    """Run every rule that the understood parts allow and add what it finds."""
