"""Points: each signal of each device in service, with its parameters filled in and its place in the plant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gateway.config.models.plant import CalibrationBlock, DeviceEntry
from gateway.config.models.profile import Route, SignalBlock
from gateway.config.project import ProfileAt, Project
from gateway.config.yaml_file import Path

_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Point(Struct, frozen=True, kw_only=True):
    """One signal of one device. ``address`` is the plan address; ``profile_path`` where the signal stands in its profile."""

    id: str
    device: str
    entry: DeviceEntry
    name: str
    block: SignalBlock
    profile: ProfileAt
    address: str
    topic: str | None
    node: str
    profile_path: Path

    @property
    def route(self) -> Route | None:
        """Return the MQTT route, None on other bindings."""
        binding = self.profile.model.mqtt
        return None if binding is None else binding.routes.get(self.block.route)

    @property
    def calibration(self) -> CalibrationBlock | None:
        """Return the calibration of the plant."""
        return self.entry.calibration.get(self.name)

    @property
    def plant_path(self) -> Path:
        """Return where the device stands in the plant."""
        return ("devices", self.device)

    @property
    def unit(self) -> str | None:
        """Return the recorded unit."""
        return self.block.units.record if self.block.units else None


def fill(text: str, params: Mapping[str, str]) -> str:
    """Fill ``{param}`` in a topic, node id or Sparkplug id; unknown ones stay (REF-03 names them)."""
    return _PARAMETER.sub(lambda match: params.get(match[1], match[0]), text)


def points(project: Project, devices: Mapping[str, DeviceEntry] | None = None) -> Iterator[Point]:
    """Yield the signals of all devices whose profile is understood, in file order; of ``devices`` instead of the plant's."""
    if devices is None:
        devices = project.plant.devices if project.plant else {}
    for device, entry in devices.items():
        profile = project.profiles.get(entry.profile)
        if profile is None or not entry.in_service:
            continue
        for name, block in profile.model.signals.items():
            topic = _topic(profile, block, entry.params)
            yield Point(
                id=f"{device}/{name}",
                device=device,
                entry=entry,
                name=name,
                block=block,
                profile=profile,
                address=_address(profile, block, entry.params, topic),
                topic=topic,
                node=entry.signal_nodes.get(name, entry.node),
                profile_path=("signals", name),
            )


def _topic(profile: ProfileAt, block: SignalBlock, params: Mapping[str, str]) -> str | None:
    model = profile.model
    if model.mqtt is not None:
        route = model.mqtt.routes.get(block.route)
        return None if route is None else fill(route.topic, params)
    if model.sparkplug is not None:
        parts = ("spBv1.0", model.sparkplug.group, model.sparkplug.node, model.sparkplug.device)
        return "/".join(fill(part, params) for part in parts if part is not None)
    return None


def _address(profile: ProfileAt, block: SignalBlock, params: Mapping[str, str], topic: str | None) -> str:
    """Return ``nsu=<uri>;s=…``, ``<topic>#<path>`` or a column."""
    model = profile.model
    if model.opcua is not None:
        address = fill(block.address, params)
        return address if address.startswith("nsu=") else f"nsu={fill(model.opcua.namespace, params)};{address}"
    return block.address if topic is None else f"{topic}#{block.address}"
