"""Fresh randomness from the operating system (port `Entropy`)."""

from __future__ import annotations

import os


def os_entropy(size: int) -> bytes:
    """Return ``size`` random bytes of the kernel."""
    return os.urandom(size)
