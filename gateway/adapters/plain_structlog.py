"""Plain structlog: imported once without the console for people that comes with it; our lines are JSON.

structlog takes `rich` where it is installed, and it is, for the command line: a fifth of the time to start and 10 MiB of
memory that a gateway never uses.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_PRETTY = "rich"


def load() -> None:
    """Import structlog as if `rich` were not there; does nothing once it is imported."""
    if "structlog" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules  # None says that a module cannot be imported
    known = modules.get(_PRETTY)
    modules[_PRETTY] = None
    try:
        import_module("structlog")
    finally:
        if known is None:
            del modules[_PRETTY]
        else:
            modules[_PRETTY] = known
