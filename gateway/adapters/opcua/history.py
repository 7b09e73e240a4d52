"""Backfill by HistoryRead, beside the live stream: paged, one call out, repeats of live values dropped and counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gateway.adapters.opcua.answers import HistoryPage, read_history
from gateway.adapters.opcua.client import OpcuaClient
from gateway.adapters.opcua.edges import EDGE_NS, mark
from gateway.adapters.opcua.errors import Trouble, Verdict, judge_status
from gateway.adapters.opcua.foreign import NodeId, ua
from gateway.adapters.opcua.recorder import Recorder, Recovery, Window
from gateway.adapters.opcua.values import make_sample
from gateway.domain.sample import Provenance, Sample
from gateway.ports import Fact, SystemClock

PAGE = 1000
FIRST_LIVE_S = 10.0
"""How long a first live value is waited for before 'now' is taken as the far edge."""

FAR_EDGE_S = 2.0
"""After the first live value, until those within a second of it have come live too: history then repeats only known ones."""

SHARE = 0.2
"""At most this part of the time goes to history: live values are never starved."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Backfill:
    """Reads history for one link; what it did not finish stays in the recovery and goes on over the next link."""

    def __init__(
        self, client: OpcuaClient, recorder: Recorder, clock: SystemClock, nodes: Mapping[str, NodeId]
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._nodes = nodes

    async def run(self, recovery: Recovery) -> None:
        """Read what is left and close the gaps; raise `Trouble` of the link with the rest kept."""
        unsupported = ""
        for address in list(recovery.windows):
            try:
                complete = await self._address(address, recovery)
            except Trouble as trouble:
                if trouble.verdict in {Verdict.LINK, Verdict.SESSION, Verdict.BUSY}:
                    raise
                unsupported, complete = trouble.text, False
            recovery.full += complete
            recovery.partial += not complete
            recovery.windows.pop(address)
            if unsupported and not recovery.recovered:
                recovery.partial += len(recovery.windows)
                recovery.windows.clear()
                break
        await self._recorder.commit(facts=self._close(recovery, unsupported))

    def _close(self, recovery: Recovery, unsupported: str) -> list[Fact]:
        result = "full" if not recovery.partial else ("partial" if recovery.recovered or recovery.full else "none")
        detail: dict[str, object] = {
            "addresses_full": recovery.full,
            "addresses_partial": recovery.partial,
            "repeats": recovery.repeats,
        }
        if unsupported:
            detail["finding"] = unsupported
        facts: list[Fact] = []
        for key in recovery.keys:
            fact = self._recorder.book.close(
                key, result, recovered=recovery.recovered, missing=0 if result == "full" else None, detail=detail
            )
            if fact is not None:
                facts.append(fact)
        return facts

    async def _address(self, address: str, recovery: Recovery) -> bool:
        """Read one address; return whether history covers both edges of the gap without a leftover."""
        node = self._nodes.get(address)
        window = recovery.windows[address]
        if node is None:
            return False
        until_ns = await self._until(address, window)
        margin_ns = EDGE_NS if window.until_ns is None else 0  # between two values of one queue both edges are exact
        start_ns = recovery.tails[address][0] if address in recovery.tails else window.from_ns - margin_ns
        if until_ns < start_ns:
            return True
        covers_near = address in recovery.tails
        covers_far = False
        continuation: bytes | None = None
        while True:
            began = asyncio.get_running_loop().time()
            page = await self._page(node, start_ns, until_ns + margin_ns + 1000, continuation)
            if page.status >> 31:
                verdict = judge_status(page.status)
                raise Trouble(
                    Verdict.UNSUPPORTED if verdict is Verdict.LINK else verdict, _named(page.status), status=page.status
                )
            samples = [self._sample(address, index, page) for index in range(len(page.values))]
            times = [sample.source_ns for sample in samples if sample.source_ns is not None]
            covers_near = covers_near or any(when <= window.from_ns for when in times)
            covers_far = covers_far or any(when >= until_ns for when in times)
            await self._keep(address, samples, recovery)
            if not page.continuation:
                return covers_near and covers_far
            if page.continuation == continuation:
                return False
            continuation = page.continuation
            await asyncio.sleep((asyncio.get_running_loop().time() - began) * (1 / SHARE - 1))

    async def _keep(self, address: str, samples: list[Sample], recovery: Recovery) -> None:
        """Commit what is new of a page, before the next one is read."""
        _, tail = recovery.tails.get(address, (0, frozenset()))
        new = [one for one in samples if not self._recorder.edges.known(one) and mark(one) not in tail]
        recovery.repeats += len(samples) - len(new)
        if new:
            await self._recorder.commit(new)
            recovery.recovered += len(new)
        stamped = [one for one in samples if one.source_ns is not None]
        if stamped:
            last_ns = max(one.source_ns or 0 for one in stamped)
            recovery.tails[address] = last_ns, frozenset(mark(one) for one in stamped if one.source_ns == last_ns)

    async def _until(self, address: str, window: Window) -> int:
        """Return the far edge: as given, or the first live value, or now when none comes."""
        if window.until_ns is not None:
            return window.until_ns
        edges = self._recorder.edges
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(edges.first(address), FIRST_LIVE_S)
            ripe_s = edges.first_s[address] + FAR_EDGE_S
            await asyncio.sleep(max(0.0, ripe_s - asyncio.get_running_loop().time()))
        return edges.first_ns.get(address) or self._clock.now().wall_ns

    async def _page(self, node: NodeId, from_ns: int, until_ns: int, continuation: bytes | None) -> HistoryPage:
        request = ua.HistoryReadRequest()
        details = ua.ReadRawModifiedDetails()
        details.IsReadModified = False
        details.StartTime = _datetime(from_ns)
        details.EndTime = _datetime(until_ns)
        details.NumValuesPerNode = PAGE
        details.ReturnBounds = False
        request.Parameters.HistoryReadDetails = details
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ReleaseContinuationPoints = False
        request.Parameters.NodesToRead = [ua.HistoryReadValueId(NodeId=node, ContinuationPoint=continuation)]
        pages = read_history(await self._client.ask(request))
        if len(pages) != 1:
            raise Trouble(Verdict.UNSUPPORTED, f"one result expected, {len(pages)} came")
        return pages[0]

    def _sample(self, address: str, index: int, page: HistoryPage) -> Sample:
        now = self._clock.now()
        return make_sample(
            address,
            page.values[index],
            received_ns=now.wall_ns,
            boot_ns=now.boot_ns,
            provenance=Provenance.HISTORICAL,
            came_from="history_read",
            part=index,
        )


def _datetime(ns: int) -> datetime:
    """Return the time of a request; a second of margin stands at both ends, so microseconds do."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _named(status: int) -> str:
    return f"history read answered {ua.StatusCode(status).name}"
