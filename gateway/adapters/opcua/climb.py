"""One attempt up the recovery ladder on one new client: a session, then its subscriptions, by the lowest rung that holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from gateway.adapters.opcua import ladder
from gateway.adapters.opcua import subscription as services
from gateway.adapters.opcua.addresses import Address
from gateway.adapters.opcua.client import OpcuaClient, ServerFacts
from gateway.adapters.opcua.delivery import Delivery
from gateway.adapters.opcua.errors import Trouble, Verdict, judge_status, status_name
from gateway.adapters.opcua.foreign import NodeId, ua
from gateway.adapters.opcua.ladder import Next, Step
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.recorder import LINK_DOWN, WATCHED, Recorder, Recovery, Window
from gateway.adapters.opcua.sequence import following
from gateway.adapters.opcua.session_file import Kept, KeptSubscription, SessionFile
from gateway.domain.plan import OpcuaPlan
from gateway.ports import Fact, SystemClock

REACTIVATIONS_MAX = 2
NAMES_MAX = 50
"""Addresses named in one link event; the rest is counted."""


class Standing(Struct):
    """A session that stands, with what its pump needs; ``available`` None: the subscription is new."""

    step: Step
    facts: ServerFacts
    deliveries: dict[int, Delivery]
    available: Mapping[int, tuple[int, ...]] | None
    flaw: str = ""


def plan_sha256(plan: OpcuaPlan) -> str:
    """Return what binds handles to items: a kept subscription of another plan is of no use."""
    text = "\0".join(f"{i.address}\1{i.sampling_ms}\1{i.queue}\1{i.trigger}" for i in plan.items)
    return sha256(f"{plan.publishing_ms}\0{text}".encode()).hexdigest()


class Climber:
    """What one source remembers between attempts: the kept session, its deliveries, where each item is."""

    def __init__(
        self,
        link: OpcuaLink,
        plan: OpcuaPlan,
        addresses: Sequence[Address],
        recorder: Recorder,
        clock: SystemClock,
        restart_cause: str,
    ) -> None:
        self.nodes: dict[str, NodeId] = {}
        self.refused: set[int] = set()
        self._link = link
        self._plan = plan
        self._addresses = addresses
        self._recorder = recorder
        self._clock = clock
        self._restart_cause = restart_cause
        self._file = SessionFile(link, plan.source) if link.session_file is not None else None
        self._kept: Kept | None = None
        self._deliveries: dict[int, Delivery] = {}
        self._failures = 0
        self._created_s = -ladder.CREATE_SESSION_EVERY_S
        self._subscribed = False
        self._flaw = ""

    async def load(self) -> None:
        """Take up what an earlier process kept, if the ledger knows of it too."""
        if self._file is None or not self._recorder.known_before:
            return
        kept = await asyncio.to_thread(self._file.load)
        data = [one for one in kept.subscriptions if one.role == "data"] if kept is not None else []
        if kept is None or kept.plan_sha256 != plan_sha256(self._plan) or len(data) != 1:
            return
        self._kept = kept
        self.refused = set(kept.refused)
        for one in kept.subscriptions:
            expected = following(self._recorder.position) if one.role == "data" else 0
            self._deliveries[one.id] = Delivery(one.id, one.role, one.keepalive_ms / 1000, expected)

    def forget_subscriptions(self) -> None:
        """The server ended them: the next attempt subscribes anew, on the kept session if that still stands."""
        self._deliveries = {}
        if self._kept is not None:
            self._kept = replace(self._kept, subscriptions=())

    async def climb(self, client: OpcuaClient) -> Standing:
        """Open channel and session on ``client`` and find or make the subscriptions; raise `Trouble`."""
        await client.open_channel()
        memory = ladder.Memory(session=self._has_session(), subscriptions=bool(self._deliveries))
        step = await self._session(client, memory)
        facts = await client.read_facts()
        kept = self._kept
        assert kept is not None
        same = ladder.Server(
            namespaces_same=not kept.namespaces or kept.namespaces == facts.namespaces,
            start_same=not kept.start_ticks or kept.start_ticks == facts.start_ticks,
        )
        rung, cause = ladder.after_session(step, memory, same)
        self._recorder.epoch += 1
        available: Mapping[int, tuple[int, ...]] | None = {}
        if rung is Step.TRANSFER:
            available = await self._transfer(client)
            rung = rung if available is not None else Step.SUBSCRIBE
        if rung is not Step.SUBSCRIBE and not self.nodes:
            await self._bind(client, facts)
        if rung is Step.SUBSCRIBE:
            available = None
            await self._subscribe(client, facts, cause, live=step is Step.REACTIVATE)
        await self._save(replace(kept, namespaces=facts.namespaces, start_ticks=facts.start_ticks))
        return Standing(rung, facts, self._deliveries, available, self._flaw)

    async def retry_items(self, client: OpcuaClient, facts: ServerFacts) -> list[Fact]:
        """Ask once more for refused items; return the facts of those that are accepted now. Raise `Trouble`."""
        number = next((d.id for d in self._deliveries.values() if d.role == "data"), None)
        if number is None or not self.refused:
            return []
        handles = sorted(self.refused)
        wanted = await services.bind_items(client, facts, self._plan, self._addresses, handles)
        answers = await services.create_items(client, number, wanted, facts.limits["items"])
        accepted = [one for one in answers if not services.judge_refused(one)]
        nodes = {one.handle: one.node for one in wanted}
        found: list[Fact] = []
        for one in accepted:
            address = self._plan.items[one.handle - 1].address
            self.refused.discard(one.handle)
            self.nodes[address] = nodes[one.handle]
            self._recorder.initial.add(one.handle)
            key = f"item/{address}"
            since = self._recorder.edges.last_ns.get(address)
            if self._plan.history and since is not None:
                self._recorder.recoveries.put_nowait(Recovery((key,), {address: Window(since)}))
            else:
                found += self._recorder.book.close_bounded(key, "none")
        return found

    def _has_session(self) -> bool:
        return self._kept is not None and bool(self._kept.token)

    async def _session(self, client: OpcuaClient, memory: ladder.Memory) -> Step:
        """Re-activate the kept session or make one; return the rung that held."""
        step = ladder.first_step(memory)
        wall_ns = self._clock.now().wall_ns
        kept = self._kept
        if step is Step.REACTIVATE and kept is not None:
            try:
                await client.resume_session(kept, wall_ns)
            except Trouble as trouble:
                self._failures += 1
                follows = ladder.following(step, trouble.verdict)
                if follows is Next.AGAIN and self._failures < REACTIVATIONS_MAX:
                    raise
                self._kept = replace(kept, token=b"")
                if follows is Next.AGAIN:
                    raise
                step = Step.TRANSFER if memory.subscriptions else Step.SUBSCRIBE
            else:
                self._failures = 0
                await self._save(self._kept or kept, client)
                return step
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._created_s + ladder.CREATE_SESSION_EVERY_S - loop.time()))
        self._created_s = loop.time()
        await client.begin_session(wall_ns)
        self._failures = 0
        await self._save(self._kept or client.keep(), client)
        return step

    async def _transfer(self, client: OpcuaClient) -> Mapping[int, tuple[int, ...]] | None:
        """Move the subscriptions to this session; None when the server does not let us."""
        numbers = list(self._deliveries)
        try:
            results = await services.transfer(client, numbers)
        except Trouble as trouble:
            if ladder.following(Step.TRANSFER, trouble.verdict) is Next.AGAIN:
                raise
            return None
        available: dict[int, tuple[int, ...]] = {}
        for number, (status, listed) in zip(numbers, results, strict=True):
            if status >> 31 and status & 0xFFFF0000 != ua.StatusCodes.BadNothingToDo:
                if self._deliveries[number].role == "data":
                    return None
                del self._deliveries[number]
                continue
            available[number] = listed
        return available

    async def _bind(self, client: OpcuaClient, facts: ServerFacts) -> None:
        handles = [handle for handle in range(1, len(self._plan.items) + 1) if handle not in self.refused]
        wanted = await services.bind_items(client, facts, self._plan, self._addresses, handles)
        self.nodes = {self._plan.items[one.handle - 1].address: one.node for one in wanted if one.node is not None}

    async def _subscribe(self, client: OpcuaClient, facts: ServerFacts, cause: str, *, live: bool) -> None:
        """Step 3: the gap is durable before the new subscription exists; history is queued, live goes first."""
        recorder = self._recorder
        if live and self._deliveries:
            await self._delete(client, list(self._deliveries))
        self._deliveries = {}
        keys = await self._open_gap(cause if self._subscribed else self._restart_cause)
        recorder.incarnation += 1
        recorder.edges.renew()
        self._subscribed = recorder.known_before = True
        answers = await self._create(client, facts)
        told = self._account(answers)
        findings, critical = services.findings(self._plan, answers)
        told.append(self._link_event(facts, answers, findings))
        self._flaw = "queue or sampling of a critical item revised" if critical else ""
        told += self._recover(keys)
        await recorder.tell(*told)

    async def _open_gap(self, cause: str) -> list[str]:
        recorder = self._recorder
        old = [key for key in recorder.book.gaps if not key.startswith("item/")]
        if not recorder.known_before:
            return old
        since = min(recorder.edges.last_ns.values(), default=0)
        key = f"all/{recorder.incarnation}/{since}"
        fact = recorder.book.open(key, cause)
        await recorder.commit(facts=[fact] if fact is not None else [])
        return [*(one for one in old if one == LINK_DOWN or one.startswith("all/")), key]

    async def _create(self, client: OpcuaClient, facts: ServerFacts) -> list[services.ItemAnswer]:
        """Create as many subscriptions as the items need, and the one that watches the server itself."""
        handles = list(range(1, len(self._plan.items) + 1))
        asked = services.ask(self._plan.publishing_ms, self._link.keepalive_s)
        wanted = await services.bind_items(client, facts, self._plan, self._addresses, handles)
        self.nodes = {self._plan.items[one.handle - 1].address: one.node for one in wanted if one.node is not None}
        answers: list[services.ItemAnswer] = []
        for start in range(0, len(wanted), services.ITEMS_MAX):
            revised = await services.create(client, asked)
            self._deliveries[revised.id] = Delivery(revised.id, "data", revised.keepalive_ms / 1000)
            part = wanted[start : start + services.ITEMS_MAX]
            answers += await services.create_items(client, revised.id, part, facts.limits["items"])
        await self._create_watch(client, asked)
        return answers

    async def _create_watch(self, client: OpcuaClient, asked: services.Asked) -> None:
        """The server's state comes by itself, in a subscription of its own: its numbers are not the readings'."""
        try:
            revised = await services.create(client, asked)
            items = [
                services.Wanted(handle, ua.NodeId(int(address.removeprefix("i="))), 1000.0, 1, "value")
                for handle, address in WATCHED.items()
            ]
            await services.create_items(client, revised.id, items, len(items))
        except Trouble as trouble:
            if trouble.verdict in {Verdict.LINK, Verdict.SESSION}:
                raise
            return
        self._deliveries[revised.id] = Delivery(revised.id, "watch", revised.keepalive_ms / 1000, 0)

    def _account(self, answers: Sequence[services.ItemAnswer]) -> list[Fact]:
        """Open a gap for each refused item; the accepted ones will come with their initial value."""
        recorder = self._recorder
        self.refused = {one.handle for one in answers if services.judge_refused(one)}
        recorder.initial = {one.handle for one in answers} - self.refused
        told: list[Fact] = []
        for one in answers:
            address = self._plan.items[one.handle - 1].address
            key = f"item/{address}"
            if services.judge_refused(one):
                fact = recorder.book.open(
                    key,
                    services.refusal_cause(one.status),
                    addresses=[address],
                    detail={"status": one.status, "status_name": status_name(one.status)},
                )
                told += [fact] if fact is not None else []
            elif key in recorder.book.gaps:
                told += recorder.book.close_bounded(key, "none")
        return told

    def _recover(self, keys: Sequence[str]) -> list[Fact]:
        """Queue the history of what the gap may have swallowed; without history the gap ends with its far edge."""
        recorder = self._recorder
        windows = {address: Window(when) for address, when in recorder.edges.before_ns.items() if address in self.nodes}
        starts = [int(key.rsplit("/", 1)[1]) for key in keys if key.startswith("all/")]
        if self._plan.history and windows and starts:
            since = min(starts[:-1], default=None)
            if since:
                windows = {address: Window(min(since, one.from_ns)) for address, one in windows.items()}
            recorder.recoveries.put_nowait(Recovery(tuple(keys), windows))
            return []
        return [fact for key in keys for fact in recorder.book.close_bounded(key, "none")]

    def _link_event(self, facts: ServerFacts, answers: Sequence[services.ItemAnswer], findings: list[str]) -> Fact:
        accepted = [one for one in answers if not services.judge_refused(one)]
        pin = self._link.server_certificate
        return self._recorder.link_fact(
            "subscribed",
            endpoint=self._link.url,
            policy=self._link.policy,
            mode=self._link.mode if self._link.policy != "None" else "None",
            certificate_sha256=sha256(pin).hexdigest() if pin else "",
            step=Step.SUBSCRIBE.value,
            items_asked=len(self._plan.items),
            items_accepted=len(accepted),
            sampling_ms_max=max((one.sampling_ms for one in accepted), default=0.0),
            queue_min=min((one.queue for one in accepted), default=0),
            keepalive_s_asked=self._link.keepalive_s,
            keepalive_s=max((d.keepalive_s for d in self._deliveries.values()), default=0.0),
            publishing_ms_asked=self._plan.publishing_ms,
            revised=findings[:NAMES_MAX],
            revised_count=len(findings),
            **{f"limit_{key}": value for key, value in facts.limits.items()},
            **{f"build_{key}": value for key, value in facts.build.items()},
        )

    async def _delete(self, client: OpcuaClient, numbers: Sequence[int]) -> None:
        request = ua.DeleteSubscriptionsRequest()
        request.Parameters.SubscriptionIds = list(numbers)
        try:
            await client.ask(request)
        except Trouble as trouble:
            if trouble.status is None or judge_status(trouble.status) in {Verdict.LINK, Verdict.SESSION}:
                raise

    async def _save(self, base: Kept, client: OpcuaClient | None = None) -> None:
        """Keep what step 1 needs, in memory and, where there is a file, durably."""
        fresh = client.keep() if client is not None else base
        self._kept = replace(
            base,
            token=fresh.token,
            nonce=fresh.nonce,
            policies=fresh.policies,
            timeout_ms=fresh.timeout_ms,
            subscriptions=tuple(
                KeptSubscription(d.id, d.role, d.keepalive_s * 1000) for d in self._deliveries.values()
            ),
            plan_sha256=plan_sha256(self._plan),
            refused=tuple(sorted(self.refused)),
        )
        if self._file is not None:
            await asyncio.to_thread(self._file.save, self._kept)
