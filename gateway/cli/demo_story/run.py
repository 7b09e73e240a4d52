"""Run: one demo from an empty folder to its exit code, whatever ends it."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime_ns, monotonic

from msgspec import Struct

from gateway.cli.demo_story.acts import BATCH, ENDED, UNTIL, Act, acts_until
from gateway.cli.demo_story.pace import Pace
from gateway.cli.demo_story.plant import Plant, lay_out
from gateway.cli.demo_story.screen import Screen, open_screen
from gateway.cli.demo_story.stage import set_up
from gateway.cli.demo_story.story import Story
from gateway.cli.demo_story.witness import witness_words
from gateway.errors import GatewayError, Unavailable

BANNER = "DEMO - DEVELOPMENT - NOT FOR GMP USE"
INTERRUPTED = 130


class DemoOptions(Struct, frozen=True, kw_only=True):
    """The options of `gateway demo`."""

    speed: float = 1.0
    until: str | None = None
    headless: bool = False
    keep: Path | None = None
    port: int | None = None
    seed: int = 1
    cut: bool = False
    as_json: bool = False
    embedded_broker: bool = False


def run_demo(options: DemoOptions) -> int:
    """Run the demo; return 0 all acts held, 1 one did not, 130 interrupted. Raises `Unavailable` (69) for port or broker."""
    root = _make_folder(options.keep)
    try:
        return asyncio.run(_run(options, root))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before the last act\n")
        return INTERRUPTED
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        if options.keep is None:
            shutil.rmtree(root, ignore_errors=True)


async def _run(options: DemoOptions, root: Path) -> int:
    me = asyncio.current_task()
    assert me is not None, "inside a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    began = monotonic()
    acts = acts_until(options.until, cut=options.cut)
    screen = open_screen(as_json=options.as_json, headless=options.headless)
    try:
        screen.say(f"{BANNER}\n{root}, speed {options.speed:g}")
        now_ns = clock_gettime_ns(CLOCK_REALTIME)
        plant = await asyncio.to_thread(lay_out, root, speed=options.speed, http_port=options.port, now_ns=now_ns)
        pace = Pace(options.speed)
        async with set_up(plant, pace, options.seed, embedded_broker=options.embedded_broker) as stage:
            screen.say(f"plant up in {monotonic() - began:.1f} s\n")
            screen.acts(acts)
            story = Story(stage, screen)
            failed = await story.play(acts)
            if failed is None and acts[-1].name == UNTIL["sealed"]:
                if _stays(options) or options.keep is not None:
                    screen.say(
                        "\n" + "\n".join(_to_try(plant, stays=_stays(options), kept=options.keep is not None)) + "\n"
                    )
                if _stays(options):
                    await _until_interrupted()
                failed = await story.play((ENDED,))
        return await _closing(screen, failed, options)
    finally:
        screen.close()


async def _closing(screen: Screen, failed: Act | None, options: DemoOptions) -> int:
    if failed is not None:
        screen.say(f"\nact '{failed.name}' did not hold")
        return 1
    if options.keep is not None:
        screen.say(f"kept in {options.keep}")
    return 0


def _stays(options: DemoOptions) -> bool:
    return not options.headless and not options.as_json and sys.stdout.isatty()


async def _until_interrupted() -> None:
    """Wait for Ctrl-C; after the last act it is the way to leave, no interruption."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _to_try(plant: Plant, *, stays: bool, kept: bool) -> Sequence[str]:
    """Return three commands to try, in the words of this folder, and how a kept one runs again."""
    program = f"{Path(sys.executable).parent / 'gateway'}"
    lines = [
        f"  {program} verify {plant.root / BATCH}.zip",
        f"  {program} ledger status --config {plant.config}",
    ]
    if stays:
        lines.append(f"  {program} batch show {BATCH} --config {plant.config} --token-file {plant.token_file}")
        lines.append("the plant stays until Ctrl-C")
    if kept:
        lines.append("to run it again, its witness first: without its line, gateway verify says UNWITNESSED")
        lines.append(f"  {program} {shlex.join(witness_words(plant.witness_place()))} &")
        lines.append(f"  {program} run --config {plant.config}")
    return ["to try:", *lines]


def _make_folder(keep: Path | None) -> Path:
    """Return a new folder for this run, 0700."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    try:
        keep.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not keep.is_dir() or any(keep.iterdir()):
            raise Unavailable(f"{keep} is not empty", remedy="name a new folder with --keep") from None
        keep.chmod(0o700)
    except OSError as error:
        raise Unavailable(f"{keep}: {error.strerror}", remedy="name a folder that can be made") from error
    return keep.resolve()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first foreseen error of a group, else the group itself."""
    foreseen, _ = group.split(GatewayError)
    while isinstance(foreseen, BaseExceptionGroup):
        first = foreseen.exceptions[0]
        if not isinstance(first, BaseExceptionGroup):
            return first
        foreseen = first
    return group
