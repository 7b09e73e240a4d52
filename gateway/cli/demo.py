"""`gateway demo`: a freezer door is left open; the whole product on loopback, from cold start to a refused forgery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.examples import examples

if TYPE_CHECKING:
    from gateway.cli.demo_story.run import DemoOptions

INTERRUPTED = 130


@click.command(
    epilog=examples("gateway demo --speed 10", "gateway demo --headless --until sealed --json --keep /tmp/demo")
)
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(1, 20), help="divides the plant's times")
@click.option(
    "--until", type=click.Choice(("alert", "delivered", "returned", "sealed")), help="end after this part of the story"
)
@click.option("--headless", is_flag=True, help="end with the last act; without it the plant stays until Ctrl-C")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="keep everything in this new folder")
@click.option("--port", type=click.IntRange(1024, 65_535), help="port of the gateway's API; default a free one")
@click.option("--seed", default=1, show_default=True, type=int, help="seed of the sensors' noise")
@click.option("--cut", is_flag=True, help="also cut the freezer's link for 8 s")
@click.option("--json", "as_json", is_flag=True, help="one JSON object an act")
@click.option("--embedded-broker", is_flag=True, help="do not use Mosquitto even where it is installed")
@click.pass_context
def demo(
    ctx: click.Context,
    speed: float,
    until: str | None,
    keep: Path | None,
    port: int | None,
    seed: int,
    *,
    headless: bool,
    cut: bool,
    as_json: bool,
    embedded_broker: bool,
) -> None:
    """A freezer door is left open: the whole product on loopback.

    Exit 0 all acts held, 1 one did not, 69 a port or the broker, 130 interrupted before the last act.
    """
    from gateway.cli.demo_story.run import DemoOptions, run_demo

    options: DemoOptions = DemoOptions(
        speed=speed,
        until=until,
        headless=headless,
        keep=keep,
        port=port,
        seed=seed,
        cut=cut,
        as_json=as_json,
        embedded_broker=embedded_broker,
    )
    ctx.exit(run_demo(options))
