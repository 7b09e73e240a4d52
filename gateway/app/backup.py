"""Backups of a running gateway: each day at its time and on request, off the running store; what came of it is a record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from msgspec import Struct

from gateway.adapters.backup.content import (
    CONFIG,
    PROFILES,
    SECRETS,
    Item,
    beside_ledger,
    beside_segments,
    folder_items,
    published_head,
)
from gateway.adapters.backup.make import BackupMaker, Made
from gateway.adapters.backup.manifest import BackupFile, Manifest
from gateway.adapters.backup.recovery_key import RecoveryKey, parse_recovery_key
from gateway.adapters.entropy import os_entropy
from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.durable import write_durably
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.telemetry import Figure
from gateway.app.setup import seal_signers
from gateway.app.site import Site
from gateway.app.zone import PlantZone
from gateway.config.load import profiles_beside
from gateway.config.models.services import BackupTarget
from gateway.domain.daily import last_due
from gateway.domain.times import format_time
from gateway.errors import GatewayError, LedgerDoubt, Refused, Unavailable
from gateway.ledger.note import sign_note
from gateway.ledger.records import Gateway, ObjectRef
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.stamp import Stamper
from gateway.ports import Journal

LOOK_S: Final = 5.0
RETRY_NS: Final = 3_600_000_000_000
MEMORY: Final = "backup.json"
TEXT_MAX: Final = 200
_NS: Final = 1_000_000_000

_log = structlog.get_logger(component="backup")


class Memory(Struct, frozen=True, kw_only=True):
    """What is known of the newest backup; lost, the next one is whole again."""

    made_ns: int
    folder: str
    size: int
    bytes: int
    files: list[BackupFile]


class _Job(NamedTuple):
    to: Path
    person: str = ""
    terminal: str = ""


class BackupDesk:
    """Implements `gateway.adapters.http.backup_routes.BackupDesk`; `run` makes what was asked and what is due."""

    def __init__(self, site: Site, build: str, journal: Journal, stamp: Stamper, audits: AuditLog) -> None:
        self._site = site
        self._build = build
        self._journal = journal
        self._stamp = stamp
        self._audits = audits
        self._zone = PlantZone(site.plan.zone)
        self._asked: asyncio.Queue[_Job] = asyncio.Queue(1)
        self._running = False
        self._progress = (0, 0)
        self._last: dict[str, Any] | None = None
        self._failed_ns = 0
        self._memory = _read(site.state / MEMORY)

    async def begin(self, to: str | None, person: str, terminal: str) -> dict[str, Any]:
        """Begin a backup; its target and its key are checked before this returns."""
        job = _Job(await asyncio.to_thread(self._target, to), person, terminal)
        await asyncio.to_thread(self._key)
        if self._running or self._asked.full():
            raise Refused("a backup is being made", remedy="wait for its end: gateway backup shows it")
        self._running, self._progress, self._last = True, (0, 0), None
        self._asked.put_nowait(job)
        return self.status()

    def status(self) -> dict[str, Any]:
        """Return state, progress in bytes, and how the last one ended."""
        state = "running" if self._running else "none" if self._last is None else self._last["state"]
        newest = None if self._memory is None else format_time(self._memory.made_ns)
        told = {"state": state, "done": self._progress[0], "total": self._progress[1], "newest": newest}
        return told | ({} if self._last is None else {"result": self._last})

    async def run(self) -> None:
        """Make what was asked and what is due, until cancelled."""
        while True:
            job = None
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    job = await self._asked.get()
            job = job or self._due()
            if job is not None:
                await self._make(job)

    def figures(self) -> Iterable[Figure]:
        """Yield `backup_age_seconds` (`interface.md` 6)."""
        if self._site.settings.backup is None and self._memory is None:
            return
        now_ns = self._stamp.clock.now().wall_ns
        age = float("nan") if self._memory is None else max(now_ns - self._memory.made_ns, 0) / _NS
        yield Figure("backup_age_seconds", "Since the newest backup that was read back", "gauge", {"": age})

    def _due(self) -> _Job | None:
        """Return the day's backup when its time has come and none was made since; after a failure once an hour."""
        block, now_ns = self._site.settings.backup, self._stamp.clock.now().wall_ns
        if block is None or now_ns - self._failed_ns < RETRY_NS:
            return None
        due_ns = last_due(block.at, now_ns, self._zone.offset_s)
        if self._memory is not None and self._memory.made_ns >= due_ns:
            return None
        if isinstance(block.to, str):
            return _Job(self._site.path(block.to))
        if not self._failed_ns:  # said once a run
            self._fail(_Job(self._site.state), _no_store())
        self._failed_ns = now_ns
        return None

    async def _make(self, job: _Job) -> None:
        self._running = True
        try:
            manifest, made = await asyncio.to_thread(self._made, job.to)
        except GatewayError as error:  # a damaged file too: the commits go on, the scrub and verify name it
            self._fail(job, error)
        except OSError as error:  # of what lies beside the ledger: the target's own are told by the maker
            where = f"{error.filename}: " if error.filename else ""
            self._fail(job, Unavailable(f"{where}{error.strerror or error}", remedy="mend it, then: gateway backup"))
        else:
            self._succeed(job, manifest, made)
        finally:
            self._running = False

    def _made(self, to: Path) -> tuple[Manifest, Made]:
        """Make one backup; blocking."""
        site, folder = self._site, LedgerFolder(self._site.ledger)
        head = published_head(folder)
        secrets = dict(_key_files(site))
        manifest = Manifest(
            made_ns=self._stamp.clock.now().wall_ns,
            origin=head.checkpoint.origin,
            gateway=site.plan.gateway,
            build=self._build,
            size=head.checkpoint.size,
            root=head.checkpoint.root.hex(),
            files=[],
            secrets={item.path: reference for item, reference in secrets.items()},
        )
        items = [
            *beside_segments(folder.layout, head),
            *beside_ledger(site.state),
            *folder_items(site.folder, CONFIG),
            *secrets,
        ]
        profiles = profiles_beside(site.folder)
        if not profiles.is_relative_to(site.folder):
            items += folder_items(profiles.resolve(), PROFILES)
        total = _bytes_of_segments(folder) + sum(_bytes_of(item) for item in items)
        before, kept = self._memory, {}
        if before is not None and Path(before.folder).parent == to and Path(before.folder).is_dir():
            kept = {one.path: one for one in before.files}
        maker = BackupMaker(
            to, self._key(), os_entropy, self._advance, kept, Path(before.folder) if before is not None else None
        )
        return manifest, maker.make(manifest, folder.layout, items, self._seal, total)

    def _succeed(self, job: _Job, manifest: Manifest, made: Made) -> None:
        self._failed_ns = 0
        self._memory = Memory(
            made_ns=manifest.made_ns, folder=str(made.folder), size=manifest.size, bytes=made.bytes, files=made.kept
        )
        path = self._site.state / MEMORY
        try:
            write_durably(Disk(), path, msgspec.json.encode(self._memory), 0o600)
        except OSError as error:
            _log.warning("backup.not_remembered", error=str(error), remedy="the next backup is written whole")
        facts = {
            "bytes": made.bytes,
            "files": made.files,
            "folder": made.folder.name,
            "manifest_sha256": made.manifest_sha256,
            "root": manifest.root,
            "size": manifest.size,
            "written": made.written,
        }
        self._last = {"state": "done", **facts, "path": str(made.folder)}
        self._record(
            Gateway(**self._stamp(), event="backup", gateway=manifest.gateway, run=self._stamp.run, facts=facts)
        )
        if job.person:
            self._record(
                self._audits.record(job.person, "backup", ObjectRef(kind="backup", id=made.folder.name), job.terminal)
            )

    def _fail(self, job: _Job, error: GatewayError) -> None:
        self._failed_ns = self._stamp.clock.now().wall_ns
        self._last = {"state": "failed", "error": error.text, "remedy": error.remedy, "exit": error.exit_code}
        _log.error("backup.failed", error=error.text, remedy=error.remedy or "mend it; it is tried again in an hour")
        self._record(
            Gateway(
                **self._stamp(),
                event="notice",
                gateway=self._site.plan.gateway,
                run=self._stamp.run,
                code="backup_failed",
                facts={"cause": error.text[:TEXT_MAX]},
            )
        )
        if job.person:
            self._record(
                self._audits.record(job.person, "backup", ObjectRef(kind="backup", id="none"), job.terminal, "failed")
            )

    def _record(self, record: Any) -> None:
        with suppress(LedgerDoubt):  # halted: nothing more is written, the backup stands where it stands
            self._journal.append([record])

    def _advance(self, done: int, total: int) -> None:
        self._progress = (done, total)

    def _seal(self, text: bytes) -> bytes:
        return sign_note(text, [(one.key, one.sign) for one in seal_signers(self._site)])

    def _key(self) -> RecoveryKey:
        block = self._site.settings.backup
        if block is None:
            raise Refused(
                "no backup is configured", remedy="write backup: {to: …, encryption_key: file:…} into gateway.yaml"
            )
        return parse_recovery_key(self._site.secret(block.encryption_key), "backup.encryption_key")

    def _target(self, to: str | None) -> Path:
        block = self._site.settings.backup
        if to is None and block is not None and isinstance(block.to, BackupTarget):
            raise _no_store()
        if to is None and block is None:
            self._key()
        written = to if to is not None or block is None else str(block.to)
        assert written is not None, "a folder is named, or configured"
        found = self._site.path(written)
        for own in (self._site.ledger, self._site.state):
            if found.is_relative_to(own):
                raise Refused(f"{found} lies in {own}", remedy="name a folder on another disk or host")
        return found


def _no_store() -> Refused:
    return Refused("backups to an object store are not in this version", remedy="set backup.to to a folder")


def _key_files(site: Site) -> Iterator[tuple[Item, str]]:
    """Yield the files of the log's own keys, each with its reference."""
    keys = site.settings.keys
    for name, key in (("seal", keys.seal), ("publish", keys.publish), ("document", keys.document)):
        if key is not None and key.file is not None:
            yield Item(f"{SECRETS}/{name}", content=site.secret(key.file), mode=0o600), key.file


def _bytes_of_segments(folder: LedgerFolder) -> int:
    """Return the bytes of all segment files; one that is packed in this moment counts for nothing."""
    total = 0
    for name in folder.layout.segments():
        with suppress(FileNotFoundError):
            total += folder.layout.segment(name).stat().st_size
    return total


def _bytes_of(item: Item) -> int:
    return len(item.content) if item.file is None else item.file.stat().st_size


def _read(path: Path) -> Memory | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
