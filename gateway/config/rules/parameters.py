"""Parameters: what a device says of its profile's parameters, whole and within their patterns (REF-03)."""

from __future__ import annotations

import re

from gateway.config.findings import finding
from gateway.config.models.profile import ProfileFile
from gateway.config.nearest import did_you_mean, nearest
from gateway.config.project import Project
from gateway.config.yaml_file import Path, YamlFile, dotted

_USED = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def check_parameters(project: Project, file: YamlFile, device: str, profile: ProfileFile) -> None:
    """Check the ``params`` of one device against its profile."""
    assert project.plant is not None, "called with a plant"
    given = project.plant.devices[device].params
    path: Path = ("devices", device, "params")
    for name in profile.params:
        if name not in given:
            place = file.key_place(path) if path in file.keys else file.key_place(path[:-1])
            project.add(finding("REF-03", place, dotted(path), f"parameter '{name}' missing"))
    for name, value in given.items():
        pattern = profile.params.get(name)
        at: Path = (*path, name)
        if pattern is None:
            near = nearest(name, profile.params)
            message = f"parameter '{name}' unknown{did_you_mean(near)}"
            project.add(finding("REF-03", file.key_place(at), dotted(at), message, suggestion=near))
        elif not _fits(pattern, value):
            project.add(finding("REF-03", file.place(at), dotted(at), f"parameter '{name}' not {pattern}"))


def _fits(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True  # the profile's own finding says so


def check_profile_parameters(project: Project, file: YamlFile, profile: ProfileFile) -> None:
    """Patterns of a profile are patterns, and every ``{name}`` in it is one of its parameters."""
    for name, pattern in profile.params.items():
        path: Path = ("params", name)
        try:
            re.compile(pattern)
        except re.error as error:
            project.add(finding("SCH-03", file.place(path), dotted(path), f"'{pattern}' is not a pattern: {error.msg}"))
    for path, text in _texts(profile):
        for name in _USED.findall(text):
            if name not in profile.params:
                near = nearest(name, profile.params)
                message = f"parameter '{name}' unknown{did_you_mean(near)}"
                project.add(finding("REF-03", file.place(path), dotted(path), message, suggestion=near))


def _texts(profile: ProfileFile) -> list[tuple[Path, str]]:
    """Return the texts in which parameters are filled, with their places."""
    found: list[tuple[Path, str]] = []
    if profile.opcua is not None:
        found.append((("opcua", "namespace"), profile.opcua.namespace))
        found.extend((("signals", name, "address"), block.address) for name, block in profile.signals.items())
    if profile.mqtt is not None:
        found.extend((("mqtt", "routes", name, "topic"), route.topic) for name, route in profile.mqtt.routes.items())
    if profile.sparkplug is not None:
        parts = (
            ("group", profile.sparkplug.group),
            ("node", profile.sparkplug.node),
            ("device", profile.sparkplug.device),
        )
        found.extend((("sparkplug", key), text) for key, text in parts if text is not None)
    return found
