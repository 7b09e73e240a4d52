"""Load: the one way from files to a plan. Reads, understands, checks, builds; says everything it found in one run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from msgspec import Struct

from gateway.config.build import build_plan
from gateway.config.build_limits import build_limit_set
from gateway.config.echoes import without_echoes
from gateway.config.findings import Finding, in_file_order
from gateway.config.manifest import configuration_hash, signed_files
from gateway.config.models.clients import ClientsFile
from gateway.config.models.gateway import GatewayFile
from gateway.config.models.limits import LimitsFile
from gateway.config.project import CONFIG, PROFILES, Project, open_project
from gateway.config.rules import check_project
from gateway.domain.limits import LimitSet
from gateway.domain.plan import Plan
from gateway.errors import ConfigurationRefused

CONFIG_SUFFIXES = (".yaml", ".der", ".pem", ".crl", ".vkey", ".txt")
_SKIPPED = frozenset(("schema",))


class Loaded(Struct, frozen=True, kw_only=True):
    """One configuration as far as it was understood; ``plan`` and ``limit_sets`` only where nothing is an error.

    ``files`` are the exact signed bytes by path; ``config_sha256`` is the hash of their manifest; ``sources`` the lines of
    every file that findings may show.
    """

    settings: GatewayFile | None
    plan: Plan | None
    limit_sets: tuple[LimitSet, ...]
    limits: tuple[LimitsFile, ...]
    clients: ClientsFile | None
    findings: tuple[Finding, ...]
    files: dict[str, bytes]
    config_sha256: str
    project: Project

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that block."""
        return tuple(found for found in self.findings if found.severity == "error")

    def source(self, found: Finding) -> str | None:
        """Return the line a finding is about, as typed."""
        file = self.project.files.get(found.file)
        return file.source(found.line) if file else None


def load(config_dir: Path, device_profiles_dir: Path, *, today: date | None = None) -> Loaded:
    """Read both folders and understand them; raise `ConfigurationRefused` only where a folder cannot be read."""
    return understand(read_folders(config_dir, device_profiles_dir), today=today)


def understand(contents: Mapping[str, bytes], *, today: date | None = None, change_set: str | None = None) -> Loaded:
    """Understand files by name (``config/plant.yaml``, ``device_profiles/v/m/profile.yaml``): pure, for disk and ledger alike.

    ``today`` lets calibrations that end soon be named; without it nothing is said about them.
    """
    project = open_project(contents)
    check_project(project, today)
    findings = in_file_order(without_echoes(project, project.findings))
    used = {profile.folder for profile in project.profiles.values()}
    files = signed_files(contents, used)
    digest = configuration_hash(files)
    sound = project.gateway is not None and project.plant is not None
    sound = sound and not any(found.severity == "error" for found in findings)
    return Loaded(
        settings=project.gateway,
        plan=build_plan(project, digest, change_set) if sound else None,
        limit_sets=tuple(build_limit_set(at.model) for at in project.limits) if sound else (),
        limits=tuple(at.model for at in project.limits),
        clients=project.clients,
        findings=findings,
        files=files,
        config_sha256=digest,
        project=project,
    )


def read_folders(config_dir: Path, device_profiles_dir: Path) -> dict[str, bytes]:
    """Read all files of a configuration by the names its manifest uses."""
    if not config_dir.is_dir():
        raise ConfigurationRefused(f"no folder {config_dir}", remedy="give the right one with --config DIR")
    found: dict[str, bytes] = {}
    try:
        for path in sorted(config_dir.rglob("*")):
            relative = path.relative_to(config_dir)
            if path.is_file() and path.suffix in CONFIG_SUFFIXES and relative.parts[0] not in _SKIPPED:
                found[f"{CONFIG}/{relative.as_posix()}"] = path.read_bytes()
        for path in sorted(device_profiles_dir.glob("*/*/*")) if device_profiles_dir.is_dir() else ():
            if path.name in {"profile.yaml", "capture.jsonl", "expected.jsonl"}:
                found[f"{PROFILES}/{path.relative_to(device_profiles_dir).as_posix()}"] = path.read_bytes()
    except OSError as error:
        problem = f"cannot read {error.filename}: {error.strerror}"
        raise ConfigurationRefused(problem, remedy="make it readable for the gateway's user") from error
    return found


def profiles_beside(config_dir: Path) -> Path:
    """Return the folder of device profiles: inside the configuration, else beside it (`interface.md` 3)."""
    inside = config_dir / PROFILES
    return inside if inside.is_dir() else config_dir.parent / PROFILES
