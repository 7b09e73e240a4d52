"""Status of one projection from its files: cursor, dead letters, and the ledger it follows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gateway.adapters.cursor_file import CursorFile


class ProjectionStatus(NamedTuple):
    """How far one sink is; ``problem`` is a sentence with its remedy, "" when there is none."""

    sink: str
    entries: int
    next_index: int
    dead: int
    problem: str

    @property
    def finding(self) -> bool:
        """Whether somebody has to act."""
        return bool(self.problem or self.dead)

    def line(self) -> str:
        """Return one line for people."""
        dead = f", {self.dead:,} dead letters: gateway influx replay {self.sink} --dead" if self.dead else ""
        problem = f"; {self.problem}" if self.problem else ""
        behind = self.entries - self.next_index
        return f"{self.sink}  ledger {self.entries:,}, InfluxDB {self.next_index:,}, {behind:,} behind{dead}{problem}"

    def document(self) -> dict[str, Any]:
        """Return the object of `--json`."""
        return {**self._asdict(), "behind": self.entries - self.next_index}


def read_status(name: str, store: CursorFile, ledger: Path, origin: str, fingerprint: str) -> ProjectionStatus:
    """Read the status of a sink whose files are in ``store`` against a ledger folder."""
    from gateway.adapters.segment_store.folder import LedgerFolder

    cursor = store.load()
    entries = LedgerFolder(ledger).reader.end()
    problem = ""
    if cursor is not None and (cursor.origin, cursor.target_fingerprint) != (origin, fingerprint):
        problem = f"the target has changed; fix: gateway influx replay {name}"
    next_index = 0 if cursor is None else cursor.next_index
    return ProjectionStatus(name, entries, next_index, len(store.dead_letters()), problem)
