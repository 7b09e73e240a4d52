"""Make a backup of the running gateway: encrypted before it leaves, complete or not there, read back before it counts."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from msgspec import structs

from gateway.adapters.backup.content import Item, segment_groups, segment_items
from gateway.adapters.backup.manifest import MANIFEST, BackupFile, Manifest, format_manifest, open_with
from gateway.adapters.backup.recovery_key import KEY_BYTES, RecoveryKey
from gateway.adapters.backup.sealed_file import PIECE, open_pieces, seal_pieces
from gateway.adapters.segment_store.disk import Disk, sync_folder
from gateway.adapters.segment_store.layout import Layout
from gateway.domain.times import format_time
from gateway.errors import EvidenceRefused, Unavailable

PART: Final = ".part"
TRIES: Final = 3
_OTHER: Final = "take another copy of this backup, or an older one"
_AGAIN: Final = "nothing was kept; make room or mend the target, then: gateway backup"


class Made(NamedTuple):
    """A backup that was read back: its folder, plain bytes and files, bytes written anew, SHA-256 of its manifest."""

    folder: Path
    bytes: int
    files: int
    written: int
    manifest_sha256: str
    kept: list[BackupFile]


class BackupMaker:
    """Makes one backup below ``target``. Blocking.

    ``before``: files of the newest backup there; one that did not change is linked, not written again. ``progress`` is told
    (bytes done, bytes in all), each byte twice: once written, once read back.
    """

    def __init__(
        self,
        target: Path,
        recovery: RecoveryKey,
        entropy: Callable[[int], bytes],
        progress: Callable[[int, int], None],
        before: Mapping[str, BackupFile] | None = None,
        before_folder: Path | None = None,
    ) -> None:
        self._target = target
        self._recovery = recovery
        self._entropy = entropy
        self._progress = progress
        self._before = before or {}
        self._before_folder = before_folder
        self._disk = Disk()
        self._files: list[BackupFile] = []
        self._done = self._total = self._written = 0
        self._number = 0

    def make(
        self, manifest: Manifest, layout: Layout, items: Iterable[Item], seal: Callable[[bytes], bytes], total: int
    ) -> Made:
        """Copy the segments of ``layout`` up to the manifest's size and all ``items``; return what stands there then."""
        name = self._free_name(manifest)
        final, part = self._target / name, self._target / f"{name}{PART}"
        self._total = 2 * total
        try:
            self._prepare(part, total)
            for first in segment_groups(layout, manifest.size):
                self._copy_segment(layout, first, manifest.size, part)
            for item in items:
                self._copy(item, part)
            key = self._entropy(KEY_BYTES)
            whole = structs.replace(manifest, files=self._files)
            content = format_manifest(whole, key, self._recovery, self._entropy, seal)
            self._write(part / MANIFEST, content)
            sync_folder(self._disk, part)
            self._read_back(part, key)
            part.rename(final)
            sync_folder(self._disk, self._target)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise Unavailable(f"backup to {self._target}: {error.strerror or error}", remedy=_AGAIN) from error
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        plain = sum(one.bytes for one in self._files)
        return Made(final, plain, len(self._files), self._written, sha256(content).hexdigest(), self._files)

    def _free_name(self, manifest: Manifest) -> str:
        """Return the name of the folder: its second and size, and a number after the first of the same."""
        second = format_time(manifest.made_ns)[:19].replace("-", "").replace(":", "")
        name = f"{second}Z-{manifest.size}"
        return next(one for one in (name, *(f"{name}-{n}" for n in range(2, 100))) if not (self._target / one).exists())

    def _prepare(self, part: Path, total: int) -> None:
        self._target.mkdir(parents=True, exist_ok=True, mode=0o750)
        for left in self._target.glob(f"*{PART}"):
            shutil.rmtree(left)
        known = sum(one.bytes for one in self._before.values())
        free = shutil.disk_usage(self._target).free
        if free < (total - known) * 1.01:
            raise Unavailable(
                f"{self._target}: {free:,} bytes are free, {total - known:,} are needed",
                remedy="remove old backups there",
            )
        part.mkdir(mode=0o750)

    def _copy_segment(self, layout: Layout, first: int, size: int, part: Path) -> None:
        """Copy the files of one segment; when it is packed in the middle, take the packed one instead."""
        for attempt in range(TRIES):
            mark = len(self._files)
            try:
                for item in segment_items(layout, first, size):
                    self._copy(item, part)
            except FileNotFoundError:
                for one in self._files[mark:]:
                    (part / one.object).unlink()
                del self._files[mark:]
                if attempt == TRIES - 1:
                    raise
            else:
                return

    def _copy(self, item: Item, part: Path) -> None:
        before = self._before.get(item.path)
        if before is not None and self._link(item, before, part):
            return
        self._number += 1
        name, key = f"{self._number:08d}", self._entropy(KEY_BYTES)
        with _opened(item) as source, (part / name).open("xb", buffering=0) as target:
            left = item.stop if item.stop is not None else -1

            def read(size: int) -> bytes:
                nonlocal left
                content = source.read(size if left < 0 else min(size, left))
                left -= len(content) if left >= 0 else 0
                self._advance(len(content))
                return content

            made = seal_pieces(key, read, target.write)
            os.fsync(target.fileno())
        self._written += made.sealed_bytes
        self._files.append(
            BackupFile(
                path=item.path,
                bytes=made.plain_bytes,
                sha256=made.plain_sha256,
                object=name,
                object_bytes=made.sealed_bytes,
                object_sha256=made.sealed_sha256,
                key=base64.b64encode(key).decode(),
                mode=item.mode,
            )
        )

    def _link(self, item: Item, before: BackupFile, part: Path) -> bool:
        """Link the object of the last backup when the file is still the same and the object still what it was."""
        assert self._before_folder is not None, "files of a backup come with its folder"
        with _opened(item) as source:
            length = item.stop if item.stop is not None else _length(source)
            if length != before.bytes or _digest(source, length) != before.sha256:
                return False
        try:
            with (self._before_folder / before.object).open("rb") as kept:
                if _length(kept) != before.object_bytes or _digest(kept, before.object_bytes) != before.object_sha256:
                    return False
            self._number += 1
            name = f"{self._number:08d}"
            os.link(self._before_folder / before.object, part / name)
        except OSError:
            return False
        self._files.append(structs.replace(before, object=name, mode=item.mode))
        self._advance(before.bytes)
        return True

    def _write(self, path: Path, content: bytes) -> None:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _read_back(self, part: Path, key: bytes) -> None:
        """Open everything again from the target: the manifest, then each file against the hash of what was read."""
        head, _, sealed = (part / MANIFEST).read_bytes().partition(b"\n")
        for one in open_with(key, head, sealed).manifest.files:
            check_object(part, one, self._advance)

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)


