"""`gateway check`: understand every configuration file, or say where not; then ask the machine (`profiles.md` 4)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from gateway.cli.examples import examples


@click.command(
    "check", epilog=examples("gateway check", "gateway check --config /etc/gateway --offline --deny-warnings")
)
@click.option("--config", "config_dir", type=click.Path(path_type=Path, file_okay=False), help="configuration folder")
@click.option("--offline", is_flag=True, help="files alone: ask neither machine nor network")
@click.option("--deny-warnings", is_flag=True, help="a warning ends with 78, for pipelines")
@click.option("--json", "as_json", is_flag=True, help="one JSON object of format check/1")
def check(config_dir: Path | None, *, offline: bool, deny_warnings: bool, as_json: bool) -> None:
    """Understand every configuration file, or say where not; then ask machine and servers.

    Exit 78 an error or a wrong key, 69 somebody did not answer, 1 warnings.
    """
    from gateway.adapters.system_clock import OsClock
    from gateway.cli.place import config_folder, profiles_folder
    from gateway.config.check import format_report, report, to_json
    from gateway.config.environment import run_checks
    from gateway.config.load import load
    from gateway.config.machine_checks import utc_of

    folder = config_folder(config_dir)
    now = utc_of(OsClock().now().wall_ns)
    loaded = load(folder, profiles_folder(folder), today=now.date())
    questions = []
    if not offline:
        from gateway.app.checks import site_checks

        questions = site_checks(loaded, folder, now)
    results = asyncio.run(run_checks(questions))
    checked = report(loaded, results, deny_warnings=deny_warnings)
    if as_json:
        click.echo(to_json(checked).decode())
    else:
        click.echo(format_report(loaded, checked, offline=offline))
    sys.exit(checked.exit)
