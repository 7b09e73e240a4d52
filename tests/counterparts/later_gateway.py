"""The gateway years later: `python -m tests.counterparts.later_gateway YEARS WORDS…` runs one command with its wall clock ahead."""

from __future__ import annotations

import sys

from gateway.adapters.system_clock import OsClock
from gateway.ports import Moment

YEAR_NS = 366 * 86_400 * 1_000_000_000


def put_ahead(by_ns: int) -> None:
    """Let every clock of this process show a wall time that is ``by_ns`` later."""
    real = OsClock.now

    def later(self: OsClock) -> Moment:
        now = real(self)
        return Moment(now.wall_ns + by_ns, now.boot_ns, now.monotonic_ns, now.raw_ns)

    OsClock.now = later  # type: ignore[method-assign]


if __name__ == "__main__":
    put_ahead(int(sys.argv.pop(1)) * YEAR_NS)
    from gateway.__main__ import main

    main()
