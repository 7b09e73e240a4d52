"""An event loop on virtual time: nothing waits, executors run at once, so a day of a plant takes the time of its work."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.ports import ClockReport, Moment
from tests.fakes.clock import NOON_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

S = 1_000_000_000
BOOTED_NS = 86_400 * S


class _Jumping(selectors.SelectSelector):
    """Where the loop would wait for its next timer, time jumps there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("everything waits and no timer will wake it")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time begins at 0 and moves only when nothing is left to do."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  it belongs to whoever awaits
            done.set_exception(error)
        return done


class LoopClock:
    """The port `SystemClock` on a virtual loop; ``offset_ns`` carries time over from the life before."""

    def __init__(self, offset_ns: int = 0, boot_id: str = "boot-1") -> None:
        self.offset_ns = offset_ns
        self.boot_id = boot_id
        self.answer = ClockReport(source="chrony", synchronised=True, bound_ns=1_000_000)

    def now(self) -> Moment:
        run_ns = self.offset_ns + round(asyncio.get_running_loop().time() * S)
        boot_ns = BOOTED_NS + run_ns
        return Moment(NOON_NS + run_ns, boot_ns, boot_ns, boot_ns)

    def report(self) -> ClockReport:
        return self.answer


T = TypeVar("T")


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end on a virtual loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
