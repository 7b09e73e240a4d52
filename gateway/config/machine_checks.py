"""Machine checks: secrets, ports, disk and certificates of this machine, asked without the network (`profiles.md` 4)."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from pydantic import BaseModel

from gateway.config.environment import Answer, EnvironmentCheck
from gateway.config.load import Loaded
from gateway.config.models.gateway import GatewayFile
from gateway.config.models.services import Http, Telemetry
from gateway.config.secrets import Secret, read_secret, references

SYNCS = 100
SYNC_MS_MAX = 100.0
DAYS_AHEAD = 7
BYTES_PER_READING = 410
CERTIFICATE_DAYS = (7, 30, 60)
CERTIFICATE_KEYS = ("server_certificate", "user_certificate", "client_certificate", "certificate", "ca", "client_ca")
WAITING = Answer("skipped", "gateway setup makes it")
_PAGE = 4096


@dataclass(frozen=True)
class MachineCheck:
    """A question that blocks: it is asked in a thread."""

    id: str
    target: str
    question: Callable[[], Answer]

    async def ask(self) -> Answer:
        """Ask in a thread."""
        return await asyncio.to_thread(self.question)


Inside = Callable[[Secret], object]
"""Looks inside a secret that could be read; raises `ConfigurationRefused` where it is not what its key says."""


def machine_checks(
    loaded: Loaded,
    folder: Path,
    now: datetime,
    inside: Mapping[str, Inside] | None = None,
    waiting: Collection[str] = (),
) -> list[EnvironmentCheck]:
    """Return the questions this configuration raises on this machine; ``folder`` is the configuration's.

    ``inside``: key path → what a secret must be; any other must not be empty. ``waiting``: those that `gateway setup` makes.
    """
    looks = inside or {}
    settings = loaded.settings
    if settings is None:
        return []
    ledger = folder / settings.ledger.path
    found: list[EnvironmentCheck] = []
    named = list(references(settings)) + (list(references(loaded.clients)) if loaded.clients else [])
    for path, reference in named:
        if path in waiting:
            found.append(MachineCheck("secret-readable", f"{path} ({reference})", lambda: WAITING))
            continue
        found.append(
            MachineCheck(
                "secret-readable", f"{path} ({reference})", partial(_secret, reference, folder, looks.get(path))
            )
        )
    for target, listen in _listeners(settings):
        found.append(MachineCheck("port-free", f"{target} {listen}", partial(port_free, listen, ledger)))
    need = settings.ledger.disk_reserve_mb * 1024 * 1024
    week = _readings_per_day(loaded) * BYTES_PER_READING * DAYS_AHEAD
    found.append(MachineCheck("disk-space", str(ledger), partial(disk_space, ledger, need, week)))
    found.append(MachineCheck("disk-sync", str(ledger), partial(disk_sync, ledger)))
    for target, file in _certificates(settings):
        found.append(MachineCheck("certificate-dates", target, partial(certificate_dates, folder / file, now)))
    return found


def _secret(reference: str, folder: Path, inside: Inside | None) -> Answer:
    secret = read_secret(reference, folder)
    if not secret.reveal().strip():
        return Answer("failed", "is empty. Next: put the secret into it, and nothing else")
    if inside is not None:
        inside(secret)
    return Answer("ok", "readable")


def _listeners(settings: GatewayFile) -> Iterator[tuple[str, str]]:
    http: Http = settings.http
    telemetry: Telemetry = settings.telemetry
    yield "http", http.listen
    yield "telemetry", telemetry.listen


def port_free(listen: str, ledger: Path) -> Answer:
    """Tell whether we could listen there; while the gateway runs on this ledger the question is not asked."""
    if _ledger_in_use(ledger):
        return Answer("skipped", "the gateway is running")
    host, _, port = listen.rpartition(":")
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bare, int(port)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return Answer("failed", "in use by another program. Next: choose another port, or stop it")
            return Answer("failed", f"{error.strerror}. Next: choose an address of this machine")
    return Answer("ok", "free")


def _ledger_in_use(ledger: Path) -> bool:
    try:
        lock = os.open(ledger / "LOCK", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _readings_per_day(loaded: Loaded) -> int:
    signals = loaded.plan.signals.values() if loaded.plan else ()
    return sum(86_400_000_000_000 // signal.expected_ns for signal in signals)


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    at = folder.absolute()
    while not at.is_dir() and at != at.parent:
        at = at.parent
    return at


def disk_space(ledger: Path, reserve: int, week: int) -> Answer:
    """Compare free space with the reserve and seven days of readings."""
    place = os.statvfs(existing(ledger))
    free = place.f_bavail * place.f_frsize
    shown = f"{free // 2**20:,} MB free, reserve {reserve // 2**20:,} MB, {DAYS_AHEAD} days {week // 2**20:,} MB"
    if free < reserve:
        return Answer("failed", f"{shown}. Next: free space or lower disk_reserve_mb")
    return Answer("ok" if free >= reserve + week else "warning", shown)


def disk_sync(ledger: Path, syncs: int = SYNCS) -> Answer:
    """Measure fdatasync where the ledger lies (or will lie): the 99th percentile bounds every commit."""
    durations: list[float] = []
    with tempfile.NamedTemporaryFile(dir=existing(ledger), prefix=".gateway-check-") as file:
        for _ in range(syncs):
            file.write(bytes(_PAGE))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            durations.append((time.perf_counter() - started) * 1000)
    worst = sorted(durations)[max(0, -(-len(durations) * 99 // 100) - 1)]
    if worst < SYNC_MS_MAX:
        return Answer("ok", f"p99 {worst:.1f} ms")
    return Answer("failed", f"p99 {worst:.1f} ms, limit {SYNC_MS_MAX:g} ms. Next: put the ledger on a faster disk")


def _certificates(settings: GatewayFile) -> Iterator[tuple[str, str]]:
    """Yield (key path, file) of every certificate the configuration names."""
    blocks: list[tuple[str, BaseModel | None]] = [
        *((f"connections.{name}", one.opcua or one.mqtt) for name, one in settings.connections.items()),
        *((f"sinks.{name}", one.qms or one.influxdb or one.postgres) for name, one in settings.sinks.items()),
        ("http", settings.http),
        ("telemetry", settings.telemetry),
        *((f"witnesses.{name}", one) for name, one in settings.witnesses.items()),
        ("timestamping", settings.timestamping),
    ]
    for path, block in blocks:
        for key in CERTIFICATE_KEYS:
            file = getattr(block, key, None)
            if file is not None:
                yield f"{path}.{key}", file


def certificate_dates(path: Path, now: datetime) -> Answer:
    """Read a certificate, PEM or DER, and say how long it holds; warnings at 60, 30 and 7 days."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Answer("failed", f"cannot read {path}: {error.strerror}")
    try:
        pem = b"-----BEGIN" in content
        found = x509.load_pem_x509_certificate(content) if pem else x509.load_der_x509_certificate(content)
    except ValueError:
        return Answer("failed", f"{path} is no certificate")
    end, start = found.not_valid_after_utc, found.not_valid_before_utc
    if now > end:
        return Answer("failed", f"expired {end:%Y-%m-%d}")
    if now < start:
        return Answer("failed", f"not valid before {start:%Y-%m-%d}")
    days = (end - now) // timedelta(days=1)
    mark = next((days_left for days_left in CERTIFICATE_DAYS if days <= days_left), None)
    return Answer("ok" if mark is None else "warning", f"{days} days left")


def utc_of(wall_ns: int) -> datetime:
    """Return ns since 1970 as UTC, to the second."""
    return datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
