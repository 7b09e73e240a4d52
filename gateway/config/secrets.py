"""Secrets: references in files, values only in memory, and never in a log, a diff, a record, an error or a repr.

``env:NAME`` an environment variable · ``file:PATH`` a file of its owner alone · ``cred:NAME`` a systemd credential.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.config.tree import as_block
from gateway.errors import ConfigurationRefused

_REFERENCE = re.compile(r"(env|file|cred):(.+)", re.DOTALL)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
CREDENTIALS = "CREDENTIALS_DIRECTORY"


class Secret:
    """A value that shows itself to nobody who did not ask for it by name."""

    __slots__ = ("_content", "reference")

    def __init__(self, reference: str, content: bytes) -> None:
        self.reference = reference
        self._content = content

    def reveal(self) -> bytes:
        """Return the exact bytes."""
        return self._content

    def reveal_text(self) -> str:
        """Return the text without its last line end; raise `ConfigurationRefused` if it is no text."""
        try:
            text = self._content.decode("utf-8")
        except UnicodeDecodeError as error:
            problem = f"{self.reference} is not text"
            raise ConfigurationRefused(problem, code="SEC-01", remedy="store it as UTF-8 text") from error
        return text.removesuffix("\n").removesuffix("\r")

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not copied into files")


def read_secret(reference: str, folder: Path, environment: Mapping[str, str] = os.environ) -> Secret:
    """Return the secret behind a reference; relative paths of ``file:`` start at ``folder``, the configuration.

    Raises `ConfigurationRefused`: SEC-01 for a reference that leads nowhere, SEC-02 for a file that others can read.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ConfigurationRefused("a secret must be env:, file: or cred:", code="SEC-01", remedy="write a reference")
    kind, name = match.groups()
    if kind == "env":
        value = environment.get(name)
        if value is None:
            raise ConfigurationRefused(f"no environment variable {name}", code="SEC-01", remedy=f"set {name}")
        return Secret(reference, value.encode())
    if kind == "cred":
        credentials = environment.get(CREDENTIALS)
        if credentials is None:
            remedy = "start through systemd with LoadCredential=, or use file: or env:"
            raise ConfigurationRefused(f"{reference}: {CREDENTIALS} is not set", code="SEC-01", remedy=remedy)
        return Secret(reference, _read(Path(credentials) / name))
    path = Path(os.path.normpath(folder / name))
    content = _read(path)
    if path.stat().st_mode & _OTHERS:
        problem = f"{path} can be read by others"
        raise ConfigurationRefused(problem, code="SEC-02", remedy=f"chmod 600 {path}")
    return Secret(reference, content)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
        raise ConfigurationRefused(
            problem, code="SEC-01", remedy="create it, readable for the gateway's user alone"
        ) from error


def references(block: BaseModel, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key path, reference) of every secret a model names."""
    for name, field in type(block).model_fields.items():
        yield from _references_in(getattr(block, name), f"{path}.{field.alias or name}".lstrip("."))


def _references_in(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from references(value, path)
    elif (block := as_block(value)) is not None:
        for key, item in block.items():
            yield from _references_in(item, f"{path}.{key}")
    elif isinstance(value, str) and _REFERENCE.fullmatch(value) and not path.endswith(("url", "endpoint")):
        yield path, value
