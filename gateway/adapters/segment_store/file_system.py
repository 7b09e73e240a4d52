"""Which file systems may hold a ledger: local ones. Network, overlay and FUSE do not keep what fdatasync promises."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationRefused

MOUNTS: Final = Path("/proc/self/mountinfo")

REFUSED: Final = frozenset({
    "9p", "afs", "aufs", "beegfs", "ceph", "cifs", "coda", "davfs", "ecryptfs", "fuse", "fuseblk", "fuse-overlayfs", "gfs2",
    "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "overlay", "overlayfs", "pvfs2", "smb3", "smbfs",
    "unionfs", "vboxsf", "virtiofs", "vmhgfs",
})  # fmt: skip
"""Types of `/proc/self/mountinfo` that are refused, and every ``fuse.*``."""


def refuse_foreign_file_system(folder: Path, mounts: Path = MOUNTS) -> None:
    """Raise `ConfigurationRefused` (78) when ``folder`` would lie on a network, overlay or FUSE file system."""
    kind, point = _file_system_of(folder.resolve(), mounts.read_text())
    if kind in REFUSED or kind.startswith("fuse."):
        raise ConfigurationRefused(
            f"{folder} lies on {kind} ({point}): what it calls durable may not be",
            remedy="set ledger.path to a local disk (ext4, xfs, btrfs)",
        )


def _file_system_of(folder: Path, mounts: str) -> tuple[str, str]:
    """Return type and mount point of the longest mount above ``folder``; of equals the last one mounted."""
    best = ("", "/")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape")
        if folder.is_relative_to(point) and len(point) >= len(best[1]):
            best = (after.split(" ")[0], point)
    return best
