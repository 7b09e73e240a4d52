"""`./run bench [G1 …] [--quick] [--json FILE]`: measure the goals side by side and print the table."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import measure_machine
from bench.table import format_json, format_machine, format_table
from tests.counterparts.gateway_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.goal import Row

GOALS = {
    "G1": "g1_mqtt",
    "G2": "g2_integrity",
    "G3": "g3_batched",
    "G4": "g4_latency",
    "G5": "g5_append",
    "G6": "g6_commit",
    "G8": "g8_verify",
    "G9": "g9_size",
    "G10": "g10_start",
    "G13": "g13_bundle",
    "G14": "g14_growth",
}
PROGRAMS = ("mosquitto", "mosquitto_sub", "openssl")
REPEATS = 3


def main() -> int:
    """Run the goals that were asked for; nothing is asserted about time."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"{', '.join(GOALS)}; default all")
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that it works, not how fast")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="repeats of each measurement, at least 3")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="work there and keep the ledgers of millions made for it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    given = parser.parse_args()
    wanted = [goal.upper() for goal in given.goals] or list(GOALS)
    if unknown := [goal for goal in wanted if goal not in GOALS]:
        parser.error(f"no goal {', '.join(unknown)}; there are {', '.join(GOALS)}")
    missing = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        print(f"{', '.join(missing)} missing: sudo apt-get install mosquitto mosquitto-clients", file=sys.stderr)
        return 69
    place = ROOT / "build" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with _working_folder(given.keep, place) as folder:
        machine = measure_machine(Path(folder), quick=given.quick)
        print(format_machine(machine), flush=True)
        for goal in wanted:
            own = Path(folder) / goal
            shutil.rmtree(own, ignore_errors=True)  # of a run that was broken off
            own.mkdir()
            found = import_module(f"bench.{GOALS[goal]}").run(
                own, machine, quick=given.quick, repeats=max(REPEATS, given.repeats)
            )
            rows += found
            print(f"{goal} done", file=sys.stderr, flush=True)
            shutil.rmtree(own)
    print(format_table(rows))
    if given.json is not None:
        given.json.write_text(format_json(machine, rows, quick=given.quick) + "\n")
    return 0


@contextmanager
def _working_folder(kept: Path | None, place: Path) -> Generator[str]:
    """Give the folder to work in: the one to keep, else one that goes with everything in it."""
    if kept is None:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            yield folder
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield str(kept.resolve())


def _path() -> str:
    """Return where servers lie on Debian for people who are not root."""
    import os

    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


if __name__ == "__main__":
    sys.exit(main())
