"""Checks: every question of `gateway check` to machine and network, made from one understood configuration (`profiles.md` 4)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.adapters.system_clock import OsClock
from gateway.app.check_keys import key_checks, secrets_inside, waiting
from gateway.app.check_network import network_checks
from gateway.app.setup import clock_limits
from gateway.app.site import FOR_TRIALS, NO_APPROVALS, Site
from gateway.config.environment import Answer, EnvironmentCheck
from gateway.config.load import Loaded
from gateway.config.machine_checks import MachineCheck, machine_checks

CHRONY_S: Final = 0.5
"""How long chrony may take to answer; the kernel is asked where it does not."""
SITE_ALONE: Final = Answer(
    "warning",
    "this version sends the site's events alone: nothing goes to a client's own sink. "
    "Next: hand clients their bundles by gateway batch bundle",
)
NOT_YET: Final = Answer("warning", f"{NO_APPROVALS}: setup and run refuse it. Next: {FOR_TRIALS}")
_MS_NS: Final = 1_000_000


def site_checks(loaded: Loaded, folder: Path, now: datetime) -> list[EnvironmentCheck]:
    """Return all questions; a configuration that is not understood raises only those that need no understanding."""
    if loaded.errors or loaded.settings is None or loaded.plan is None:
        return machine_checks(loaded, folder, now)
    site = Site(folder.resolve(), loaded, loaded.settings, loaded.plan)
    found = machine_checks(loaded, folder, now, secrets_inside(site), waiting(site))
    found += key_checks(site)
    found.append(ClockCheck(site, OsClock()))
    for client, entry in site.clients.items():
        if entry.sinks:
            target = f"clients.{client}.sinks"
            found.append(MachineCheck("client-scope", target, lambda: SITE_ALONE))
    if not site.development:
        found.append(MachineCheck("approval", "gateway.approval", lambda: NOT_YET))
    found += network_checks(site, loaded, folder, now.timestamp())
    return found


@dataclass(frozen=True)
class ClockCheck:
    """How good the wall clock is, against `clock.error_ms_max`."""

    site: Site
    clock: OsClock
    id: str = "clock-bound"
    target: str = "wall clock"

    async def ask(self) -> Answer:
        """Ask chrony, which answers a moment later, else the kernel."""
        self.clock.report()
        await asyncio.sleep(CHRONY_S)
        report = self.clock.report()
        limit_ns = clock_limits(self.site).error_ns_max
        if not report.synchronised:
            return Answer(
                "warning",
                "nothing keeps it right: every reading says so. Next: install chrony, or ask your network's IT",
            )
        bound_ns = report.bound_ns
        if bound_ns is None:
            return Answer("warning", f"{report.source} states no error bound: readings are in doubt. Next: use chrony")
        text = f"off by {bound_ns / _MS_NS:.1f} ms at most, limit {limit_ns // _MS_NS} ms, by {report.source}"
        return Answer("ok" if bound_ns <= limit_ns else "warning", text)
