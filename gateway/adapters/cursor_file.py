"""Cursor and dead letters of one projection as two small files in `state/`: replaced whole, or only appended to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.domain.projection import Cursor, DeadLetter
from gateway.errors import ConfigurationRefused


class CursorFile:
    """`<sink>.cursor` and `<sink>.dead.jsonl` in one folder; a change is durable when its method returns."""

    def __init__(self, folder: Path, sink: str) -> None:
        self.cursor_path = folder / f"{sink}.cursor"
        self.dead_path = folder / f"{sink}.dead.jsonl"

    def load(self) -> Cursor | None:
        """Return the cursor, None if there is none; raise `ConfigurationRefused` if the file is damaged."""
        try:
            return msgspec.json.decode(self.cursor_path.read_bytes(), type=Cursor)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ConfigurationRefused(
                f"{self.cursor_path} is damaged: {error}",
                remedy="remove it: the projection starts at 0 again, which is harmless",
            ) from error

    def save(self, cursor: Cursor) -> None:
        """Replace the cursor: temporary file, fsync, rename, fsync folder."""
        fresh = self.cursor_path.with_suffix(".cursor.new")
        _write(fresh, msgspec.json.encode(cursor) + b"\n", os.O_TRUNC)
        fresh.replace(self.cursor_path)
        _sync_folder(self.cursor_path.parent)

    def forget(self) -> None:
        """Remove the cursor: the next run starts at 0."""
        self.cursor_path.unlink(missing_ok=True)
        _sync_folder(self.cursor_path.parent)

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Append dead letters durably."""
        fresh = not self.dead_path.exists()
        _write(self.dead_path, b"".join(msgspec.json.encode(letter) + b"\n" for letter in letters), os.O_APPEND)
        if fresh:
            _sync_folder(self.dead_path.parent)

    def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters, oldest first; a last line torn by a power cut is passed over."""
        try:
            lines = self.dead_path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=DeadLetter) for line in lines if line]

    def replace_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep only these dead letters, after others were sent again."""
        fresh = self.dead_path.with_suffix(".jsonl.new")
        _write(fresh, b"".join(msgspec.json.encode(letter) + b"\n" for letter in letters), os.O_TRUNC)
        fresh.replace(self.dead_path)
        _sync_folder(self.dead_path.parent)


def _write(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | mode, 0o640)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
