"""The library's own names, untyped: its annotations promise less than it takes, so both checkers see `Any` here."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeAlias

ua: Any = import_module("asyncua.ua")
"""asyncua's structures, status codes and object ids."""

errors: Any = import_module("asyncua.ua.uaerrors")
binary: Any = import_module("asyncua.ua.ua_binary")
policies: Any = import_module("asyncua.crypto.security_policies")

NodeId: TypeAlias = Any
"""An `ua.NodeId`."""

BrowsePath: TypeAlias = Any
"""An `ua.BrowsePath`."""
