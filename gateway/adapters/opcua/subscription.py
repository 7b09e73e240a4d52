"""Subscriptions and monitored items by raw services: explicit queues, the server's limits respected, revisions kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from gateway.adapters.opcua.addresses import Address, bind, browse_path
from gateway.adapters.opcua.client import OpcuaClient, ServerFacts
from gateway.adapters.opcua.errors import Trouble, Verdict, judge, judge_status
from gateway.adapters.opcua.foreign import NodeId, ua
from gateway.adapters.opcua.wire import Reader
from gateway.domain.plan import OpcuaItem, OpcuaPlan

NOTIFICATIONS_MAX = 1000
ITEMS_MAX = 5000
LIFETIME_S_MIN, LIFETIME_S_MAX = 1200.0, 3600.0
QUEUE_S_MIN = 60.0
DURABLE_H = 24
_SET_DURABLE = 12749

_TRIGGERS = {
    "status": ua.DataChangeTrigger.Status,
    "value": ua.DataChangeTrigger.StatusValue,
    "timestamp": ua.DataChangeTrigger.StatusValueTimestamp,
}

NOT_BOUND = ua.StatusCodes.BadNodeIdUnknown


class Asked(Struct, frozen=True):
    """What we ask of a subscription (`ingest.md` 3.2)."""

    publishing_ms: float
    keepalive_count: int
    lifetime_count: int


class Revised(Struct, frozen=True):
    """What the server made of it."""

    id: int
    publishing_ms: float
    keepalive_ms: float
    lifetime_ms: float


class Wanted(Struct, frozen=True):
    """One item to monitor: our handle, where, and how. ``node`` None: not on this server."""

    handle: int
    node: NodeId | None
    sampling_ms: float
    queue: int
    trigger: str = "timestamp"


class ItemAnswer(Struct, frozen=True):
    """What the server made of one item; ``status`` bad: refused."""

    handle: int
    status: int
    sampling_ms: float = 0
    queue: int = 0


def ask(publishing_ms: float, keepalive_s: float) -> Asked:
    """Return what to ask: publishing x count <= keep-alive; lifetime max(3 x keep-alive, 1200 s), at most 3600 s."""
    count = max(1, math.floor(keepalive_s * 1000 / publishing_ms))
    lifetime_s = min(max(3 * keepalive_s, LIFETIME_S_MIN), LIFETIME_S_MAX)
    return Asked(publishing_ms, count, max(3 * count, math.ceil(lifetime_s * 1000 / publishing_ms)))


async def create(client: OpcuaClient, asked: Asked) -> Revised:
    """Create one subscription; 24 h durable where offered. Raise `Trouble`."""
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=float(asked.publishing_ms),
        RequestedLifetimeCount=asked.lifetime_count,
        RequestedMaxKeepAliveCount=asked.keepalive_count,
        MaxNotificationsPerPublish=NOTIFICATIONS_MAX,
        PublishingEnabled=True,
        Priority=0,
    )
    reader = Reader(await client.ask(request))
    reader.response_header()
    number = reader.u32()
    publishing = reader.f64()
    lifetime, keepalive = reader.u32(), reader.u32()
    await _make_durable(client, number)
    return Revised(number, publishing, publishing * keepalive, publishing * lifetime)


async def create_items(
    client: OpcuaClient, subscription: int, wanted: Sequence[Wanted], limit: int
) -> list[ItemAnswer]:
    """Monitor items, at most ``limit`` a call, halved when the server says too many; raise `Trouble`."""
    found = [ItemAnswer(one.handle, NOT_BOUND) for one in wanted if one.node is None]
    left = [one for one in wanted if one.node is not None]
    while left:
        part, rest = left[:limit], left[limit:]
        try:
            found += await _create_part(client, subscription, part)
        except Trouble as trouble:
            if trouble.verdict is not Verdict.TOO_LARGE or limit <= 1:
                raise
            limit = max(1, len(part) // 2)
            continue
        left = rest
    return found


async def transfer(client: OpcuaClient, ids: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
    """Move subscriptions to this session without initial values; return (status, available numbers) of each."""
    request = ua.TransferSubscriptionsRequest()
    request.Parameters.SubscriptionIds = list(ids)
    request.Parameters.SendInitialValues = False
    reader = Reader(await client.ask(request))
    reader.response_header()
    return [(reader.u32(), tuple(reader.u32_array())) for _ in range(reader.length())]


async def bind_items(
    client: OpcuaClient, facts: ServerFacts, plan: OpcuaPlan, addresses: Sequence[Address], handles: Sequence[int]
) -> list[Wanted]:
    """Return the items with these handles, bound to this server's namespaces; paths are translated. Raise `Trouble`."""
    nodes = {handle: bind(addresses[handle - 1], facts.namespaces) for handle in handles}
    paths = {h: browse_path(addresses[h - 1], facts.namespaces) for h in handles if addresses[h - 1].steps}
    asked = [(handle, path) for handle, path in paths.items() if path is not None]
    step = facts.limits["translate"]
    for start in range(0, len(asked), step):
        part = asked[start : start + step]
        try:
            results: list[Any] = await client.session.translate_browsepaths_to_nodeids([path for _, path in part])
        except (ua.UaError, OSError, TimeoutError) as error:
            trouble = judge(error)
            assert trouble is not None
            raise trouble from error
        for (handle, _), result in zip(part, results, strict=True):
            if result.StatusCode.is_good() and result.Targets:
                nodes[handle] = ua.NodeId(
                    result.Targets[0].TargetId.Identifier, result.Targets[0].TargetId.NamespaceIndex
                )
    return [_wanted(handle, nodes[handle], plan.items[handle - 1]) for handle in handles]


