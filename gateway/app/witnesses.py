"""Witnesses of the configuration: their keys and clients, the policy file made from them, and what is said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.telemetry import Figure
from gateway.app.health import Health
from gateway.app.site import Site
from gateway.errors import ConfigurationRefused, EvidenceRefused
from gateway.ledger.note import COSIGNATURE, COSIGNATURE_ML_DSA_44, VerifyKey, parse_vkey
from gateway.ledger.policy import NONE, Policy, Witness, format_policy, make_policy
from gateway.pipeline.committer import Committer
from gateway.pipeline.key_book import KeyBook
from gateway.pipeline.publisher import Publisher
from gateway.pipeline.stamp import Stamper
from gateway.ports import StoreHead, SystemClock

if TYPE_CHECKING:
    from gateway.pipeline.witnessing import Witnessing

NO_WITNESS: Final = "no witness is configured: nobody outside can tell that this ledger only grew"
"""A standing finding (`ledger.md` 4, policy)."""
COVERING_S: Final = 6.0
"""How long an export waits for a quorum over its head; nothing else waits for witnesses."""
_NS: Final = 1_000_000_000


def site_policy(site: Site, keys: Policy) -> Policy:
    """Return our policy: ``keys`` as the log tells them, the witnesses of the configuration, a majority of them as quorum."""
    witnesses = [
        Witness(name, _witness_key(site, name, block.key), block.url) for name, block in site.settings.witnesses.items()
    ]
    seen: dict[VerifyKey, str] = {}
    for one in witnesses:
        if one.name == NONE or one.key in seen:
            why = f"its key is that of {seen[one.key]}" if one.key in seen else f"{NONE} is no name"
            raise ConfigurationRefused(
                f"witnesses.{one.name}: {why}",
                remedy="each witness has a name and a key of its own, or it counts twice",
            )
        seen[one.key] = one.name
    made = make_policy(keys.logs, keys.publish, witnesses)
    return made._replace(former=keys.former, spans=keys.spans)


def adopt_keys(site: Site, store: SegmentStore, outside: Outside, keys: KeyBook) -> Outside:
    """Bring `keys/policy` up to date with the keys of the log, and return what leaves the box under it."""
    policy = site_policy(site, keys.standing.policy_keys())
    write_policy_if_changed(store, policy)
    return outside._replace(policy=policy)


def write_policy_if_changed(store: SegmentStore, policy: Policy) -> None:
    """Replace `keys/policy` when it says anything else."""
    text = format_policy(policy)
    path = store.layout.policy
    if not path.is_file() or path.read_text() != text:
        store.save_policy(text)


class Outside(NamedTuple):
    """What leaves the box: the publisher, our policy, and the witnesses, None where none is configured."""

    publisher: Publisher
    policy: Policy
    witnessing: Witnessing | None

    @property
    def covering(self) -> Callable[[int], Awaitable[tuple[int, bytes] | None]] | None:
        """Return the function size → cosigned head that covers it, for exports, which may wait."""
        witnessing = self.witnessing
        return None if witnessing is None else lambda size: witnessing.covering(size, COVERING_S)

    def tasks(self, committer: Committer) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Return what runs beside the committer, by name."""
        found: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("publisher", self.publisher.run),
            ("publications", lambda: self.publisher.watch(committer, committer.size)),
        ]
        if self.witnessing is not None:
            found.append(("witnesses", self.witnessing.run))
        return found

    async def exported(self, size: int) -> tuple[int, bytes] | None:
        """Return size and note of the head that an export ends at: with a quorum over ``size`` if it comes, else published."""
        covering = self.covering
        found = None if covering is None else await covering(size)
        return await self.newest() if found is None else found

    async def newest(self) -> tuple[int, bytes] | None:
        """Publish, and return size and note of what is published by then; None if nothing ever was in this run."""
        await self.publisher.now()
        return (self.publisher.published, self.publisher.note) if self.publisher.published else None

    async def settle(self) -> None:
        """Give the witnesses their time for the last head of a run."""
        if self.witnessing is not None:
            await self.witnessing.settle(COVERING_S)


async def open_outside(
    site: Site,
    store: SegmentStore,
    head: StoreHead,
    committer: Committer,
    stamp: Stamper,
    keys: KeyBook,
    stack: AsyncExitStack,
) -> Outside:
    """Ask every witness about the head that was found.

    Raises `LedgerDoubt` when a witness has seen more than we have, or another history: nothing was appended by then.
    """
    publisher = Publisher(committer, store, keys.publish, committer.halt)
    policy = site_policy(site, keys.standing.policy_keys())
    witnessing = None
    if policy.witnesses:
        witnessing = await _open_witnessing(site, policy, store, committer, publisher, stamp, stack)
        await witnessing.check_start(head.tree.size, head.checkpoint)
        publisher.on_published = witnessing.published
    return Outside(publisher, policy, witnessing)


