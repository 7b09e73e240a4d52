"""Calibration rules: certificates that are missing, inverted, over or soon over (CAL-01 to CAL-03)."""

from __future__ import annotations

from datetime import date

from gateway.config.findings import finding
from gateway.config.points import Point
from gateway.config.project import PLANT, Project
from gateway.config.yaml_file import Path, dotted


def check_calibration(project: Project, found: list[Point], today: date | None) -> None:
    """Run the family; without ``today`` nothing is said about dates to come."""
    file = project.files.get(PLANT)
    if file is None:
        return
    for point in found:
        entry = point.calibration
        if entry is None:
            if point.block.calibration_required:
                message = f"{point.id} has no calibration: each reading will be flagged"
                place = file.key_place(point.plant_path)
                project.add(finding("CAL-01", place, dotted(point.plant_path), message, severity="warning"))
            continue
        path: Path = (*point.plant_path, "calibration", point.name, "due")
        if entry.due <= entry.performed:
            project.add(finding("CAL-02", file.place(path), dotted(path), "due is not after performed"))
            continue
        days = None if today is None else (date.fromisoformat(entry.due) - today).days
        if days is not None and days < 0:
            message = f"calibration of {point.id} ended {entry.due}"
            project.add(finding("CAL-03", file.place(path), dotted(path), message, severity="warning"))
        elif days is not None and days <= max(point.block.calibration.warn_d, default=0):
            message = f"calibration of {point.id} ends in {days} days"
            project.add(finding("CAL-03", file.place(path), dotted(path), message, severity="warning"))
