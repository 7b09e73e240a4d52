"""The story: plays each act when it is due; the first that does not hold ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.cli.demo_story.acts import Act, Held, NotHeld
from gateway.cli.demo_story.context import Context
from gateway.cli.demo_story.scenes_limit import action, alert, delivered, returned
from gateway.cli.demo_story.scenes_plant import batch, cut, door, ready
from gateway.cli.demo_story.scenes_proof import ended, refused, sealed, verified
from gateway.cli.demo_story.screen import Screen, clock
from gateway.cli.demo_story.stage import Stage
from gateway.cli.demo_story.watch import NotSeen
from gateway.errors import GatewayError, Unavailable

TICK_S: Final = 0.125
SCENES: Final[dict[str, Callable[[Context], Awaitable[Held]]]] = {
    "ready": ready,
    "batch": batch,
    "door": door,
    "alert": alert,
    "action": action,
    "delivered": delivered,
    "cut": cut,
    "returned": returned,
    "sealed": sealed,
    "verified": verified,
    "refused": refused,
    "ended": ended,
}


class Story:
    """One telling. ``following`` is what comes next, for the living line."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self.following = ""

    async def play(self, acts: Sequence[Act]) -> Act | None:
        """Play the acts in order; return the one that did not hold, None when all did."""
        pace, told = self._stage.pace, Context(self._stage)
        async with asyncio.TaskGroup() as tasks:
            living = tasks.create_task(self._live())
            try:
                for act in acts:
                    self.following = f"{act.name} at {clock(act.at_s)}"
                    if act.name != "ready":
                        await pace.until(act.at_s)
                    try:
                        held = await SCENES[act.name](told)
                    except (NotHeld, NotSeen, GatewayError) as why:
                        self._screen.failed(act, pace.now_s, str(why))
                        return act
                    if act.name == "ready":
                        pace.start()
                    self._screen.held(act, pace.now_s, held)
            finally:
                living.cancel()
        return None

    async def _live(self) -> None:
        """Renew the living line, and tell whoever waits when the gateway has ended by itself."""
        stage = self._stage
        while True:
            self._screen.status(stage.pace.now_s, stage.watch, self.following)
            try:
                stage.gateway.check()
            except Unavailable as error:
                await stage.watch.give_up(str(error))
            await asyncio.sleep(TICK_S)
