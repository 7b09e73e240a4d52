"""What the API asks of the pipeline: narrow protocols, so that routes know no pipeline module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.adapters.http.bodies import BatchEventBody
from gateway.adapters.machine_accounts import MachineAccount
from gateway.ledger.tile import Tile


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


class DeliveryDesk(Protocol):
    """Shows deliveries and does what an account may do to them; every act is in the ledger."""

    async def all(self, *, failed: bool) -> list[dict[str, Any]]:
        """Return deliveries in the order of the ledger; ``failed``: those not with the QMS."""
        ...

    async def show(self, event_id: str) -> dict[str, Any] | None:
        """Return one event with its way to each sink, None if there is none of that id."""
        ...

    async def test(
        self, sink: str, person: str, terminal: str, *, dry_run: bool, enabling: bool, reason: str | None
    ) -> dict[str, Any]:
        """Post a ping, or show what would be posted. Raises `Refused`."""
        ...

    async def replay(
        self, event_id: str, sink: str | None, to: str | None, person: str, terminal: str, reason: str
    ) -> dict[str, Any]:
        """Make one more attempt due, or send a copy. Raises `Refused` HOOK-06, HOOK-08, SIG-006."""
        ...

    async def replay_many(
        self,
        sink: str | None,
        to: str | None,
        since: str | None,
        person: str,
        terminal: str,
        reason: str | None,
        *,
        dry_run: bool,
    ) -> dict[str, Any]:
        """Make dead letters, or all events since a time, due again or send copies. Raises `Refused` HOOK-08, SIG-006."""
        ...


class EvidenceDesk(Protocol):
    """Bundles that events name by their hash, and those made on request; their export is an `audit` record."""

    async def excursion(self, excursion: str, account: MachineAccount, terminal: str) -> bytes | None:
        """Return the bundle of an excursion, None if there is none of that id."""
        ...

    async def readings(
        self, signals: Sequence[str], from_ns: int, to_ns: int, account: MachineAccount, terminal: str
    ) -> bytes:
        """Return the bundle of readings with effective time in ``[from_ns, to_ns)``; no signals: all. Raises `Refused`."""
        ...

    async def bundle(self, digest: str, account: MachineAccount, terminal: str) -> bytes | None:
        """Return the bundle whose SHA-256 begins with ``digest``, None if there is none; its export is an `audit` record."""
        ...


class DisposalDesk(Protocol):
    """Disposal of what no rule keeps; recorded, published and seen by others before a file goes."""

    async def prune(self, person: str, terminal: str, reason: str | None, *, dry_run: bool) -> dict[str, Any]:
        """Prune, or say what would go. Raises `Refused` (RET-001, ACC-002, SIG-006), `Unavailable` to be asked again."""
        ...


class ConditionDesk(Protocol):
    """Excursions and deviations, read only."""

    def excursions(self, *, open_only: bool) -> list[dict[str, Any]]:
        """Return excursions, oldest first."""
        ...

    def excursion(self, excursion: str) -> dict[str, Any] | None:
        """Return one excursion, None if there is none of that id."""
        ...

    def deviations(self, *, open_only: bool) -> list[dict[str, Any]]:
        """Return the newest revision of each deviation, oldest first."""
        ...

    def deviation(self, deviation: str) -> dict[str, Any] | None:
        """Return one deviation, None if there is none of that id."""
        ...


class LogDesk(Protocol):
    """The log as others read it: nothing beyond the published checkpoint. All methods block; None: there is no such thing."""

    def checkpoint(self) -> bytes | None:
        """Return the published note."""
        ...

    def policy(self) -> bytes | None:
        """Return `keys/policy`."""
        ...

    def tile(self, tile: Tile) -> bytes | None:
        """Return a tile or an entry bundle, full or partial."""
        ...

    def consistency(self, first: int, second: int | None) -> Sequence[bytes]:
        """Return the proof from one size to another, None: to the published one. Raises `Refused` for other sizes."""
        ...

    def segment(self, first: int, offset: int) -> bytes | None:
        """Return header and frames of the file that begins at ``first``, from an offset on. Raises `Refused`."""
        ...

    def blob(self, digest: str) -> bytes | None:
        """Return a side object by its SHA-256."""
        ...

    def note(self, size: int) -> bytes | None:
        """Return the frozen note of a size."""
        ...

    def token(self, size: int) -> bytes | None:
        """Return the time stamp over the note of a size."""
        ...


class Health(Protocol):
    """What the gateway says of itself."""

    def ready(self) -> list[str]:
        """Return why it is not ready; empty when it is."""
        ...

    def conditions(self) -> list[str]:
        """Return the conditions of our own that are open; the gateway may well be ready with them."""
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
