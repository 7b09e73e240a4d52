"""The house's numbers: `[tool.house]` of pyproject.toml, the one place where a gate is set."""

from __future__ import annotations

import tomllib
from typing import Any

from tests.paths import ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
HOUSE: dict[str, Any] = PYPROJECT["tool"]["house"]
