"""Set-up: once for a box: folders, seal key, the first records of the log, its policy. Refuses to touch what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.adapters.entropy import os_entropy
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.system_clock import OsClock
from gateway.app.build import this_build
from gateway.app.keys import key_places, seal_place
from gateway.app.site import Site
from gateway.app.zone import PlantZone
from gateway.errors import ConfigurationRefused
from gateway.ledger.commit import plan_commit
from gateway.ledger.note import format_vkey
from gateway.ledger.policy import format_policy
from gateway.ledger.records import format_record
from gateway.pipeline.clock_watch import ClockLimits, ClockRecorder
from gateway.pipeline.key_book import KeyBook
from gateway.pipeline.key_standing import KeyStanding
from gateway.pipeline.opening import genesis, stop
from gateway.pipeline.stamp import Stamper
from gateway.ports.keys import Signer

MS_NS = 1_000_000
_NOT_THERE: Final = "SEC-01"


def is_set_up(site: Site) -> bool:
    """Tell whether the ledger has been born."""
    return any((site.ledger / "seg").glob("*.seg*")) if (site.ledger / "seg").is_dir() else False


def seal_signers(site: Site) -> Sequence[Signer]:
    """Return the private seal keys, the oldest first; raise `ConfigurationRefused` where there is none."""
    place = seal_place(site)
    found = place.signers()
    if found:
        return found
    if is_set_up(site):
        raise ConfigurationRefused(
            f"the seal key of this ledger is not there: {place.where}",
            code=_NOT_THERE,
            remedy="restore this very key from its backup: another key cannot continue the ledger",
        )
    raise ConfigurationRefused(f"{place.where} is not there", code=_NOT_THERE, remedy="gateway keys init --key seal")


def seal_key(site: Site) -> Signer:
    """Return the oldest private seal key."""
    return seal_signers(site)[0]


def open_store(site: Site, *seals: Signer) -> SegmentStore:
    """Return the store of the configured folder, not opened yet; ``seals``: who may have sealed its head."""
    vkeys = [format_vkey(one.key) for one in seals]
    return SegmentStore(site.ledger, site.settings.ledger.origin, OsClock(), vkeys=vkeys)


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
    signers: dict[str, Signer] = {}
    for purpose, place in key_places(site).items():
        found = place.signers()
        if not found:
            told.append(f"{purpose} key {place.where}")
        if not dry_run:
            signers[purpose] = found[0] if found else place.create()
    told.append(f"ledger {site.ledger}, origin {site.settings.ledger.origin}")
    told.append(f"state {site.state}")
    if dry_run:
        return told
    site.ledger.mkdir(parents=True, exist_ok=True, mode=0o750)
    site.state.mkdir(parents=True, exist_ok=True, mode=0o750)
    _give_birth(site, signers)
    told += [f"verifier key of {purpose} {format_vkey(one.key)}" for purpose, one in signers.items()]
    return told


def _give_birth(site: Site, signers: dict[str, Signer]) -> None:
    clock, origin, build = OsClock(), site.settings.ledger.origin, this_build()
    stamp = Stamper(clock, dev=site.development, run=1, clock_number=0)
    clocks = ClockRecorder(clock, stamp, PlantZone(site.plan.zone), clock_limits(site))
    seal, publish, standing = signers["seal"], signers.get("publish"), KeyStanding()
    store = open_store(site, seal)
    head = store.open()
    try:
        gateway = site.plan.gateway
        records = genesis(
            clocks.record("start"), stamp, gateway=gateway, build=build, origin=origin, key=seal.key, sign=seal.sign
        )
        standing.apply(records[-1])
        keys = KeyBook(origin, standing, list(signers.values()))
        if publish is not None:
            records.append(keys.enter(stamp, publish, "publish", 0, None, 0))
            standing.apply(records[-1])
        records += stop(clocks.record("stop"), stamp, gateway, "setup")
        plan = plan_commit(
            head.tree, origin, [format_record(record) for record in records], iter([os_entropy(32)]), keys.seal
        )
        note = keys.publish(plan.frames[-1].note)  # before anything is written: a token that fails leaves no ledger
        store.commit(plan.frames)
        store.save_policy(format_policy(standing.policy_keys()))
        store.publish(note, plan.head.size)
    finally:
        store.close()
