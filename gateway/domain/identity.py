"""Ids that follow from what they name: excursions, deviations, delivery events (`deviations.md` 2 and 3)."""

from __future__ import annotations

import base64
from hashlib import sha256

SITE = "site"
"""Scope of everything a site sees; every other scope is a client key."""


def excursion_id(gateway: str, condition: str, t0_ns: int) -> str:
    r"""Return ``EXC-`` and 8 base32 characters of SHA-256(``gateway\ncondition\nt0_ns``); no counter, so nothing leaks."""
    digest = sha256(f"{gateway}\n{condition}\n{t0_ns}".encode()).digest()
    return "EXC-" + base64.b32encode(digest)[:8].decode()


def series_number(number: int, *, scope: str = SITE, test: bool = False) -> str:
    """Return the number of one series: ``000042``, client ``C014-000007``, test ``T000001``."""
    assert number > 0
    if test:
        return f"T{number:06d}"
    return f"{number:06d}" if scope == SITE else f"{scope.replace('-', '')}-{number:06d}"


def deviation_id(gateway: str, number: int, *, scope: str = SITE, test: bool = False) -> str:
    """Return ``DEV-gw01-000042``: gateway id without hyphens, then the number of the scope's own series."""
    return f"DEV-{gateway.replace('-', '')}-{series_number(number, scope=scope, test=test)}"


def delivery_id(gateway: str, deviation: str, revision: int) -> str:
    """Return the idempotency key ``gw-01:dev:000042:3`` of one revision of a deviation."""
    series = deviation.removeprefix(f"DEV-{gateway.replace('-', '')}-")
    assert series != deviation, f"{deviation} is not a deviation of {gateway}"
    return f"{gateway}:dev:{series}:{revision}"
