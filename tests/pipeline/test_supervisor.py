"""The supervisor: a fault of ours pauses one task, doubt of the ledger ends all, a refusal ends one."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.errors import LedgerDoubt, SourceRefused
from gateway.pipeline.supervisor import HEALTHY_S, PAUSE_S_MAX, supervise
from tests.fakes.virtual_loop import run_virtually


class Script:
    """Each run lasts so many seconds and ends with what is named."""

    def __init__(self, *runs: tuple[float, BaseException | None]) -> None:
        self.runs = list(runs)
        self.began: list[float] = []
        self.restarts: list[str] = []
        self.refused: list[tuple[str, str]] = []

    async def run(self) -> None:
        self.began.append(asyncio.get_running_loop().time())
        seconds, end = self.runs.pop(0)
        await asyncio.sleep(seconds)
        if end is not None:
            raise end

    async def supervised(self) -> None:
        loop = asyncio.get_running_loop()
        await supervise(
            "task",
            self.run,
            monotonic=loop.time,
            on_restart=self.restarts.append,
            on_refused=lambda name, refused: self.refused.append((name, refused.text)),
        )


def test_pauses_double_up_to_thirty_seconds():
    script = Script(*[(0.0, ZeroDivisionError())] * 7, (0.0, None))
    with capture_logs() as logs:
        run_virtually(script.supervised())
    pauses = [round(b - a, 3) for a, b in zip(script.began, script.began[1:], strict=False)]
    assert pauses == [1, 2, 4, 8, 16, PAUSE_S_MAX, PAUSE_S_MAX]
    assert script.restarts == ["task"] * 7
    assert [one["attempt"] for one in logs] == list(range(1, 8))


def test_a_task_that_ran_well_for_a_minute_starts_again_soon():
    script = Script(*[(0.0, ZeroDivisionError())] * 4, (HEALTHY_S + 1, KeyError("x")), (0.0, None))
    with capture_logs():
        run_virtually(script.supervised())
    assert round(script.began[-1] - script.began[-2] - HEALTHY_S - 1, 3) == 1.0


def test_rule_10_doubt_of_the_ledger_passes_through():
    script = Script((0.0, LedgerDoubt("head differs")))
    with pytest.raises(LedgerDoubt):
        run_virtually(script.supervised())
    assert script.restarts == []


def test_a_refused_source_ends_alone_and_says_why():
    script = Script((0.0, SourceRefused("certificate is not trusted", remedy="gateway opcua trust")))
    with capture_logs() as logs:
        run_virtually(script.supervised())
    assert script.refused == [("task", "certificate is not trusted")]
    assert (script.restarts, script.began) == ([], [0.0])
    assert logs[0]["remedy"] == "gateway opcua trust"


def test_a_cancelled_task_is_not_started_again():
    script = Script((100.0, None))

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(script.supervised())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run_virtually(story())
    assert script.restarts == []
