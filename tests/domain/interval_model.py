"""A naive model of one limit over a piecewise-constant input: runs of whole seconds, no state machine."""

from __future__ import annotations

from typing import NamedTuple


class Expected(NamedTuple):
    t0: int
    raised: int
    t1: int | None
    cleared: int | None
    beyond: int
    excess: int
    crossings: int


def runs(values: list[int], limit: int, back: int) -> list[tuple[int, int]]:
    """Stretches [a, b) in which the answer is "broken": from beyond the limit until back at the return value."""
    out: list[tuple[int, int]] = []
    start: int | None = None
    for t, value in enumerate(values):
        if start is None and value > limit:
            start = t
        elif start is not None and value <= back:
            out.append((start, t))
            start = None
    if start is not None:
        out.append((start, len(values)))
    return out


def expect(values: list[int], limit: int, back: int, on: int, off: int) -> tuple[list[Expected], list[tuple[int, int]]]:
    """Excursions (open ones last, with t1 or cleared None) and short breaches of one value a second."""
    end = len(values) - 1
    excursions: list[Expected] = []
    shorts: list[tuple[int, int]] = []
    group: list[tuple[int, int]] = []

    def close() -> None:
        t0, t1 = group[0][0], group[-1][1]
        inside = [v - limit for v in values[t0 : min(t1, end)] if v > limit]
        ended = t1 <= end
        excursions.append(
            Expected(
                t0,
                t0 + on,
                t1 if ended else None,
                t1 + off if ended and t1 + off <= end else None,
                len(inside),
                sum(inside),
                len(group),
            ),
        )
        group.clear()

    for a, b in runs(values, limit, back):
        if group and a - group[-1][1] >= off:
            close()
        if group or min(b, end) - a >= on:
            group.append((a, b))
        elif b <= end:
            shorts.append((a, b))
    if group:
        close()
    return excursions, shorts
