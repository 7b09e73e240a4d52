"""State pages: the tables of `gateway/domain/*_states.py` as diagrams and as tables, so that both always say the same."""

from __future__ import annotations

import importlib
from enum import StrEnum
from types import ModuleType
from typing import Any

from gateway.domain import notice_states
from tests.docs.reference_pages import MADE, plain
from tests.paths import ROOT

FOLDER = ROOT / "gateway" / "domain"


def state_modules() -> dict[str, ModuleType]:
    """Modules with a total table, by the noun they are about."""
    found = {
        path.name.removesuffix("_states.py"): importlib.import_module(f"gateway.domain.{path.stem}")
        for path in sorted(FOLDER.glob("*_states.py"))
    }
    return {noun: module for noun, module in found.items() if hasattr(module, "TABLE")}


def state_page(noun: str, module: ModuleType) -> str:
    """Return the page of one machine."""
    doc = plain(module.__doc__ or "")
    shown = [_diagram(module), ""] if transitions(module) else []
    return "\n".join([f"# States: {noun}\n", MADE, f"{doc}\n", *shown, _table(module), ""])


def index_page() -> str:
    """Return the list of all machines."""
    rows = [
        f"- [{noun}]({noun}.md): {(module.__doc__ or '').splitlines()[0].split(':')[0]}"
        for noun, module in state_modules().items()
    ]
    return "\n".join(
        ["# States\n", MADE, "Each machine is one total table of state × event in `gateway/domain/`.\n", *rows, ""]
    )


def transitions(module: ModuleType) -> dict[tuple[str, str], list[str]]:
    """Return what leads from one state to another: (from, to) → events."""
    found: dict[tuple[str, str], list[str]] = {}
    pairs = _notice_moves() if module is notice_states else _table_moves(module)
    for before, after, event in pairs:
        if before != after and event not in found.setdefault((before, after), []):
            found[before, after].append(event)
    return {pair: events for pair, events in found.items() if events}


def _table_moves(module: ModuleType) -> list[tuple[str, str, str]]:
    goes_to: dict[Any, Any] = getattr(module, "GOES_TO", {})
    states = set(module.TABLE)
    moves = []
    for state, row in module.TABLE.items():
        for event, cell in row.items():
            after = goes_to.get(cell, cell if cell in states and isinstance(cell, type(state)) else state)
            moves.append((str(state), str(after), str(event)))
    return moves


def _notice_moves() -> list[tuple[str, str, str]]:
    """Walk every notice that events can reach: where a cell depends on what a mask hides, all outcomes are shown."""
    new = [notice_states.Notice(latching=latching) for latching in (False, True)]
    seen: list[notice_states.Notice] = []
    moves = []
    while new:
        notice = new.pop()
        if notice in seen:
            continue
        seen.append(notice)
        for event in notice_states.NoticeEvent:
            after = notice_states.apply_notice_event(notice, event).notice
            moves.append((str(notice.state), str(after.state), str(event)))
            new.append(after)
    return sorted(moves)


def _diagram(module: ModuleType) -> str:
    lines = [
        f"    {_id(before)} --> {_id(after)}: {' / '.join(events).replace(':', ' ').replace(';', ' ')}"
        for (before, after), events in transitions(module).items()
    ]
    names = [f'    state "{state}" as {_id(str(state))}' for state in module.TABLE if _id(str(state)) != str(state)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *names, *lines, "```"])


def _id(state: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in state)


def _table(module: ModuleType) -> str:
    events: list[StrEnum] = list(next(iter(module.TABLE.values())))
    head = ["| event | " + " | ".join(map(str, module.TABLE)) + " |", "|---" * (len(module.TABLE) + 1) + "|"]
    rows = [
        f"| {event} | " + " | ".join(str(row[event]) for row in module.TABLE.values()) + " |"
        for event in sorted(events, key=events.index)
    ]
    return "\n".join([*head, *rows])
