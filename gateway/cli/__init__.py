"""The command tree: each command is imported when it is called, so that `gateway --help` stays under 0.3 s."""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches
from typing import Final

import click

from gateway.cli.examples import examples
from gateway.errors import GatewayError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("gateway.cli.demo", "The whole story on this machine alone: a freezer door is left open"),
    "run": ("gateway.cli.run", "The gateway itself"),
    "setup": ("gateway.cli.setup", "Once for a box: ledger, seal key, state folder"),
    "check": ("gateway.cli.check", "Understand every configuration file, or say where not"),
    "verify": ("gateway.cli.verify", "Check a bundle or a ledger folder"),
    "batch": ("gateway.cli.batch", "Start, end, show, list and bundle batches"),
    "excursion": ("gateway.cli.excursion", "List, show and bundle excursions"),
    "deviation": ("gateway.cli.deviation", "List and show deviations"),
    "ledger": ("gateway.cli.ledger", "Status, proofs, export and index of the ledger"),
    "witness": ("gateway.cli.witness", "Cosign the ledgers of others; see who cosigns ours"),
    "keys": ("gateway.cli.keys", "Keys of the machine: make, show, rotate, revoke"),
    "hook": ("gateway.cli.hook", "Webhooks to the QMS: test, list, show, replay, receive"),
    "influx": ("gateway.cli.influx", "The InfluxDB projection: status and replay"),
    "opcua": ("gateway.cli.opcua", "Look at an OPC UA server"),
    "backup": ("gateway.cli.backup", "Back up the running gateway, encrypted, and read it back"),
    "restore": ("gateway.cli.restore", "Restore a backup or a mirror into an empty folder, or drill it"),
    "user": ("gateway.cli.user", "Machine accounts and their tokens"),
}
"""Command word → module and help line. The module holds a click command of the same name."""


class LazyGroup(click.Group):
    """A group whose commands are modules, imported on first use; an unknown word is answered with the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the words in the order of a day's work."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command), f"{module.__name__} has no command {cmd_name}"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without importing what it names."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(word, line) for word, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer an unknown word with the nearest one (exit 2)."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f" - did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"no command '{args[0]}'{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples("gateway demo --speed 10", "gateway check --config config"),
)
@click.version_option(package_name="shopfloor-gateway", message="%(version)s")
def gateway() -> None:
    """Shop-floor data integrity gateway: readings sealed before they are acknowledged."""


def run_command_line() -> int:
    """Run the command line; return its exit code. Errors are printed as `error CODE: text` and `fix: …`."""
    try:
        result = gateway.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        sys.stderr.write("interrupted\n")
        return 130
    except GatewayError as error:
        show_error(error)
        return error.exit_code
    return result if isinstance(result, int) else 0


def show_error(error: GatewayError) -> None:
    """Print an error in two lines: what and why, then what to do next."""
    code = f" {error.code}" if error.code else ""
    sys.stderr.write(f"error{code}: {error.text}\n")
    if error.remedy:
        sys.stderr.write(f"fix: {error.remedy}\n")
