"""Site: one configuration folder understood, with its paths and the way to its secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.config.findings import format_finding
from gateway.config.load import Loaded, load, profiles_beside
from gateway.config.models.gateway import GatewayFile
from gateway.config.secrets import CREDENTIALS, read_secret
from gateway.domain.limits import LimitSet
from gateway.domain.plan import Plan
from gateway.errors import ConfigurationRefused

SHOWN_MAX = 20
NO_APPROVALS = "gateway.approval is required, and this version cannot take approvals"
FOR_TRIALS = "for trials write approval: off and an origin that ends in -dev; such a ledger is never for GMP use"


class Site:
    """Everything a run needs of its folder; made only where nothing is an error."""

    def __init__(self, folder: Path, loaded: Loaded, settings: GatewayFile, plan: Plan) -> None:
        self.folder = folder
        self.settings = settings
        self.plan = plan
        self.limit_sets: Sequence[LimitSet] = loaded.limit_sets
        self.files = loaded.files
        self.clients = {} if loaded.clients is None else loaded.clients.clients
        plant = loaded.project.plant
        self.serials = {} if plant is None else {name: device.serial for name, device in plant.devices.items()}
        self.ledger = self.path(settings.ledger.path)
        self.state = self.ledger.parent / "state"

    @property
    def development(self) -> bool:
        """Whether approval is off."""
        return self.plan.dev

    def need_approval(self) -> None:
        """Raise `ConfigurationRefused` where approval is required: nobody can give it yet, and unapproved files never run."""
        if not self.development:
            raise ConfigurationRefused(f"{self.folder / 'gateway.yaml'}: {NO_APPROVALS}", remedy=FOR_TRIALS)

    def path(self, written: str) -> Path:
        """Return a path of the configuration; a relative one lies below the folder."""
        return (self.folder / written).resolve()

    def secret(self, reference: str) -> bytes:
        """Return the bytes behind a reference; raise `ConfigurationRefused` naming the reference, never the value."""
        return read_secret(reference, self.folder).reveal()

    def secret_text(self, reference: str) -> str:
        """Return a secret as text without the line end of its file."""
        return read_secret(reference, self.folder).reveal_text()

    def secret_file(self, reference: str) -> Path:
        """Return the file behind a reference, for libraries that read keys from files alone; `env:` cannot serve."""
        kind, _, name = reference.partition(":")
        if kind == "file":
            return self.path(name)
        if kind == "cred" and CREDENTIALS in os.environ:
            return Path(os.environ[CREDENTIALS]) / name
        raise ConfigurationRefused(
            f"{reference} is no file", code="SEC-01", remedy="private keys of TLS need file: or cred:"
        )


def open_site(folder: Path, *, tell: Callable[[str], None] | None = None) -> Site:
    """Understand a folder; raise `ConfigurationRefused` with every finding where anything is an error."""
    loaded = load(folder, profiles_beside(folder))
    if loaded.errors or loaded.settings is None or loaded.plan is None:
        shown = [format_finding(found, loaded.source(found)) for found in loaded.errors[:SHOWN_MAX]]
        if len(loaded.errors) > SHOWN_MAX:
            shown.append(f"and {len(loaded.errors) - SHOWN_MAX:,} more")
        raise ConfigurationRefused(
            "the configuration is not understood:\n" + "\n".join(shown),
            remedy=f"mend what is shown, then: gateway check --config {folder}",
        )
    if tell is not None:
        for found in loaded.findings:
            tell(found.headline())
    return Site(folder.resolve(), loaded, loaded.settings, loaded.plan)
