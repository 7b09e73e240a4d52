"""Screen: what the demo shows. Rich and live on a terminal, plain lines into a file, JSON Lines for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from gateway.cli.demo_story.acts import DOOR, TEMPERATURE, Act, Held
from gateway.cli.demo_story.watch import Watch

WIDTH_NAME = 9


class Screen(Protocol):
    """Shows a run of the demo."""

    def say(self, text: str) -> None:
        """Show a line that is no act."""
        ...

    def acts(self, acts: Sequence[Act]) -> None:
        """Show the acts to come."""
        ...

    def held(self, act: Act, at_s: float, held: Held) -> None:
        """Show an act that held."""
        ...

    def failed(self, act: Act, at_s: float, why: str) -> None:
        """Show an act that did not hold."""
        ...

    def status(self, at_s: float, watch: Watch, following: str) -> None:
        """Show where things stand between acts."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class JsonScreen:
    """One JSON object a line and act, on standard output; everything else is silent."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def acts(self, acts: Sequence[Act]) -> None:
        """Say nothing."""

    def held(self, act: Act, at_s: float, held: Held) -> None:
        """Write the act's line."""
        self._write(act, at_s, {"ledger_index": held.ledger_index, "ok": True, "text": held.text})

    def failed(self, act: Act, at_s: float, why: str) -> None:
        """Write the act's line with the reason."""
        self._write(act, at_s, {"ledger_index": None, "ok": False, "text": why})

    def status(self, at_s: float, watch: Watch, following: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing to leave."""

    @staticmethod
    def _write(act: Act, at_s: float, more: dict[str, Any]) -> None:
        print(json.dumps({"format": "demo/1", "act": act.name, "at_s": round(at_s, 1), **more}), flush=True)


class TextScreen:
    """Lines for people; on a terminal with colour and a line that lives."""

    def __init__(self, *, live: bool) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._live: Live | None = None
        if live and self._console.is_terminal:
            self._live = Live(Text(""), console=self._console, refresh_per_second=8, transient=True)
            self._live.start()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text))

    def acts(self, acts: Sequence[Act]) -> None:
        """Print the acts to come, dimmed."""
        for act in acts:
            self._console.print(Text(f"  {clock(act.at_s)}  {act.name:<{WIDTH_NAME}} {act.title}", style="dim"))
        self._console.print()

    def held(self, act: Act, at_s: float, held: Held) -> None:
        """Print an act with its mark."""
        line = Text.assemble(
            (f"{clock(at_s)}  ", "dim"), ("ok  ", "bold green"), (f"{act.name:<{WIDTH_NAME}} ", "bold")
        )
        self._console.print(line.append(held.text, style=STYLES.get(act.name, "")))

    def failed(self, act: Act, at_s: float, why: str) -> None:
        """Print an act that did not hold."""
        line = Text.assemble((f"{clock(at_s)}  ", "dim"), ("NOT ", "bold red"), (f"{act.name:<{WIDTH_NAME}} ", "bold"))
        self._console.print(line.append(why, style="red"))

    def status(self, at_s: float, watch: Watch, following: str) -> None:
        """Renew the living line: newest readings, size of the ledger, what comes next."""
        if self._live is not None:
            self._live.update(status_line(at_s, watch, following))

    def close(self) -> None:
        """Take the living line away."""
        if self._live is not None:
            self._live.stop()


STYLES = {"alert": "yellow", "action": "red", "returned": "green", "verified": "green"}


def status_line(at_s: float, watch: Watch, following: str) -> Text:
    """Return the living line."""
    parts = [f"{clock(at_s)} "]
    for signal in (TEMPERATURE, DOOR):
        reading = watch.newest.get(signal)
        if reading is not None:
            value = reading.value if reading.value is not None else "-"
            parts.append(f"{signal} {value}" + ("" if reading.quality == "good" else f" {reading.quality}"))
    parts.append(f"ledger {watch.size:,}")
    parts.append(f"next: {following}")
    return Text("  ".join(parts), style="cyan", no_wrap=True, overflow="ellipsis")


def clock(at_s: float) -> str:
    """Return demo seconds as m:ss."""
    whole = int(at_s)
    return f"{whole // 60}:{whole % 60:02d}"


def open_screen(*, as_json: bool, headless: bool) -> Screen:
    """Return the screen of a run."""
    if as_json:
        return JsonScreen()
    return TextScreen(live=not headless and sys.stdout.isatty())
