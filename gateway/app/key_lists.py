"""Key lists: what commands say of the keys of a ledger folder and of the places where keys lie, with or without a gateway."""

from __future__ import annotations

from typing import Any

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.app.keys import NO_PUBLISH, key_places, known_keys
from gateway.app.setup import is_set_up
from gateway.app.site import Site
from gateway.domain.times import format_time
from gateway.errors import ConfigurationRefused, Refused
from gateway.ledger.note import format_vkey
from gateway.ledger.records import Gateway, parse_record
from gateway.ledger.segment import segment_of
from gateway.pipeline.key_standing import KeyStanding, LogKey


def log_keys(site: Site) -> KeyStanding:
    """Return the keys as the newest segment tells them: its carry holds all that stood before it."""
    folder = LedgerFolder(site.ledger)
    standing, size = KeyStanding(), folder.reader.end()
    for _, _, content in folder.reader.read(segment_of(max(size - 1, 0)), size):
        record = parse_record(content)
        standing.apply(record)
        if isinstance(record, Gateway) and record.event == "carry" and isinstance(record.facts, dict):
            standing.load(record.facts)
    return known_keys(standing, folder.layout.policy)


def shown_keys(standing: KeyStanding) -> list[dict[str, Any]]:
    """Return every key of the log, in force first, as rows."""
    ordered = sorted(standing.all(), key=lambda one: (one.purpose != "seal", not one.in_force, one.from_size))
    return [_row(one) for one in ordered]


def findings(standing: KeyStanding) -> list[str]:
    """Return what is wrong as it stands."""
    return [] if standing.in_force("publish") else [NO_PUBLISH]


def make_key(site: Site, purpose: str, *, dry_run: bool) -> dict[str, Any]:
    """Make the first key of a purpose where the configuration says; raise `ConfigurationRefused` (78) where one lies."""
    place = key_places(site).get(purpose)
    if place is None:
        raise ConfigurationRefused(
            f"keys.{purpose} is not configured",
            remedy=f"name a place in gateway.yaml: {purpose}: {{file: file:../secrets/{purpose}.pem}} or a token",
        )
    found = place.signers()
    spare = [one for one in found if not is_set_up(site) or format_vkey(one.key) not in _named(site)]
    if spare or (found and purpose == "seal"):
        raise ConfigurationRefused(
            f"{place.where} holds a key already: {(spare or found)[0].key}",
            remedy="keep it; a new one beside it comes with: gateway keys rotate",
        )
    if purpose == "publish" and found and log_keys(site).in_force("publish"):
        raise Refused(f"{place.where} holds the key in force", remedy="a new one comes with: gateway keys rotate")
    told = {"purpose": purpose, "where": place.where, "dry_run": dry_run}
    return told if dry_run else {**told, "key": format_vkey(place.create().key)}


def _named(site: Site) -> set[str]:
    return {format_vkey(one.key) for one in log_keys(site).all()}


def _row(one: LogKey) -> dict[str, Any]:
    row: dict[str, Any] = {"purpose": one.purpose, "key": format_vkey(one.key), "from_size": one.from_size}
    if not one.in_force:
        row["to_size"] = one.to_size
    if one.retire_ns:
        row["retires"] = format_time(one.retire_ns)
    return row
