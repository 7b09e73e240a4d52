"""Time stamping of the configuration: its authority and client, the stamps that bundles carry, and what is said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from gateway.adapters.entropy import os_entropy
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.telemetry import Figure
from gateway.app.health import Health
from gateway.app.indexing import Indexing
from gateway.app.site import Site
from gateway.domain.times import format_time, parse_time
from gateway.errors import ConfigurationRefused, EvidenceRefused
from gateway.ledger.bundle import StampedHead
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.ledger.records import Anchor, parse_record
from gateway.pipeline.committer import Committer
from gateway.pipeline.stamp import Stamper
from gateway.pipeline.stamped_heads import RecordedStamp

if TYPE_CHECKING:
    from gateway.app.witnesses import Outside
    from gateway.config.models.services import Timestamping
    from gateway.ledger.authority import Authority
    from gateway.pipeline.stamping import Stamping

_NS: Final = 1_000_000_000


class StampFolder:
    """Implements `gateway.pipeline.stamped_heads.StampBook` with the index and the ledger folder."""

    def __init__(self, store: SegmentStore, indexing: Indexing) -> None:
        self._store = store
        self._indexing = indexing

    def around(self, first: int, last: int, size: int) -> Sequence[RecordedStamp]:
        """Return the time stamps around some records, by size.

        One whose files are not as they were recorded is left out: a bundle can do without it, `gateway verify` names it.
        """
        found: list[RecordedStamp] = []
        for index, _ in self._indexing.query.stamped(size, first, last):
            for _, salt, content in self._store.read(index, index + 1):
                record = parse_record(content)
                stamp = self._whole(index, salt + content, record) if isinstance(record, Anchor) else None
                found += [] if stamp is None else [stamp]
        return found

    def newest(self, size: int) -> Sequence[Anchor]:
        """Return the newest record of a time stamp below ``size``, none if there is none."""
        for index, _ in self._indexing.query.stamped(size, size, size)[:1]:
            for _, _, content in self._store.read(index, index + 1):
                record = parse_record(content)
                if isinstance(record, Anchor):
                    return [record]
        return []

    def all(self, size: int) -> Sequence[tuple[int, Anchor]]:
        """Return index and record of every time stamp below ``size``, those over lists included."""
        found: list[tuple[int, Anchor]] = []
        for index in self._indexing.query.stamps(size):
            for _, _, content in self._store.read(index, index + 1):
                record = parse_record(content)
                found += [(index, record)] if isinstance(record, Anchor) else []
        return found

    def _whole(self, index: int, entry: bytes, anchor: Anchor) -> RecordedStamp | None:
        """Return a stamp with its files, None where one is missing or another than the record names."""
        facts = anchor.facts if isinstance(anchor.facts, dict) else {}
        digest = facts.get("authority_sha256")
        note, token = self._store.frozen.note(anchor.size), self._store.frozen.token(anchor.size)
        authority = self._store.read_blob(digest) if isinstance(digest, str) else None
        if note is None or token is None or authority is None:
            return None
        named = (anchor.note_sha256, anchor.token_sha256, digest)
        if tuple(sha256(content).hexdigest() for content in (note, token, authority)) != named:
            return None
        head = StampedHead(size=anchor.size, note=note, token=token)
        crl = facts.get("crl_sha256")
        lists = self._store.read_blob(crl) if isinstance(crl, str) else None
        return RecordedStamp(index=index, entry=entry, head=head, authority=authority, lists=lists or b"")


async def open_stamping(
    site: Site,
    store: SegmentStore,
    committer: Committer,
    indexing: Indexing,
    outside: Outside,
    stamp: Stamper,
    stack: AsyncExitStack,
) -> Stamping | None:
    """Return what stamps, None where the configuration names no authority; the stack closes its client."""
    block = site.settings.timestamping
    if block is None:
        return None
    from gateway.adapters.revocation_lists import WebRevocationLists  # noqa: PLC0415 - as below
    from gateway.adapters.timestamping import HttpTimeStamper  # noqa: PLC0415 - aiohttp only where an authority is
    from gateway.adapters.webhook.sender import make_tls  # noqa: PLC0415 - as above
    from gateway.pipeline.restamping import Restamping, RestampSettings  # noqa: PLC0415 - as above
    from gateway.pipeline.revocations import Revocations  # noqa: PLC0415 - as above
    from gateway.pipeline.stamping import Stamping, StampSettings  # noqa: PLC0415 - as above

    settings = StampSettings(
        every_ns=block.every_s * _NS, gateway=site.plan.gateway, run=stamp.run, from_size=committer.size
    )
    authority, tls = _authority_of(site, block.ca), None
    if block.url.startswith("https:"):
        tls = make_tls()
        tls.load_verify_locations(cafile=site.path(block.ca))
    stamper = await stack.enter_async_context(HttpTimeStamper(block.url, tls))
    asked = _Asked(store, indexing, committer, outside)
    revocations = Revocations(WebRevocationLists(site.path), block.crl, stamp.clock)
    renewal = RestampSettings(
        origin=site.settings.ledger.origin, gateway=site.plan.gateway, run=stamp.run, renew_ns=_renew_ns(block)
    )
    restamping = Restamping(
        renewal,
        authority,
        stamper,
        store.frozen,
        asked.stamps,
        revocations,
        committer,
        stamp,
        stamp.clock,
        os_entropy,
    )
    return Stamping(
        settings,
        authority,
        stamper,
        store.frozen,
        asked.published,
        asked.recorded,
        committer,
        stamp,
        stamp.clock,
        os_entropy,
        revocations=revocations,
        beside=restamping.step,
    )


def _renew_ns(block: Timestamping) -> int:
    """Return when the day of `timestamping.renew` begins, 0 without one."""
    return 0 if block.renew is None else parse_time(f"{block.renew}T00:00:00Z")


class _Asked:
    """What stamping asks of ledger and index, and of the witnesses' cosignatures."""

    def __init__(self, store: SegmentStore, indexing: Indexing, committer: Committer, outside: Outside) -> None:
        self._folder = StampFolder(store, indexing)
        self._store = store
        self._indexing = indexing
        self._committer = committer
        self._outside = outside

    async def recorded(self) -> Sequence[Anchor]:
        """Return the newest stamp of a note."""
        return await asyncio.to_thread(self._folder.newest, await self._level())

    async def stamps(self) -> Sequence[tuple[int, Anchor]]:
        """Return all stamps, those over lists included."""
        return await asyncio.to_thread(self._folder.all, await self._level())

    async def published(self, size: int) -> tuple[int, bytes]:
        """Return the newest checkpoint that covers a size, with its cosignatures where there are some."""
        covering = self._outside.covering
        cosigned = None if covering is None else await covering(max(size, self._committer.size))
        if cosigned is not None:
            return cosigned
        await self._outside.publisher.now()
        note = await asyncio.to_thread(self._store.layout.checkpoint.read_bytes)
        return parse_checkpoint(parse_note(note).text).size, note

    async def _level(self) -> int:
        size = self._committer.size
        await self._indexing.indexed(size)
        return size


