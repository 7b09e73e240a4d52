"""Set-up: once for a box: folders, seal key, the first records of the log, its policy. Refuses to touch what is there."""

from __future__ import annotations

from pathlib import Path

from gateway.adapters.entropy import os_entropy
from gateway.adapters.keys import SEED_BYTES, Ed25519Sealer, create_key_file, parse_seed
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.system_clock import OsClock
from gateway.app.build import this_build
from gateway.app.site import Site
from gateway.app.zone import PlantZone
from gateway.errors import ConfigurationRefused
from gateway.ledger.commit import plan_commit
from gateway.ledger.policy import Policy, format_policy
from gateway.ledger.records import format_record
from gateway.pipeline.clock_watch import ClockLimits, ClockRecorder
from gateway.pipeline.opening import genesis, stop
from gateway.pipeline.stamp import Stamper

MS_NS = 1_000_000


def is_set_up(site: Site) -> bool:
    """Tell whether the ledger has been born."""
    return any((site.ledger / "seg").glob("*.seg*")) if (site.ledger / "seg").is_dir() else False


def seal_key(site: Site) -> Ed25519Sealer:
    """Return the sealer of the configured key."""
    seal = site.settings.keys.seal
    if seal.file is None:
        raise ConfigurationRefused(
            "keys.seal names no file", remedy="the seal key is a file or credential: seal: {file: cred:seal}"
        )
    try:
        seed = site.secret(seal.file)
    except ConfigurationRefused as error:
        if error.code == "SEC-01" and is_set_up(site):
            raise ConfigurationRefused(
                f"the seal key of this ledger is not there: {error.text}",
                code="SEC-01",
                remedy="restore this very key from its backup: another key cannot continue the ledger",
            ) from error
        raise
    return Ed25519Sealer(site.settings.ledger.origin, parse_seed(seed))


def open_store(site: Site, sealer: Ed25519Sealer) -> SegmentStore:
    """Return the store of the configured folder, not opened yet."""
    return SegmentStore(site.ledger, site.settings.ledger.origin, OsClock(), vkeys=(sealer.vkey,))


def clock_limits(site: Site) -> ClockLimits:
    """Return the configured bounds of our clock."""
    block = site.settings.clock
    return ClockLimits(error_ns_max=block.error_ms_max * MS_NS, step_ns_max=block.step_ms_max * MS_NS)


def set_up(site: Site, *, dry_run: bool = False) -> list[str]:
    """Create what is missing; return a line for each thing made. Raises `ConfigurationRefused` if the ledger exists."""
    site.need_approval()
    if is_set_up(site):
        raise ConfigurationRefused(
            f"a ledger exists in {site.ledger}", remedy="gateway run; or name another ledger.path in gateway.yaml"
        )
    told: list[str] = []
    key = site.settings.keys.seal.file
    key_file = site.path(key.removeprefix("file:")) if key is not None and key.startswith("file:") else None
    if key_file is not None and not key_file.exists():
        told.append(f"seal key {key_file}")
        if not dry_run:
            key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            create_key_file(key_file, os_entropy(SEED_BYTES))
    told.append(f"ledger {site.ledger}, origin {site.settings.ledger.origin}")
    told.append(f"state {site.state}")
    if dry_run:
        return told
    site.ledger.mkdir(parents=True, exist_ok=True, mode=0o750)
    site.state.mkdir(parents=True, exist_ok=True, mode=0o750)
    sealer = seal_key(site)
    _give_birth(site, sealer)
    told.append(f"verifier key {sealer.vkey}")
    return told


def _give_birth(site: Site, sealer: Ed25519Sealer) -> None:
    clock, origin, build = OsClock(), site.settings.ledger.origin, this_build()
    stamp = Stamper(clock, dev=site.development, run=1, clock_number=0)
    clocks = ClockRecorder(clock, stamp, PlantZone(site.plan.zone), clock_limits(site))
    store = open_store(site, sealer)
    head = store.open()
    try:
        gateway = site.plan.gateway
        records = genesis(
            clocks.record("start"),
            stamp,
            gateway=gateway,
            build=build,
            origin=origin,
            key=sealer.key,
            sign=sealer.sign,
        )
        records += stop(clocks.record("stop"), stamp, gateway, "setup")
        plan = plan_commit(
            head.tree, origin, [format_record(record) for record in records], iter([os_entropy(32)]), sealer.seal
        )
        store.commit(plan.frames)
        write_policy(site.ledger, Policy(logs=(sealer.key,)))
        store.publish(plan.frames[-1].note, plan.head.size)
    finally:
        store.close()


def write_policy(ledger: Path, policy: Policy) -> None:
    """Write `keys/policy` (C2SP tlog-policy)."""
    path = ledger / "keys" / "policy"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    path.write_text(format_policy(policy))
