"""The worked example of the configuration pages: whole, and with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.config.load import Loaded, read_folders, understand

FOLDER = Path(__file__).parent / "example"

GATEWAY = "config/gateway.yaml"
PLANT = "config/plant.yaml"
CLIENTS = "config/clients.yaml"
LIMITS = "config/limits/BR-201-GROWTH.yaml"
REACTOR = "device_profiles/generic/opcua-bioreactor/profile.yaml"
ROOM = "device_profiles/generic/mqtt-cleanroom/profile.yaml"
COUNTER = "device_profiles/generic/mqtt-particle-counter/profile.yaml"
EDGE = "device_profiles/generic/sparkplug-edge/profile.yaml"


def example() -> dict[str, bytes]:
    return read_folders(FOLDER / "config", FOLDER / "device_profiles")


def changed(changes: Mapping[str, tuple[str, str]] | tuple[str, str, str]) -> Loaded:
    files = example()
    rows = [changes] if isinstance(changes, tuple) else [(name, *pair) for name, pair in changes.items()]
    for name, old, new in rows:
        text = files[name].decode()
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        files[name] = text.replace(old, new, 1).encode()
    return understand(files)


def seen(loaded: Loaded, *, warnings: bool = False) -> list[tuple[str, str, int, int, str]]:
    return [
        (found.id, found.file, found.line, found.column, found.message)
        for found in loaded.findings
        if warnings or found.severity == "error"
    ]
