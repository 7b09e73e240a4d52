"""Take a backup, or the copy of a mirror, back into an empty folder: decrypted, compared file by file, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from gateway.adapters.backup.content import Item, beside_segments, published_head, segment_groups, segment_items
from gateway.adapters.backup.make import check_object
from gateway.adapters.backup.manifest import MANIFEST, MANIFEST_BYTES_MAX, Manifest, Opened, open_manifest
from gateway.adapters.backup.recovery_key import RecoveryKey
from gateway.adapters.segment_store.disk import Disk, sync_folder
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.errors import ConfigurationRefused, EvidenceRefused, Unavailable

Progress = Callable[[int, int], None]
_OTHER: Final = "take another copy of this backup, or an older one"


def newest_backup(path: Path) -> Path:
    """Return the backup's folder: ``path`` itself, or the newest one in it; raise `Unavailable` (69) when there is none."""
    if (path / MANIFEST).is_file():
        return path
    found = sorted(one.parent for one in path.glob(f"*/{MANIFEST}")) if path.is_dir() else []
    if not found:
        raise Unavailable(
            f"{path} holds no backup", remedy="name a backup's folder, the one above, or a mirror's ledger folder"
        )
    return found[-1]


def is_ledger(path: Path) -> bool:
    """Say whether a folder is a ledger's, such as a mirror's."""
    return (path / "seg").is_dir()


def read_manifest(folder: Path, recovery: RecoveryKey) -> Opened:
    """Open the manifest of a backup; `EvidenceRefused` for a wrong key or a changed byte."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            content = file.read(MANIFEST_BYTES_MAX + 1)
        if len(content) > MANIFEST_BYTES_MAX:
            raise EvidenceRefused(f"{folder / MANIFEST} is no manifest: it is too large", remedy=_OTHER)
        return open_manifest(content, recovery)
    except OSError as error:
        raise Unavailable(f"{folder / MANIFEST}: {error.strerror}", remedy="name a readable backup") from error


def require_empty(target: Path) -> None:
    """Raise `ConfigurationRefused` (78) when a folder is not empty: nothing is ever restored over something."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationRefused(f"{target} is not empty", remedy="name a new or empty folder with --to")


def take_backup(folder: Path, manifest: Manifest, target: Path, progress: Progress) -> None:
    """Decrypt all files of a backup below an empty ``target``; on any error nothing is left there."""
    require_empty(target)
    total, done = sum(one.bytes for one in manifest.files), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    def take() -> None:
        for one in manifest.files:
            path = _inside(target, one.path)
            with _new(path, one.mode) as write:
                check_object(folder, one, advance, write)

    _whole(target, take)


def take_ledger(source: Path, target: Path, progress: Progress) -> None:
    """Copy a ledger folder, up to its published size, to ``target/ledger``; on any error nothing is left there."""
    require_empty(target)
    folder = LedgerFolder(source)
    head = published_head(folder)
    layout, size = folder.layout, head.checkpoint.size
    groups = segment_groups(layout, size)

    def items() -> Iterable[Item]:
        for done, first in enumerate(groups):
            yield from segment_items(layout, first, size)
            progress(done + 1, len(groups))
        yield from beside_segments(layout, head)

    def take() -> None:
        for item in items():
            with _new(_inside(target, item.path), item.mode) as write:
                write(item.content if item.file is None else _start_of(item.file, item.stop))

    _whole(target, take)


def _start_of(path: Path, stop: int | None) -> bytes:
    content = path.read_bytes()
    return content if stop is None else content[:stop]


def _inside(target: Path, name: str) -> Path:
    """Return where a file goes; refuse a name that leads out of the folder."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in name:
        raise EvidenceRefused(f"backup: {name[:80]!r} leads out of its folder", remedy=_OTHER)
    return target.joinpath(*pure.parts)


@contextmanager
def _new(path: Path, mode: int) -> Generator[Callable[[bytes], object]]:
    """Make a new file with its folders, durable at the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), mode & 0o640)


def _whole(target: Path, take: Callable[[], None]) -> None:
    """Do all of it, or leave the folder as empty as it was."""
    made = not target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o750)
        take()
        for top, _, _ in os.walk(target):
            sync_folder(Disk(), Path(top))
    except OSError as error:
        clear(target, made=made)
        raise Unavailable(
            f"restore to {target}: {error.strerror or error}", remedy="nothing was left there; make room, then again"
        ) from error
    except BaseException:
        clear(target, made=made)
        raise


def clear(target: Path, *, made: bool = False) -> None:
    """Remove everything in a folder, and the folder itself if it was ``made`` for this."""
    for path in target.iterdir() if target.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if made and target.is_dir():
        target.rmdir()
