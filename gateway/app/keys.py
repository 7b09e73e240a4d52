"""Keys of the configuration: where they lie, which of them are those of this ledger, what a start has to say of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.adapters.entropy import os_entropy
from gateway.adapters.key_files import KeyFile
from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.site import Site
from gateway.app.witnesses import Outside, adopt_keys
from gateway.config.models.gateway import Key as KeyBlock
from gateway.config.secrets import CREDENTIALS
from gateway.errors import ConfigurationRefused, EvidenceRefused, Unavailable
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.records import Key
from gateway.pipeline.audit_log import AuditLog
from gateway.pipeline.committer import Committer
from gateway.pipeline.key_book import KeyBook
from gateway.pipeline.key_desk import KeyDesk
from gateway.pipeline.key_standing import KeyStanding
from gateway.pipeline.stamp import Stamper
from gateway.ports.keys import KeyPlace, Signer

CREDENTIAL_STORE: Final = Path("/etc/gateway/credentials")
"""Where `cred:` files are kept that systemd hands to the service (`interface.md` 8)."""
NO_PUBLISH: Final = "no publish key is configured: whoever has the seal key alone can publish"
"""A standing finding (`ledger.md` 4, keys)."""
_PROBE: Final = b"gateway start\ntest signature\n"


def seal_place(site: Site) -> KeyPlace:
    """Return where the seal keys lie; a token does not seal: each commit would wait for it."""
    block = site.settings.keys.seal
    if block.file is None:
        raise ConfigurationRefused(
            "keys.seal names no file", remedy="the seal key is a file or credential: seal: {file: cred:seal}"
        )
    return _file(site, "seal", block.file)


def publish_place(site: Site) -> KeyPlace | None:
    """Return where the publish keys lie, None where none is configured."""
    block = site.settings.keys.publish
    if block is None:
        return None
    return _token(site, block) if block.file is None else _file(site, "publish", block.file)


def key_places(site: Site) -> dict[str, KeyPlace]:
    """Return the configured places by purpose."""
    publish = publish_place(site)
    return {"seal": seal_place(site), **({} if publish is None else {"publish": publish})}


def known_keys(standing: KeyStanding, policy: Path) -> KeyStanding:
    """Return the keys of the log; where no record read so far told of them, those of `keys/policy`."""
    if not standing.all():
        with suppress(OSError, UnicodeDecodeError, EvidenceRefused):
            standing.adopt(parse_policy(policy.read_text()))
    return standing


def open_book(site: Site, standing: KeyStanding, seals: Sequence[Signer]) -> KeyBook:
    """Return the book of this run; raise `ConfigurationRefused` where no key of this ledger can seal."""
    known_keys(standing, site.ledger / "keys" / "policy")
    if not standing.all("seal"):
        standing.adopt(
            Policy(logs=(seals[0].key,))
        )  # neither records nor policy are left: what sealed the head goes on
    place = publish_place(site)
    publish: Sequence[Signer] = [] if place is None else place.signers()
    book = KeyBook(site.settings.ledger.origin, standing, [*seals, *publish])
    if not book.signers("seal"):
        names = ", ".join(str(one.key) for one in standing.in_force("seal"))
        raise ConfigurationRefused(
            f"{seal_place(site).where} holds no seal key of this ledger: {names or 'all were revoked'}",
            remedy="restore this very key from its backup: another key cannot continue the ledger",
        )
    for signer in book.signers("publish"):
        _probe(signer)
    return book


def key_opening(site: Site, book: KeyBook, stamp: Stamper, index_of: Callable[[int], int]) -> list[Key]:
    """Return the key records that a start has to write, and take them up.

    A publish key of the configuration enters; one that the configuration no longer names is retired. ``index_of``: index of
    the nth of these records. Raises `ConfigurationRefused` where the place lacks the key in force.
    """
    place, records = publish_place(site), list[Key]()
    absent = book.absent("publish")
    if place is None:
        for one in absent:
            records.append(book.end(stamp, "retired", one, index_of(len(records)), {"cause": "not configured"}))
            book.standing.apply(records[-1])
        return records
    if absent:
        raise ConfigurationRefused(
            f"{place.where} does not hold the publish key in force: {absent[0].key}",
            remedy="bring that token or file back; if it is lost for good, take keys.publish out, start once (that "
            "retires it; clients need the new keys/policy), then name the new one",
        )
    if not book.standing.in_force("publish"):
        signer = book.spare(place.signers())
        if signer is None:
            raise ConfigurationRefused(
                f"{place.where} holds no publish key that can enter", remedy="make one: gateway keys init --key publish"
            )
        _probe(signer)
        book.add(signer)
        records.append(book.enter(stamp, signer, "publish", index_of(0) + 1, None, 0))
        book.standing.apply(records[-1])
    return records


def make_key_desk(
    site: Site,
    store: SegmentStore,
    outside: Outside,
    book: KeyBook,
    committer: Committer,
    stamp: Stamper,
    audits: AuditLog,
    adopt: Callable[[Policy], None],
) -> KeyDesk:
    """Return the desk that changes keys while the gateway runs; ``adopt`` takes the policy of what leaves the box."""

    async def adopted() -> None:
        changed = await asyncio.get_running_loop().run_in_executor(None, adopt_keys, site, store, outside, book)
        adopt(changed.policy)

    return KeyDesk(
        book,
        key_places(site),
        committer,
        stamp,
        stamp.clock,
        audits,
        adopted,
        development=site.development,
    )


def key_report(standing: KeyStanding, problem: str = "") -> dict[str, Any]:
    """Return the keys in force by purpose, and what is wrong: no publish key at all, or one that gives no line now."""
    found: dict[str, Any] = {
        purpose: [str(one.key) for one in standing.in_force(purpose)] for purpose in ("seal", "publish")
    }
    finding = problem or ("" if found["publish"] else NO_PUBLISH)
    return found | {"finding": finding} if finding else found


def _probe(signer: Signer) -> None:
    """Sign once before anything depends on it; at a start a key that does not answer is a configuration that does not work."""
    try:
        signer.sign(_PROBE)
    except Unavailable as error:
        raise ConfigurationRefused(f"the publish key cannot sign: {error.text}", remedy=error.remedy) from error


def _file(site: Site, purpose: str, reference: str) -> KeyFile:
    def read() -> bytes | None:
        kind, _, name = reference.partition(":")
        if kind == "file" and not site.path(name).exists():
            return None
        return site.secret(reference)

    where = f"keys.{purpose} ({reference})"
    return KeyFile(purpose, site.settings.ledger.origin, where, read, _writable(site, reference), os_entropy)


def _writable(site: Site, reference: str) -> Path | None:
    """Return the file that a new key is added to, None where somebody else provides it."""
    kind, _, name = reference.partition(":")
    if kind == "file":
        return site.path(name)
    kept = CREDENTIAL_STORE / name
    return kept if kind == "cred" and CREDENTIALS in os.environ and kept.is_file() else None


def _token(site: Site, block: KeyBlock) -> KeyPlace:
    from gateway.adapters.token_keys import Token, TokenKeys  # noqa: PLC0415 - only where a token is configured

    assert block.pkcs11 is not None, "a key lies in a file or in a device"
    assert block.label is not None, "a key in a device has a label"
    assert block.pin is not None, "a key in a device has a PIN"
    pin = block.pin
    token = Token(site.path(block.pkcs11), block.label, lambda: site.secret_text(pin))
    return TokenKeys(token, site.settings.ledger.origin, os_entropy)
