"""What goes into a backup: the ledger up to its published size, and from beside it what no ledger can give back.

Safe beside the running gateway: segment files only grow or are packed, everything else is replaced whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.folder import LedgerFolder, SealedHead
from gateway.adapters.segment_store.frozen import FrozenFolder
from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.errors import EvidenceRefused, LedgerDoubt, Refused, Unavailable
from gateway.ledger.frame import HEADER_SIZE, parse_frame_header
from gateway.ledger.segment import FILE_HEADER_SIZE, segment_of
from gateway.ledger.tile import TILE_HEIGHT, parse_path

LEDGER: Final = "ledger"
STATE: Final = "state"
CONFIG: Final = "config"
PROFILES: Final = "device_profiles"
SECRETS: Final = "secrets"
STATE_FILES: Final = ("machines.json",)
STATE_FOLDERS: Final = ("witnesses", "evidence", "opcua")
"""Below `state/`: what witnesses cosigned last, bundles that events name, our OPC UA certificate. The index is made again."""
PEOPLE: Final = "people.db"


class Item(NamedTuple):
    """One file of a backup: its path there, and its bytes: of a file up to ``stop`` (None: whole), or as given."""

    path: str
    file: Path | None = None
    stop: int | None = None
    content: bytes = b""
    mode: int = 0o640


def published_head(folder: LedgerFolder) -> SealedHead:
    """Return the published head: the end of everything that leaves the box."""
    head = folder.published()
    if head is None:
        raise Refused("nothing was published yet: there is nothing to back up", remedy="start the gateway once")
    return head


def segment_groups(layout: Layout, size: int) -> list[int]:
    """Return the first indexes of the segments that hold entries below ``size``."""
    return sorted({segment_of(name.first) for name in layout.segments() if name.first < size})


def segment_items(layout: Layout, first: int, size: int) -> list[Item]:
    """Return the files of one segment, each up to ``size``; raise `FileNotFoundError` when it is packed meanwhile."""
    names = [name for name in layout.segments() if segment_of(name.first) == first and name.first < size]
    return [
        Item(
            f"{LEDGER}/seg/{name.text}",
            layout.segment(name),
            None if name.packed else _end_of(layout, name, size),
            mode=layout.segment(name).stat().st_mode & 0o777,
        )
        for name in names
    ]


def beside_segments(layout: Layout, head: SealedHead) -> Iterator[Item]:
    """Yield the rest of the ledger's folder as of the published head."""
    size = head.checkpoint.size
    yield Item(f"{LEDGER}/checkpoint", content=head.note)
    for path in _files(layout.root / "keys"):
        yield Item(f"{LEDGER}/{path.relative_to(layout.root)}", path)
    for path in _files(layout.tile):
        name = path.relative_to(layout.root).as_posix()
        if _is_tile_of(name, size):
            yield Item(f"{LEDGER}/{name}", path, mode=0o440)
    frozen = FrozenFolder(Disk(), layout)
    for stamped in frozen.sizes():
        for path in (frozen.path(stamped), frozen.path(stamped).with_name(frozen.path(stamped).name + ".tsr")):
            if stamped <= size and path.is_file():
                yield Item(f"{LEDGER}/{path.relative_to(layout.root)}", path, mode=0o440)
    for folder in (layout.blob, layout.quarantine):
        for path in _files(folder):
            yield Item(f"{LEDGER}/{path.relative_to(layout.root)}", path, mode=0o440)


def beside_ledger(state: Path) -> Iterator[Item]:
    """Yield what lies in `state/` and cannot be made again from the ledger."""
    people = state / PEOPLE
    if people.is_file():
        yield Item(f"{STATE}/{PEOPLE}", content=database(people), mode=0o600)
    for name in STATE_FILES:
        if (state / name).is_file():
            yield Item(f"{STATE}/{name}", state / name, mode=0o600)
    for name in STATE_FOLDERS:
        for path in _files(state / name):
            yield Item(f"{STATE}/{path.relative_to(state)}", path, mode=0o600)


def folder_items(root: Path, name: str) -> Iterator[Item]:
    """Yield all files of a folder under ``name``."""
    for path in _files(root):
        yield Item(f"{name}/{path.relative_to(root)}", path)


def database(path: Path) -> bytes:
    """Return an SQLite database as it stands between two transactions; raise `Unavailable` when it cannot be read whole."""
    try:
        connection: Any = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5_000)
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            content = connection.serialize("main")
        finally:
            connection.close()
    except apsw.Error as error:
        raise Unavailable(
            f"{path} cannot be read: {error}", remedy="check the disk; restore it from a backup"
        ) from error
    if found != ["ok"]:
        raise LedgerDoubt(f"damaged: {path}: {found[0]}", remedy="restore this file from backup")
    return bytes(content)


def _end_of(layout: Layout, name: SegmentName, size: int) -> int:
    """Return where the frames up to ``size`` end in an open or finished file."""
    fd, end = os.open(layout.segment(name), os.O_RDONLY | os.O_CLOEXEC), FILE_HEADER_SIZE
    try:
        length = os.fstat(fd).st_size
        while end + HEADER_SIZE <= length:
            head = os.pread(fd, HEADER_SIZE, end)
            if not any(head):
                break
            header = parse_frame_header(head)
            if header.first + header.n > size or end + header.length > length:
                break
            end += header.length
    except EvidenceRefused as error:
        raise LedgerDoubt(
            f"damaged: {name.text} offset {end:,}: {error.text}", remedy="restore this file from backup or mirror"
        ) from error
    else:
        return end
    finally:
        os.close(fd)


def _is_tile_of(name: str, size: int) -> bool:
    try:
        tile = parse_path(name)
    except EvidenceRefused:
        return False
    return (tile.number + 1) << TILE_HEIGHT * (tile.level + 1) <= size


def _files(folder: Path) -> Sequence[Path]:
    """Return the files below a folder in order; links and temporary files are left out."""
    if not folder.is_dir():
        return []
    found = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return sorted(
        path for path in found if path.is_file() and not path.is_symlink() and path.suffix not in {".tmp", ".part"}
    )
