"""A bundle as a command writes it: whole under its name, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import click


def write_bundle(content: bytes, output: Path, form: str, *, as_json: bool) -> None:
    """Write the zip and say where it is; ``form``: name of the JSON form, ``batch bundle/1``."""
    part = output.with_name(output.name + ".part")
    part.write_bytes(content)
    part.replace(output)
    if as_json:
        click.echo(json.dumps({"format": form, "file": str(output), "bytes": len(content)}))
    else:
        click.echo(f"{output}: {len(content):,} bytes; check it with: gateway verify {output}")
