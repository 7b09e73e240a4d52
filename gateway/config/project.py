"""Project: all files of one configuration, read once and understood as far as each of them can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.config.findings import Finding, Place, finding
from gateway.config.models.clients import ClientsFile
from gateway.config.models.gateway import GatewayFile
from gateway.config.models.limits import LimitsFile
from gateway.config.models.plant import PlantFile
from gateway.config.models.profile import ProfileFile
from gateway.config.tree import as_block
from gateway.config.validate import validate
from gateway.config.yaml_file import YamlFile, load_yaml

CONFIG, PROFILES = "config", "device_profiles"
GATEWAY, PLANT, CLIENTS, LIMITS = (
    f"{CONFIG}/gateway.yaml",
    f"{CONFIG}/plant.yaml",
    f"{CONFIG}/clients.yaml",
    f"{CONFIG}/limits/",
)


class LimitsAt(Struct, frozen=True):
    """A limit set and the file it stands in."""

    file: YamlFile
    model: LimitsFile


class ProfileAt(Struct, frozen=True):
    """A device profile, the file it stands in, and its folder."""

    file: YamlFile
    model: ProfileFile
    folder: str


class Project(Struct, kw_only=True):
    """The files by name and what they say; a part that could not be understood is None and its reasons are findings."""

    contents: dict[str, bytes]
    files: dict[str, YamlFile] = {}
    gateway: GatewayFile | None = None
    plant: PlantFile | None = None
    clients: ClientsFile | None = None
    limits: list[LimitsAt] = []
    profiles: dict[str, ProfileAt] = {}
    profile_ids: tuple[str, ...] = ()
    broken_profiles: set[str] = set()
    findings: list[Finding] = []

    def add(self, *found: Finding) -> None:
        """Add findings."""
        self.findings.extend(found)

    def file(self, name: str) -> YamlFile:
        """Return a file that is there."""
        return self.files[name]


def open_project(contents: Mapping[str, bytes]) -> Project:
    """Read files by name (``config/plant.yaml``, ``device_profiles/vendor/model/profile.yaml``); no file system here."""
    project = Project(contents=dict(contents))
    for name in (GATEWAY, PLANT):
        if name not in contents:
            project.add(finding("REF-01", Place(name), "", f"no file '{name}'"))
    project.gateway = _one(project, GATEWAY, GatewayFile)
    project.plant = _one(project, PLANT, PlantFile)
    project.clients = _one(project, CLIENTS, ClientsFile)
    for name in sorted(contents):
        if name.startswith(LIMITS) and name.endswith(".yaml"):
            found = _one(project, name, LimitsFile)
            if found is not None:
                project.limits.append(LimitsAt(project.files[name], found))
    _open_profiles(project)
    return project


def _one(project: Project, name: str, model: type[Any]) -> Any:
    content = project.contents.get(name)
    if content is None:
        return None
    file = project.files[name] = load_yaml(name, content)
    found = validate(file, model) if not file.findings else None
    project.add(*file.findings)
    return found


def _open_profiles(project: Project) -> None:
    """Read the profiles that the plant uses; without a plant, all of them."""
    folders = sorted(
        name.removeprefix(f"{PROFILES}/").removesuffix("/profile.yaml")
        for name in project.contents
        if name.startswith(f"{PROFILES}/") and name.endswith("/profile.yaml")
    )
    project.profile_ids = tuple(folders)
    used = _used_ids(project)
    for folder in folders:
        if used is None or folder in used:
            found = open_profile(project, folder)
            if found is None:
                project.broken_profiles.add(folder)
            else:
                project.profiles[found.model.ref] = found


def _used_ids(project: Project) -> set[str] | None:
    plant = project.files.get(PLANT)
    tree = as_block(plant.tree) if plant else None
    devices = as_block(tree.get("devices")) if tree else None
    if devices is None:
        return None
    refs = [(as_block(device) or {}).get("profile") for device in devices.values()]
    return {ref.partition("@")[0] for ref in refs if isinstance(ref, str)}


def open_profile(project: Project, folder: str) -> ProfileAt | None:
    """Read one profile, merge its defaults, and check that it lies in the folder of its id."""
    name = f"{PROFILES}/{folder}/profile.yaml"
    file = project.files[name] = load_yaml(name, project.contents[name])
    model = validate(file, ProfileFile, merge_defaults(file.tree)) if not file.findings else None
    if model is not None and model.id != folder:
        file.findings.append(
            finding("SCH-03", file.place(("id",)), "id", f"'{model.id}' is not '{folder}', its folder")
        )
        model = None
    project.add(*file.findings)
    return None if model is None else ProfileAt(file, model, folder)


def merge_defaults(tree: Any) -> Any:
    """Return the tree with ``defaults`` merged key by key into each signal; the signal wins."""
    whole = as_block(tree) or {}
    defaults, signals = as_block(whole.get("defaults")), as_block(whole.get("signals"))
    if defaults is None or signals is None:
        return tree
    merged: dict[str, Any] = {}
    for name, signal in signals.items():
        block = as_block(signal)
        merged[name] = signal if block is None else _merge(defaults, block)
    return {**whole, "signals": merged}


def _merge(defaults: dict[str, Any], signal: dict[str, Any]) -> dict[str, Any]:
    found = dict(defaults)
    for key, value in signal.items():
        inherited, own = as_block(defaults.get(key)), as_block(value)
        if inherited is not None and own is not None:
            found[key] = {**inherited, **own}
        else:
            found[key] = value
    return found
