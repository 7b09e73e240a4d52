"""Place: where a command finds the configuration, the profiles and the state without being told."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import ConfigurationRefused

PACKAGED = Path("/etc/gateway")


def config_folder(given: Path | None) -> Path:
    """Return the configuration folder: the one given, else `./config`, else `/etc/gateway`."""
    for folder in (given,) if given is not None else (Path("config"), PACKAGED):
        if (folder / "gateway.yaml").is_file():
            return folder
    if given is not None:
        why = "there is no such folder" if not given.is_dir() else "it holds no gateway.yaml"
        raise ConfigurationRefused(
            f"{given} is no configuration folder: {why}", remedy="name the one of your plant; config/ is an example"
        )
    raise ConfigurationRefused(
        "no gateway.yaml in ./config or /etc/gateway", remedy="name the folder with --config DIR"
    )


def profiles_folder(config: Path) -> Path:
    """Return `device_profiles/` inside the configuration folder, else beside it."""
    inside = config / "device_profiles"
    return inside if inside.is_dir() else config.resolve().parent / "device_profiles"


def ledger_folder(config: Path) -> Path:
    """Return the ledger's folder as gateway.yaml names it; a relative one lies below the configuration folder."""
    from gateway.config.tree import as_block
    from gateway.config.yaml_file import load_yaml

    file = load_yaml("gateway.yaml", (config / "gateway.yaml").read_bytes())
    ledger = as_block((as_block(file.tree) or {}).get("ledger")) or {}
    path = ledger.get("path")
    if not isinstance(path, str):
        raise ConfigurationRefused(
            f"{config / 'gateway.yaml'} names no ledger.path", remedy=f"see: gateway check --config {config}"
        )
    return config / path


def state_folder(config: Path) -> Path:
    """Return `state/` beside the ledger."""
    return ledger_folder(config).parent / "state"
