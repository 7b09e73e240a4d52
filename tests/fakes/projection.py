"""A projection target and a cursor store in memory, failing both ways: refused, or written and the answer lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.ports import ProjectionAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.domain.projection import Cursor, DeadLetter


class FakeTarget:
    """Keeps one point a series and time, as InfluxDB does: what is written again overwrites."""

    def __init__(self, fingerprint: str = "f1") -> None:
        self.fingerprint = fingerprint
        self.points: dict[tuple[bytes, bytes], bytes] = {}
        self.requests: list[int] = []
        self.answers: list[tuple[ProjectionAnswer, bool]] = []
        self.judge: Callable[[Sequence[bytes]], ProjectionAnswer | None] = lambda _: None

    def fail(self, verdict: str, status: int | None, *, happened: bool = False, times: int = 1, **more) -> None:
        """Answer the next requests so; ``happened``: the lines are there all the same."""
        self.answers += [(ProjectionAnswer(verdict=verdict, status=status, **more), happened)] * times

    async def write(self, lines: Sequence[bytes]) -> ProjectionAnswer:
        self.requests.append(len(lines))
        answer, happened = self.answers.pop(0) if self.answers else (self.judge(lines), False)
        if answer is None or happened:
            for line in lines:
                rest, _, time = line.rpartition(b" ")
                self.points[rest.partition(b" basis=")[0].partition(b" batch_ref=")[0], time] = line
        return answer or ProjectionAnswer(verdict="ok", status=204)


class MemoryStore:
    """Cursor and dead letters in memory; `saves` counts."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self.cursor = cursor
        self.letters: list[DeadLetter] = []
        self.saves = 0

    def load(self) -> Cursor | None:
        return self.cursor

    def save(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.saves += 1

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        self.letters += letters


class CountedReadings:
    """`EarlierReadings` by counting in a list of (signal, effective time) pairs, one a ledger index."""

    def __init__(self, times: Sequence[tuple[str, int]] = ()) -> None:
        self.times = times
        self.asked = 0

    def newest_ns(self, signal: str, before: int) -> int | None:
        return max((time for name, time in self.times[:before] if name == signal), default=None)

    def count_at(self, signal: str, effective_ns: int, before: int) -> int:
        self.asked += 1
        return self.times[:before].count((signal, effective_ns))
