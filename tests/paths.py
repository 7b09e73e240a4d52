"""Where tests find the project, and the design pages and foreign vectors beside it (never copied into the project)."""

from __future__ import annotations

from pathlib import Path

from tests.counterparts.missing import need_folder

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def shared(part: str) -> Path:
    """`part` of the shared folder (`vectors/rfc6962-proofs`); absent: the test is skipped, or fails where CI=true."""
    found = SHARED / part
    if not found.is_file():
        need_folder(found, "vectors and design pages stand beside the project's folder")
    return found
