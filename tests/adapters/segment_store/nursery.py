"""Forks appenders that are born with everything imported: `python nursery.py`, a ledger folder and a file for what it says on each line.

Says the process id of each, and `dead` once it is, so that a thousand of them cost no thousand starts of Python.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.adapters.segment_store.appender import main


def serve() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        folder, told = line.split()
        pid = os.fork()
        if not pid:
            sys.stdout = Path(told).open("a")  # noqa: SIM115 - it ends with the process
            main(Path(folder))
            os._exit(1)
        sys.__stdout__.write(f"{pid}\n")
        sys.__stdout__.flush()
        os.waitpid(pid, 0)
        sys.__stdout__.write("dead\n")
        sys.__stdout__.flush()


if __name__ == "__main__":
    serve()
