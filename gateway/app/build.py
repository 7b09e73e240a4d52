"""Build: which software this is, as records name it."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from gateway.ledger.records import Build

DISTRIBUTION = "shopfloor-gateway"
PACKAGE = Path(__file__).parents[1]
COMMIT_FILE = PACKAGE / "COMMIT"


@cache
def this_build() -> Build:
    """Return version, commit (``unknown`` in a working tree) and SHA-256 over the package's Python files by path."""
    digest = sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{sha256(content).hexdigest()}  {path.relative_to(PACKAGE).as_posix()}\n".encode())
    commit = COMMIT_FILE.read_text().strip() if COMMIT_FILE.is_file() else "unknown"
    return Build(version=version(DISTRIBUTION), commit=commit, sha256=digest.hexdigest())