def check_object(
    folder: Path, one: BackupFile, advance: Callable[[int], None], write: Callable[[bytes], object] | None = None
) -> None:
    """Decrypt one object and compare it with the manifest; ``write`` takes its pieces. Raises `EvidenceRefused`."""
    where = f"{one.object} ({one.path})"
    plain = sha256()
    try:
        with (folder / one.object).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for piece in open_pieces(base64.b64decode(one.key), file.read, one.bytes):
                plain.update(piece)
                advance(len(piece))
                if write is not None:
                    write(piece)
    except FileNotFoundError as error:
        raise EvidenceRefused(f"backup: {where} is missing", remedy=_OTHER) from error
    except EvidenceRefused as error:
        raise EvidenceRefused(f"backup: {where}: {error.text}", remedy=_OTHER) from error
    if plain.hexdigest() != one.sha256:
        raise EvidenceRefused(f"backup: {where} differs from its manifest", remedy=_OTHER)


def _opened(item: Item) -> BinaryIO:
    if item.file is None:
        return BytesIO(item.content)
    return item.file.open("rb")


def _length(file: BinaryIO) -> int:
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    return length


def _digest(file: BinaryIO, length: int) -> str:
    digest = sha256()
    while length and (piece := file.read(min(length, PIECE))):
        digest.update(piece)
        length -= len(piece)
    return digest.hexdigest()
