"""OpcuaSource: one connection to one OPC UA server as a `Source`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.adapters.opcua.addresses import parse_address
from gateway.adapters.opcua.climb import Climber
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.recorder import Recorder
from gateway.adapters.opcua.running import Running
from gateway.adapters.opcua.security import check_link
from gateway.domain.plan import OpcuaPlan
from gateway.domain.source_states import SourceState
from gateway.ports import Inlet, SystemClock

ITEM_RETRY_S = 60.0


class OpcuaSource:
    """One OPC UA connection.

    ``draw`` gives the jitter of waits in [0, 1). ``restart_cause`` names the gap of a start that cannot prove continuity:
    ``gateway_stopped`` or ``gateway_crashed``. ``item_retry_s``: first wait before a refused item is asked for again.
    """

    def __init__(
        self,
        link: OpcuaLink,
        plan: OpcuaPlan,
        clock: SystemClock,
        *,
        draw: Callable[[], float],
        restart_cause: str = "gateway_stopped",
        item_retry_s: float = ITEM_RETRY_S,
    ) -> None:
        self._link = link
        self._plan = plan
        self._clock = clock
        self._draw = draw
        self._restart_cause = restart_cause
        self._item_retry_s = item_retry_s
        self._running: Running | None = None
        self._quiet = False

    @property
    def state(self) -> SourceState:
        """What this source is doing now."""
        return SourceState.LOST if self._running is None else self._running.state

    async def run(self, inlet: Inlet) -> None:
        """Read until cancelled; raise `SourceRefused` when the link may not be opened as configured."""
        check_link(self._link)
        addresses = [parse_address(item.address) for item in self._plan.items]
        names = {handle: item.address for handle, item in enumerate(self._plan.items, 1)}
        recorder = Recorder(self._plan.source, inlet, self._clock, names, history=self._plan.history)
        climber = Climber(self._link, self._plan, addresses, recorder, self._clock, self._restart_cause)
        await climber.load()
        self._running = Running(self._link, recorder, climber, self._clock, self._draw, self._item_retry_s)
        if self._quiet:
            self._running.quiesce()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._running.own())
                group.create_task(self._running.watch_down())
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise
        finally:
            self._running = None

    def quiesce(self) -> None:
        """Read no more from the wire; what was offered still settles and is acknowledged."""
        self._quiet = True
        if self._running is not None:
            self._running.quiesce()