def findings(plan: OpcuaPlan, answers: Sequence[ItemAnswer]) -> tuple[list[str], bool]:
    """Return (addresses whose revised queue holds < 60 s or whose sampling is > 2 x asked, whether one is critical)."""
    found: list[str] = []
    critical = False
    for answer in answers:
        item = plan.items[answer.handle - 1]
        if judge_refused(answer):
            continue
        sampling = max(answer.sampling_ms, 1.0)
        if answer.queue * sampling < QUEUE_S_MIN * 1000 or answer.sampling_ms > 2 * item.sampling_ms:
            found.append(item.address)
            critical = critical or item.critical
    return found, critical


def judge_refused(answer: ItemAnswer) -> bool:
    """Tell whether the server refused this item."""
    return answer.status >> 30 != 0


def refusal_cause(status: int) -> str:
    """Return the gap cause of a refused item: its node is not there, or the server would not monitor it."""
    missing = {ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid, ua.StatusCodes.BadNoMatch}
    return "node_missing" if status & 0xFFFF0000 in missing else "item_refused"


def _wanted(handle: int, node: NodeId | None, item: OpcuaItem) -> Wanted:
    return Wanted(handle, node, item.sampling_ms, max(item.queue, 1), item.trigger)


async def _create_part(client: OpcuaClient, subscription: int, part: Sequence[Wanted]) -> list[ItemAnswer]:
    request = ua.CreateMonitoredItemsRequest()
    request.Parameters.SubscriptionId = subscription
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ItemsToCreate = [_item(one) for one in part]
    reader = Reader(await client.ask(request))
    reader.response_header()
    answers: list[ItemAnswer] = []
    for index in range(reader.length()):
        status = reader.u32()
        reader.u32()
        sampling = reader.f64()
        queue = reader.u32()
        reader.extension()
        answers.append(ItemAnswer(part[index].handle, status, sampling, queue))
    return answers


def _item(one: Wanted) -> Any:
    filtered = ua.DataChangeFilter(Trigger=_TRIGGERS[one.trigger], DeadbandType=0, DeadbandValue=0.0)
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=one.node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=one.handle,
            SamplingInterval=float(one.sampling_ms),
            Filter=filtered,
            QueueSize=one.queue,
            DiscardOldest=True,
        ),
    )


async def _make_durable(client: OpcuaClient, subscription: int) -> None:
    """Ask for 24 h; a server that does not offer it says so, and that is no trouble."""
    request = ua.CallRequest()
    call = ua.CallMethodRequest(ObjectId=ua.NodeId(ua.ObjectIds.Server), MethodId=ua.NodeId(_SET_DURABLE))
    call.InputArguments = [
        ua.Variant(subscription, ua.VariantType.UInt32),
        ua.Variant(DURABLE_H, ua.VariantType.UInt32),
    ]
    request.Parameters.MethodsToCall = [call]
    try:
        await client.ask(request)
    except Trouble as trouble:
        if trouble.status is None or judge_status(trouble.status) is Verdict.SESSION:
            raise
