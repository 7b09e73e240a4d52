"""Run: one life of the gateway, from the lock on its ledger to the last commit (`interface.md` 3, `run`)."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.adapters.diagnostics import configure
from gateway.adapters.http.api import Api, telemetry_application
from gateway.adapters.http.gate import Gate
from gateway.adapters.http.server import bind, bind_unix, serve
from gateway.adapters.machine_accounts import MachineAccounts
from gateway.adapters.segment_store.served import PublishedLog
from gateway.adapters.systemd import Systemd
from gateway.app.parts import Parts, make_parts
from gateway.app.site import Site
from gateway.app.source_log import LoggedInlet
from gateway.errors import LedgerDoubt
from gateway.pipeline.opening import stop
from gateway.pipeline.supervisor import supervise

DRAIN_S: Final = 10.0
PULSE_S: Final = 0.5
STATUS_S: Final = 10.0

_log = structlog.get_logger(component="gateway")


async def run_gateway(site: Site, tell: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, or until the ledger is in doubt (`LedgerDoubt`). ``tell`` shows a line to people."""
    systemd, stopping = Systemd(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # first of all: a start that is told to end ends in order too
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        parts = await make_parts(site, stack)
        configure(parts.clock, lambda: parts.committer.size)
        listening = Listening(site, parts)
        try:
            async with asyncio.TaskGroup() as tasks:
                life = Life(site, parts, listening, tasks)
                await life.begin()
                systemd.notify("READY=1", f"STATUS={parts.health.status()}")
                tell(parts.health.status())
                _log.info("gateway.started", version=parts.version, config=site.plan.config)
                tasks.create_task(_pulse(parts, systemd), name="pulse")
                await _stop_or_halt(stopping, parts)
                systemd.notify("STOPPING=1")
                await life.end("signal" if parts.committer.halted is None else "halted")
        except* LedgerDoubt as doubts:  # in the first commit of a run: there is nothing yet to stay up for
            raise doubts.exceptions[0] from None
        finally:
            listening.close()
        if parts.committer.halted is not None:
            raise parts.committer.halted
        _log.info("gateway.stopped", version=parts.version, cause="signal")


class Listening:
    """All sockets, bound before anything is recorded: a taken port ends the start, not the run."""

    def __init__(self, site: Site, parts: Parts) -> None:
        settings, accounts = site.settings, MachineAccounts(site.state / "machines.json")
        desks = parts.desks
        gate = Gate(accounts, desks.batches, lambda: parts.clock.now().wall_ns, lambda: secrets.token_hex(8))
        log, open_tree = PublishedLog(site.ledger), settings.http.open_tree
        api = Api(
            gate,
            desks.batches,
            desks.deliveries,
            desks.conditions,
            desks.evidence,
            parts.health,
            log,
            parts.backups,
            parts.key_desk,
            parts.upkeep.pruning,
            open_tree=open_tree,
        ).application()
        telemetry = telemetry_application(parts.health)
        certificate = _pair(site, settings.http.certificate, settings.http.key)
        watched = _pair(site, settings.telemetry.certificate, settings.telemetry.key)
        self._control = site.state / "control.sock"
        self._servers: list[tuple[str, Any, Any, Any]] = []
        try:
            self._servers.append(("http", api, bind(settings.http.listen), certificate))
            self._servers.append(("telemetry", telemetry, bind(settings.telemetry.listen), watched))
            self._servers.append(("control", api, bind_unix(self._control), None))
        except BaseException:
            self.close()
            raise

    def serve(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Return the servers as named tasks."""
        return [(name, _serving(*one)) for name, *one in self._servers]

    def close(self) -> None:
        """Close what is still bound."""
        for _, _, listening, _ in self._servers:
            listening.close()
        self._control.unlink(missing_ok=True)


class Life:
    """Starts the tasks in their order and ends them in the other; owns nothing but their handles."""

    def __init__(self, site: Site, parts: Parts, listening: Listening, tasks: asyncio.TaskGroup) -> None:
        self._site = site
        self._parts = parts
        self._listening = listening
        self._tasks = tasks
        self._own: list[asyncio.Task[None]] = []
        self._sources: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Open the run in the ledger, then judge, index, deliver, listen, and last of all read from sources."""
        parts = self._parts
        self._commit = self._tasks.create_task(_quiet(parts.committer.run()), name="committer")
        records, side_objects = parts.opening
        index = parts.committer.append(records, side_objects=side_objects, urgent=True)
        await parts.committer.committed(index + len(records) - 1)
        await parts.outside.publisher.now()
        for name, run in (
            ("indexing", parts.indexing.run),
            ("judge", parts.judge.run),
            ("outbox", parts.outbox.run),
            ("clock", parts.clock_watch.run),
            ("keys", parts.key_desk.run),
            *parts.outside.tasks(parts.committer),
            *([("stamping", parts.stamping.run)] if parts.stamping is not None else []),
            *parts.upkeep.tasks(),
            ("backup", parts.backups.run),
            ("restored", parts.restored.run),
            *((f"projector {name}", projector.run) for name, projector in parts.projectors.items()),
            *self._listening.serve(),
        ):
            self._start(self._own, name, run)
        for name, source in parts.sources.items():
            self._start(self._sources, name, _reading(source, parts))
        parts.health.recording = True

    async def end(self, cause: str) -> None:
        """Read no more, commit and settle what waits, write the stop, close. Sources are dropped, not closed."""
        parts = self._parts
        parts.health.recording = False
        for source in parts.sources.values():
            source.quiesce()
        if parts.committer.halted is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(parts.drained(), DRAIN_S)
        for task in self._sources:
            task.cancel()
        await asyncio.wait(self._sources, timeout=DRAIN_S) if self._sources else None
        if parts.committer.halted is None:
            closing = stop(parts.clocks.record("stop"), parts.stamp, self._site.plan.gateway, cause)
            parts.committer.append(closing, urgent=True)
        await parts.committer.close()
        await self._commit
        if parts.committer.halted is None:
            await parts.outside.publisher.now()
            await parts.outside.settle()
        for task in self._own:
            task.cancel()
        if self._own:
            await asyncio.wait(self._own, timeout=DRAIN_S)
        await parts.indexing.close()
        for task in asyncio.all_tasks():
            if task.get_name() == "pulse":
                task.cancel()

    def _start(self, group: list[asyncio.Task[None]], name: str, run: Callable[[], Awaitable[None]]) -> None:
        health = self._parts.health

        def restarted(task: str) -> None:
            health.restarts[task] = health.restarts.get(task, 0.0) + 1

        supervised = supervise(
            name,
            run,
            monotonic=lambda: self._parts.clock.now().monotonic_ns / 1e9,
            on_restart=restarted,
            on_refused=lambda task, refused: health.refused.update({task: str(refused)}),
        )
        group.append(self._tasks.create_task(_quiet(supervised), name=name))


async def _quiet(task: Awaitable[None]) -> None:
    """End quietly on the ledger's doubt: the committer reports it once for all."""
    with suppress(LedgerDoubt):
        await task


def _serving(application: Any, listening: Any, certificate: Any) -> Callable[[], Awaitable[None]]:
    return lambda: serve(application, listening, certificate)


def _reading(source: Any, parts: Parts) -> Callable[[], Awaitable[None]]:
    return lambda: source.run(LoggedInlet(parts.upkeep.gate))


def _pair(site: Site, certificate: str | None, key: str | None) -> tuple[Path, Path] | None:
    if certificate is None or key is None:
        return None
    return site.path(certificate), site.secret_file(key)


async def _stop_or_halt(stopping: asyncio.Event, parts: Parts) -> None:
    """Wait for a signal; on doubt stay up with pages readable until a signal comes. Doubt is told also when both come at once."""
    told = False
    while True:
        halted = parts.committer.halted
        if halted is not None and not told:
            told = True
            _log.critical("ledger.halted", error=halted.text, remedy=halted.remedy or "keep the evidence, call QA")
        if stopping.is_set():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), PULSE_S)


async def _pulse(parts: Parts, systemd: Systemd) -> None:
    """Feel the loop's pulse, feed the watchdog, show the status."""
    told_ns = 0
    while True:
        began_ns = parts.clock.now().monotonic_ns
        await asyncio.sleep(PULSE_S)
        now_ns = parts.clock.now().monotonic_ns
        parts.health.pulse(max(0.0, (now_ns - began_ns) / 1e9 - PULSE_S))
        if now_ns - told_ns >= STATUS_S * 1e9:
            told_ns = now_ns
            systemd.notify(f"STATUS={parts.health.status()}", *(["WATCHDOG=1"] if parts.health.watchdog() else []))
