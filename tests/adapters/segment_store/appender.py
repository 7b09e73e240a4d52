"""A process that appends until it is killed, and says what was acknowledged: `python appender.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.adapters.segment_store import SegmentStore
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading


def main(folder: Path) -> None:
    """Append small and larger pools, with side objects and publications; print each size after its commit point."""
    store = SegmentStore(
        folder, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    n = tree.size
    sys.stdout.write(f"open {n}\n")
    sys.stdout.flush()
    while True:
        count = 1 + n % 37
        made = plan(tree, [reading(number) for number in range(n + 1, n + count + 1)])
        store.commit(made.frames, [b"side object %d" % n] if n % 5 == 0 else ())
        tree, n = made.head, n + count
        sys.stdout.write(f"ack {n} {tree.root().hex()}\n")
        sys.stdout.flush()
        if n % 11 == 0:
            store.publish(made.frames[-1].note, n)
            sys.stdout.write(f"pub {n} {tree.root().hex()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
