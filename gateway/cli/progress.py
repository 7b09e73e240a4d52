"""Progress on stderr: only on a terminal, and only when a command takes longer than a second (`interface.md` 3)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_S = 1.0


@contextmanager
def progress_bar(what: str, *, wanted: bool = True) -> Generator[Callable[[int, int], None]]:
    """Give a function (done, total) that draws a bar once a second has passed; it draws nothing without a terminal."""
    began = monotonic()
    bar: Progress | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            if monotonic() - began < QUIET_S:
                return
            bar = _start(what, total)
        bar.update(bar.task_ids[0], completed=done, total=total)

    def nothing(_done: int, _total: int) -> None:
        return

    try:
        yield show if wanted and sys.stderr.isatty() else nothing
    finally:
        if bar is not None:
            bar.stop()


def _start(what: str, total: int) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    bar.add_task(what, total=total)
    bar.start()
    return bar
