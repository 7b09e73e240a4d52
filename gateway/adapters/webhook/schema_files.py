"""Writes the published JSON Schemas: `python -m gateway.adapters.webhook.schema_files docs/formats/events`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gateway.adapters.webhook.models import EVENTS, event_schema


def render_schema(name: str) -> str:
    """Return the text of one schema file, its end of line included."""
    return json.dumps(event_schema(name), indent=2, ensure_ascii=True) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write one `<name>.schema.json` a kind of event and return the paths."""
    paths = [folder / f"{name}.schema.json" for name in EVENTS]
    for name, path in zip(EVENTS, paths, strict=True):
        path.write_text(render_schema(name))
    return paths


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