async def _open_witnessing(
    site: Site,
    policy: Policy,
    store: SegmentStore,
    committer: Committer,
    publisher: Publisher,
    stamp: Stamper,
    stack: AsyncExitStack,
) -> Witnessing:
    from gateway.adapters.webhook.sender import make_tls  # noqa: PLC0415 - as below
    from gateway.adapters.witness.client import WitnessClient  # noqa: PLC0415 - aiohttp only where a witness is
    from gateway.adapters.witness.memory import MemoryFolder  # noqa: PLC0415 - as above
    from gateway.pipeline.witness_exchange import Party  # noqa: PLC0415 - as above
    from gateway.pipeline.witnessing import Witnessing, WitnessSettings  # noqa: PLC0415 - as above

    parties: list[Party] = []
    for one in policy.witnesses:
        ca, who = site.settings.witnesses[one.name].ca, f"witnesses.{one.name}"
        tls = None if ca is None else make_tls(site.path(ca), who=who)
        parties.append(Party(one.name, one.key, await stack.enter_async_context(WitnessClient(one.url, one.key, tls))))
    settings = WitnessSettings(policy=policy, seals=policy.seals, gateway=site.plan.gateway, run=stamp.run)
    memory = MemoryFolder(site.state)
    return Witnessing(settings, parties, store, publisher, committer, committer.halt, stamp, stamp.clock, memory)


def tell_health(health: Health, outside: Outside, clock: SystemClock, size: Callable[[], int]) -> None:
    """Add to the health page and the metrics what is published, and what witnesses have seen of it."""
    publisher, witnessing = outside.publisher, outside.witnessing
    health.more.append(lambda: published_figures(publisher, asyncio.get_running_loop().time()))
    if witnessing is None:
        health.sections["witnesses"] = lambda: {"finding": NO_WITNESS}
        return
    health.sections["witnesses"] = lambda: witness_report(witnessing, size(), clock)
    health.more.append(lambda: witness_figures(witnessing, clock))


def published_figures(publisher: Publisher, now_s: float) -> Iterable[Figure]:
    """Yield `ledger_published_entries` and its age."""
    age = now_s - publisher.published_s if publisher.published else float("nan")
    yield Figure(
        "ledger_published_entries", "Entries below the published head", "gauge", {"": float(publisher.published)}
    )
    yield Figure("ledger_published_age_seconds", "Since the newest publication", "gauge", {"": age})


def witness_report(witnessing: Witnessing, size: int, clock: SystemClock) -> dict[str, Any]:
    """Return what the health page says: what a quorum has seen, the stretch it has not, and each witness."""
    now = clock.now()
    since_ns = witnessing.heads.waiting_since_ns
    return {
        "witnessed": witnessing.heads.witnessed,
        "not_witnessed": size - witnessing.heads.witnessed,
        "waiting_s": 0 if since_ns is None else (now.monotonic_ns - since_ns) // _NS,
        "stale": witnessing.level,
        "anchored": witnessing.anchored,
        "witnesses": {
            name: {
                "size": 0 if one.kept is None else one.kept.size,
                "age_s": None if not one.second else max(now.wall_ns // _NS - one.second, 0),
                "refusals": one.memory.refusals,
                "said": one.memory.said,
            }
            for name, one in witnessing.standing.items()
        },
    }


def witness_figures(witnessing: Witnessing, clock: SystemClock) -> Iterable[Figure]:
    """Yield the metrics `ledger_anchored_entries` and `witness_*` (`interface.md` 6)."""
    standing, now_s = witnessing.standing, clock.now().wall_ns / _NS
    sizes = {name: float(one.kept.size if one.kept is not None else 0) for name, one in standing.items()}
    ages = {name: max(now_s - one.second, 0.0) if one.second else float("nan") for name, one in standing.items()}
    codes: dict[str, float] = {}
    for one in standing.values():
        for code, count in one.memory.refusals.items():
            codes[code] = codes.get(code, 0.0) + count
    witnessed = float(witnessing.heads.witnessed)
    yield Figure("ledger_witnessed_entries", "Entries that a quorum has seen in this run", "gauge", {"": witnessed})
    yield Figure(
        "ledger_anchored_entries", "Entries below the newest anchor", "gauge", {"": float(witnessing.anchored)}
    )
    yield Figure("witness_entries", "Entries that a witness has cosigned", "gauge", sizes, "witness")
    yield Figure("witness_age_seconds", "Since the newest cosignature", "gauge", ages, "witness")
    yield Figure("witness_refusals", "Checkpoints not cosigned", "counter", codes, "code")


def _witness_key(site: Site, name: str, file: str) -> VerifyKey:
    path = site.path(file)
    try:
        key = parse_vkey(path.read_text().strip())
    except OSError as error:
        raise ConfigurationRefused(
            f"witnesses.{name}.key: {path} cannot be read: {error.strerror}",
            remedy="put the line there that `gateway witness serve` prints",
        ) from error
    except EvidenceRefused as error:
        raise ConfigurationRefused(f"witnesses.{name}.key: {error.text}", remedy=error.remedy) from error
    if key.type not in {COSIGNATURE, COSIGNATURE_ML_DSA_44}:
        raise ConfigurationRefused(
            f"witnesses.{name}.key is of type {key.type:02x}, not of a witness (04 or 06)",
            remedy="ask its owner for the verifier key of the witness, not of a log",
        )
    return key
