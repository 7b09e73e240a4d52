"""Restore: a backup or a mirror into an empty folder, verified whole, shown to the witnesses; or all of that as a drill."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from gateway.adapters.backup.content import CONFIG, LEDGER, PEOPLE, STATE, database
from gateway.adapters.backup.manifest import Opened, check_seal
from gateway.adapters.backup.recovery_key import RecoveryKey
from gateway.adapters.backup.take import (
    clear,
    is_ledger,
    newest_backup,
    read_manifest,
    require_empty,
    take_backup,
    take_ledger,
)
from gateway.adapters.entropy import os_entropy
from gateway.adapters.people import PeopleFile
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.adapters.system_clock import OsClock
from gateway.adapters.witness.client import WitnessClient
from gateway.app.restored import Restored, leave
from gateway.config.tree import as_block
from gateway.config.yaml_file import load_yaml
from gateway.domain.witness_states import WitnessAct
from gateway.errors import ConfigurationRefused, EvidenceRefused, GatewayError
from gateway.ledger.names import opens
from gateway.ledger.policy import Policy, Witness, parse_policy
from gateway.ledger.tile import TileReader
from gateway.pipeline.witness_exchange import Party, exchange

Progress = Callable[[int, int], None]
BACKUP: Final = "backup"
MIRROR: Final = "mirror"


class Said(NamedTuple):
    """What one witness said: it agrees, or in words why not; ``doubt``: it has seen more, or another history."""

    name: str
    agrees: bool
    text: str
    doubt: str = ""


class Outcome(NamedTuple):
    """A restore that verified: where from, the head, what was verified, what the witnesses said."""

    source: str
    folder: Path
    made_ns: int
    size: int
    root: bytes
    verified: str
    said: tuple[Said, ...]
    origin: str

    @property
    def rollback(self) -> str:
        """Why nothing may be appended to it; empty if nothing speaks against it."""
        return next((one.doubt for one in self.said if one.doubt), "")

    def line(self) -> str:
        """Return ``same head 1,204,331; witness agrees``."""
        head = f"same head {self.size:,}"
        if not self.said:
            return f"{head}; no witness to ask: nobody outside can tell that nothing came after it"
        agreeing = [one.name for one in self.said if one.agrees]
        silent = [one.text for one in self.said if not one.agrees]
        words = ("witness agrees" if len(self.said) == 1 else f"{len(agreeing)} witnesses agree") if agreeing else ""
        return "; ".join(part for part in (head, words, *silent) if part)


def restore(
    source: Path,
    target: Path,
    key: Callable[[], RecoveryKey],
    trusted: Policy | None,
    copied: Progress,
    checked: Progress,
) -> Outcome:
    """Fill ``target`` from a backup or a mirror's folder and verify it; on any finding nothing is left there.

    ``trusted``: keys and witnesses from outside; None: those that it names itself.
    """
    require_empty(target)
    made = not target.exists()
    if is_ledger(source):
        opened, folder = None, source
        take_ledger(source, target, copied)
    else:
        folder = newest_backup(source)
        opened = read_manifest(folder, key())
        take_backup(folder, opened.manifest, target, copied)
    try:
        return _judge(folder, opened, target, trusted, checked)
    except GatewayError:
        clear(target, made=made)
        raise


def _judge(folder: Path, opened: Opened | None, target: Path, trusted: Policy | None, checked: Progress) -> Outcome:
    ledger = target / LEDGER
    policy = trusted or own_policy(ledger)
    result = verify_folder(ledger, policy=policy, all_seals=True, progress=checked)
    if result.result == "failed":
        raise EvidenceRefused(result.last_line, remedy="take another copy of this backup, or an older one")
    head = LedgerFolder(ledger).head()
    assert head is not None, "an empty ledger publishes nothing"
    if opened is not None:
        told = opened.manifest
        if (told.size, told.root, told.origin) != (result.size, result.root.hex(), head.checkpoint.origin):
            raise EvidenceRefused(
                f"backup: its manifest names size {told.size:,}, its ledger ends at {result.size:,}",
                remedy="take another copy of this backup, or an older one",
            )
        check_seal(opened, policy.seals)
    if (target / STATE / PEOPLE).is_file():
        check_names(target / STATE / PEOPLE)
    said = asyncio.run(_ask_all(ledger, policy, target / CONFIG))
    return Outcome(
        MIRROR if opened is None else BACKUP,
        folder,
        0 if opened is None else opened.manifest.made_ns,
        result.size,
        result.root,
        result.last_line,
        said,
        head.checkpoint.origin,
    )


def check_names(path: Path) -> None:
    """Refuse a names database that is not whole, or whose names do not open their commitments."""
    database(path)
    people = PeopleFile(path, os_entropy)
    try:
        openings = people.openings(one.name for one in people.all())
    finally:
        people.close()
    wrong = [one.name for one in openings if not opens(msgspec.json.encode(one))]
    if wrong:
        raise EvidenceRefused(
            f"{path.name}: {len(wrong):,} names do not open their commitments, the first is {wrong[0][:16]}",
            remedy="take another copy of this backup, or an older one",
        )


def own_policy(ledger: Path) -> Policy:
    """Return the policy that a ledger folder holds; raise `ConfigurationRefused` where there is none."""
    try:
        return parse_policy((ledger / "keys" / "policy").read_text())
    except (OSError, EvidenceRefused) as error:
        raise ConfigurationRefused(
            f"{ledger} has no readable keys/policy: {error}", remedy="name the keys you trust: --witness-policy FILE"
        ) from error


def leave_word(state: Path, outcome: Outcome, *, check: bool) -> None:
    """Leave the record of a restore, or of a drill, for the gateway."""
    leave(
        state,
        Restored(
            at_ns=OsClock().now().wall_ns,
            source=outcome.source,
            folder=outcome.folder.name,
            made_ns=outcome.made_ns,
            size=outcome.size,
            root=outcome.root.hex(),
            check=check,
            verified=outcome.verified,
            witnesses=[f"{one.name} agrees" if one.agrees else one.text for one in outcome.said],
            rollback=outcome.rollback,
        ),
    )


def leave_failure(state: Path, source: Path, why: str) -> None:
    """Leave the record of a drill that failed."""
    leave(
        state,
        Restored(
            at_ns=OsClock().now().wall_ns,
            source=BACKUP,
            folder=source.name,
            made_ns=0,
            size=0,
            root="",
            check=True,
            verified="",
            failed=why,
        ),
    )


class _Nodes:
    """The part of a store that a proof needs, read from a folder."""

    def __init__(self, folder: LedgerFolder) -> None:
        self._folder = folder

    def nodes(self, size: int) -> TileReader:
        """Return a reader of the tree that the last frame sealed."""
        head = self._folder.head(size - 1)
        assert head is not None, f"there is a frame of size {size}"
        return TileReader(size, head.checkpoint.root, self._folder.maker.tile)


async def _ask_all(ledger: Path, policy: Policy, config: Path) -> tuple[Said, ...]:
    """Show the restored head to every witness that has an address."""
    asked = [one for one in policy.witnesses if one.url]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_ask(one, ledger, _authority(config, one.name))) for one in asked]
    return tuple(task.result() for task in running)


async def _ask(witness: Witness, ledger: Path, tls: ssl.SSLContext | None) -> Said:
    folder = LedgerFolder(ledger)
    head = folder.head()
    assert head is not None, "an empty ledger publishes nothing"
    async with WitnessClient(witness.url, witness.key, tls) as client:
        store = cast("Any", _Nodes(folder))
        ended = await exchange(Party(witness.name, witness.key, client), store, head.note, None)
    doubt = "" if ended.doubt is None else ended.doubt.text
    return Said(witness.name, ended.act is WitnessAct.KEEP, ended.text, doubt)


def _authority(config: Path, name: str) -> ssl.SSLContext | None:
    """Return the TLS settings of a witness whose authority the restored configuration names."""
    try:
        file = load_yaml("gateway.yaml", (config / "gateway.yaml").read_bytes())
    except OSError:
        return None
    block = as_block((as_block((as_block(file.tree) or {}).get("witnesses")) or {}).get(name)) or {}
    ca = block.get("ca")
    return ssl.create_default_context(cafile=config / ca) if isinstance(ca, str) and (config / ca).is_file() else None
