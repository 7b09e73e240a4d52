"""What the API asks of the pipeline: narrow protocols, so that routes know no pipeline module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.adapters.http.bodies import BatchEventBody
from gateway.adapters.machine_accounts import MachineAccount


class BatchDesk(Protocol):
    """Takes batch events and answers for batches. Everything it answers is committed."""

    async def record(
        self, batch: str, body: BatchEventBody, key: str, account: MachineAccount, terminal: str
    ) -> tuple[dict[str, Any], bool]:
        """Record one event; return the answer and whether it repeats an earlier one. Raises `Refused` (BAT-…)."""
        ...

    def all(self, *, open_only: bool, node: str | None) -> list[dict[str, Any]]:
        """Return all batches, oldest first."""
        ...

    def show(self, batch: str) -> dict[str, Any] | None:
        """Return one batch with its memberships, excursions and deviations; None if there is none."""
        ...

    async def bundle(self, batch: str, account: MachineAccount, terminal: str) -> bytes:
        """Return the bundle of a batch; its export is an `audit` record. Raises `Refused` if it does not verify."""
        ...

    async def refused(self, operation: str, account: str, terminal: str, code: str) -> None:
        """Record that somebody was not permitted to do something."""
        ...


class Health(Protocol):
    """What the gateway says of itself."""

    def ready(self) -> list[str]:
        """Return why it is not ready; empty when it is."""
        ...

    def live(self) -> bool:
        """Tell whether the loop turns."""
        ...

    def report(self) -> Mapping[str, Any]:
        """Return the figures of the health page."""
        ...

    def signals(self) -> list[dict[str, Any]]:
        """Return all signals with their newest reading."""
        ...

    def metrics(self) -> bytes:
        """Return the Prometheus exposition."""
        ...