def tell_stamping(health: Health, stamping: Stamping, size: Callable[[], int], *, alone: bool) -> None:
    """Add to the health page and the metrics what is stamped; ``alone``: no witness anchors anything."""
    health.sections["time_stamps"] = lambda: stamp_report(stamping, size())
    health.more.append(lambda: stamp_figures(stamping, alone=alone))


def stamp_report(stamping: Stamping, size: int) -> dict[str, Any]:
    """Return what the health page says: the newest stamp, the stretch that has none, what is wrong."""
    standing = stamping.standing
    return {
        "anchored": standing.anchored,
        "not_anchored": size - standing.anchored,
        "newest": None if standing.gen_ns is None else format_time(standing.gen_ns),
        "age_s": stamping.age_ns // _NS,
        "stale": standing.level,
        "problem": standing.problem,
    }


def stamp_figures(stamping: Stamping, *, alone: bool) -> Iterable[Figure]:
    """Yield `timestamp_age_seconds` and what is stamped (`interface.md` 6)."""
    standing = stamping.standing
    age = float("nan") if standing.gen_ns is None else stamping.age_ns / _NS
    anchored = {"": float(standing.anchored)}
    if alone:
        yield Figure("ledger_anchored_entries", "Entries below the newest anchor", "gauge", anchored)
    yield Figure("ledger_stamped_entries", "Entries below the newest time stamp", "gauge", anchored)
    yield Figure("timestamp_age_seconds", "Since the newest time stamp", "gauge", {"": age})
    yield Figure("timestamp_failures", "Requests without a time stamp", "counter", {"": float(standing.failures)})


def _authority_of(site: Site, file: str) -> Authority:
    from gateway.ledger.authority import Authority  # noqa: PLC0415 - X.509 only where an authority is

    path = site.path(file)
    try:
        return Authority(path.read_bytes())
    except OSError as error:
        raise ConfigurationRefused(
            f"timestamping.ca: {path} cannot be read: {error.strerror}",
            remedy="put the root certificate of the authority there, PEM",
        ) from error
    except EvidenceRefused as error:
        raise ConfigurationRefused(
            f"timestamping.ca: {path}: {error.text}", remedy="name the root certificate of the authority, PEM"
        ) from error
