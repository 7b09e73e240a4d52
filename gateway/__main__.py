"""Entry point of the `gateway` command: errors of the world in two lines, faults of ours with their trace and SIGABRT."""

from __future__ import annotations

import os
import signal
import sys
import zoneinfo


def main() -> None:
    """Run the command line and end with its exit code (`interface.md` 3)."""
    zoneinfo.reset_tzpath(to=())  # the zone data is ours, by version, never the system's of unknown age
    from gateway.cli import run_command_line  # noqa: PLC0415 - after the zone path is set

    try:
        code = run_command_line()
    except Exception as fault:  # noqa: BLE001 - a fault of ours ends by SIGABRT, never by exit 1, which means findings
        from gateway.cli import show_error  # noqa: PLC0415 - only in a fault
        from gateway.cli.file_errors import file_error  # noqa: PLC0415 - only in a fault

        if (known := file_error(fault)) is not None:
            show_error(known)
            sys.exit(known.exit_code)
        import traceback  # noqa: PLC0415 - only in a fault

        traceback.print_exc()
        sys.stderr.write("error: a fault of the gateway itself\nfix: report the lines above\n")
        sys.stderr.flush()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        os.abort()
    sys.exit(code)


if __name__ == "__main__":
    main()
