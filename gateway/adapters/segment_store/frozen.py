"""Frozen notes and the time stamps over them: `cp/<N(size)>` and `cp/<N(size)>.tsr` (`ledger.md` 4; port `FrozenNotes`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.disk import Disk, sync_folder
from gateway.adapters.segment_store.durable import make_folder, write_blob, write_durably
from gateway.adapters.segment_store.layout import FINISHED_MODE, Layout
from gateway.errors import GatewayError, LedgerDoubt
from gateway.ledger.tile import format_number

SUFFIX: Final = ".tsr"


def _doubt(error: OSError, path: Path) -> GatewayError:
    return LedgerDoubt(f"{path}: {error.strerror or error}", remedy="check the disk, then start again")


class FrozenFolder:
    """The notes of one ledger that others have stamped. Writes are durable when they return; reads take no lock.

    ``judge`` says what an error of the disk means for the ledger.
    """

    def __init__(self, disk: Disk, layout: Layout, judge: Callable[[OSError, Path], GatewayError] = _doubt) -> None:
        self._disk = disk
        self._layout = layout
        self._root = layout.root / "cp"
        self._aside = layout.quarantine
        self._judge = judge

    def path(self, size: int) -> Path:
        """Return where the note of a size lies."""
        return self._root / format_number(size)

    def freeze(self, size: int, note: bytes) -> bytes:
        """Make a note durable; one that a time stamp is about already stays, and is returned."""
        standing = self.note(size)
        if standing is not None and (standing == note or self.token(size) is not None):
            return standing
        self._write(self.path(size), note)
        return note

    def save_token(self, size: int, answer: bytes) -> None:
        """Make the authority's answer durable, byte for byte as it came."""
        self._write(self._token_path(size), answer)

    def note(self, size: int) -> bytes | None:
        """Return the frozen note of a size, None if there is none."""
        return _read(self.path(size))

    def token(self, size: int) -> bytes | None:
        """Return the stored answer over the note of a size, None if there is none."""
        return _read(self._token_path(size))

    def set_aside(self, size: int) -> None:
        """Take a note out that nobody stamped; an answer that is no time stamp of it is kept in quarantine."""
        path, answer = self._token_path(size), self.token(size)
        try:
            if answer is not None:
                aside = self._aside / f"{size}-{sha256(answer).hexdigest()[:8]}{SUFFIX}"
                self._disk.rename(path, aside)
                sync_folder(self._disk, self._aside)
            with suppress(FileNotFoundError):
                self._disk.unlink(self.path(size))
            if path.parent.is_dir():
                sync_folder(self._disk, path.parent)
        except OSError as error:
            raise self._judge(error, path) from error

    def keep(self, content: bytes) -> None:
        """Make a side object durable ahead of the record that will name it."""
        try:
            write_blob(self._disk, self._layout, content)
        except OSError as error:
            raise self._judge(error, self._layout.blob) from error

    def sizes(self) -> Iterator[int]:
        """Yield the sizes of all frozen notes, the largest first."""
        found = sorted(_below(self._root, 0), reverse=True) if self._root.is_dir() else []
        yield from found

    def newest(self) -> int:
        """Return the size of the newest frozen note, 0 if there is none."""
        return next(self.sizes(), 0)

    def _token_path(self, size: int) -> Path:
        path = self.path(size)
        return path.with_name(path.name + SUFFIX)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            make_folder(self._disk, path.parent)
            write_durably(self._disk, path, content, FINISHED_MODE)
        except OSError as error:
            raise self._judge(error, path) from error


def _below(folder: Path, base: int) -> Iterator[int]:
    """Yield the sizes of the notes in a folder and those below it; other names are passed over."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir() and name[:1] == "x" and name[1:].isdecimal():
                yield from _below(Path(entry.path), (base + int(name[1:])) * 1000)
            elif name.isdecimal() and len(name) == len("000"):
                yield base + int(name)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
