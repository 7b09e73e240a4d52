"""Reference pages written from the code: commands, records, ports, error texts."""

from __future__ import annotations

import inspect
import re

import click
import msgspec

from gateway import ports
from gateway.ledger.records import KINDS
from tests.docs.command_tree import leaves
from tests.docs.error_texts import EXIT, WHAT, error_texts

MADE = "Written from the code by `python -m tests.docs.pages`; a test compares.\n"


def commands_page() -> str:
    """Return `commands.md`: each command with its usage, options and examples."""
    parts = [f"# Commands\n\n{MADE}\n{_EVERYWHERE}"]
    for words, command in leaves():
        context = click.Context(command, info_name=words)
        usage = " ".join([words, *command.collect_usage_pieces(context)])
        parts.append(f"## {words}\n\n{inspect.cleandoc(command.help or '')}\n\n```\n{usage}\n```\n")
        rows = [_option(option) for option in command.params if isinstance(option, click.Option)]
        parts.append("\n".join(["| option | what |", "|---|---|", *rows, ""]) if rows else "No options.\n")
        shown = [line for line in (command.epilog or "").replace("\b", "").splitlines() if line.startswith("  ")]
        parts.append("```\n" + "\n".join(line.strip() for line in shown) + "\n```\n")
    return "\n".join(parts)


_EVERYWHERE = """`gateway` is in `.venv/bin/` after the first `./run`. Configuration: `--config DIR`, else `./config`, else `/etc/gateway`.
Errors go to stderr in two lines, `error CODE: what and where` and `fix: what next`. `--json` prints one object, or one a line,
with its `format`; members are only added.

| exit | means |
|---|---|
| 0 | done, verified |
| 1 | findings: a refusal, a bundle that does not verify, warnings of `check` |
| 2 | usage: unknown word or option; the nearest one is named |
| 69 | unavailable: port taken, ledger in use, gateway not running, file not readable |
| 78 | configuration: not understood, not set up, a secret missing |
| 128 + n | ended by signal n; 130 by Ctrl-C |

A fault of the gateway itself ends by SIGABRT with its trace on stderr, never as 1.
"""


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    told = (option.help or "").replace("|", r"\|")
    more = "; may be repeated" if option.multiple else ""
    need = "; must be given" if option.required else ""
    return f"| {names}{value.replace('|', chr(92) + '|')} | {told}{more}{need} |"


def records_page() -> str:
    """Return `records.md`: each kind with its members in their order."""
    parts = [
        (
            f"# Record kinds\n\n{MADE}\nRules of the bytes: [records](../formats/records.md). `?`: left out when it says nothing. "
            "Every kind begins with `v` `kind` `at_ns` `boot_ns` `clock` `dev?` `test?`; a reading says `received_ns` for `at_ns`. "
            "To see one: `gateway ledger prove INDEX --entry FILE`.\n"
        )
    ]
    for kind, record in KINDS.items():
        members = " ".join(
            f"`{field.encode_name}{'' if field.required or field.name in {'v', 'kind'} else '?'}`"
            for field in msgspec.structs.fields(record)
        )
        parts.append(f"## {kind}\n\n{_doc(record)}\n\nMembers: {members}\n")
    return "\n".join(parts)


def ports_page() -> str:
    """Return `ports.md`: each Protocol with its promises."""
    parts = [
        (
            f"# Ports\n\n{MADE}\nWhat the pipeline asks of the world, and the world of the pipeline (`gateway/ports/`). One contract "
            "suite a port runs on the fake and on the real one (`tests/contract/`). Times are whole nanoseconds.\n"
        )
    ]
    for name, port in port_classes():
        parts.append(f"## {name}\n\n{_doc(port)}\n")
        for member, what in vars(port).items():
            shown = what.fget if isinstance(what, property) else what
            if inspect.isfunction(shown) and (not member.startswith("_") or member == "__call__") and shown.__doc__:
                parts.append(f"- `{member}`: {' '.join(plain(shown.__doc__).split())}")
        parts.append("")
    return "\n".join(parts)


def port_classes() -> list[tuple[str, type]]:
    """All Protocols of `gateway.ports`, in the order of the package."""
    found = [
        (name, one)
        for name, one in vars(ports).items()
        if inspect.isclass(one) and getattr(one, "_is_protocol", False) and one.__module__.startswith(ports.__name__)
    ]
    assert found
    return found


def error_texts_page() -> str:
    """Return `error-texts.md`: what is said without a code, and what to do, by class."""
    parts = [
        (
            f"# Error texts\n\n{MADE}\nErrors with a code: [errors](errors.md). `…` stands where a value is put in. Texts about bytes that "
            "break their format, or a proof that does not hold (`EvidenceRefused`, exit 1), name the place; what to do is always: keep "
            "the bytes, fetch them again from where they came, and verify.\n"
        )
    ]
    texts = error_texts()
    for kind in sorted(EXIT):
        rows = sorted(
            {
                f"| {_cell(one.text)} | {_cell(one.remedy)} |"
                for one in texts
                if one.kind == kind and not one.code and set(one.text) != {"…"} and kind != "EvidenceRefused"
            }
        )
        if rows:
            end = WHAT.get(kind, f"exit {EXIT[kind]}")
            parts.append("\n".join([f"## {kind}: {end}\n", "| text | what next |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _doc(thing: type) -> str:
    return plain(thing.__doc__ or "")


def plain(docstring: str) -> str:
    """Return a docstring as a page shows it, without the clauses of the design it names."""
    return re.sub(r" ?\(`[a-z-]+\.md`[^)]*\)", "", inspect.cleandoc(docstring)).replace("``", "`")
