"""File systems that may not hold a ledger are refused by name, from what the kernel says is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.segment_store.file_system import REFUSED, refuse_foreign_file_system
from gateway.errors import ConfigurationRefused


def mounts(tmp_path: Path, *lines: tuple[str, str]) -> Path:
    text = "".join(
        f"{n} 1 0:{n} / {point} rw,relatime shared:1 - {kind} src rw\n" for n, (point, kind) in enumerate(lines)
    )
    file = tmp_path / "mountinfo"
    file.write_text(text)
    return file


@pytest.mark.parametrize("kind", [*sorted(REFUSED), "fuse.sshfs", "fuse.s3fs"])
def test_a_foreign_file_system_is_refused_with_78(tmp_path, kind):
    with pytest.raises(ConfigurationRefused, match="local disk") as caught:
        refuse_foreign_file_system(Path("/data/ledger"), mounts(tmp_path, ("/", "ext4"), ("/data", kind)))
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs"])
def test_a_local_file_system_is_taken(tmp_path, kind):
    refuse_foreign_file_system(Path("/data/ledger"), mounts(tmp_path, ("/", "overlay"), ("/data", kind)))


def test_the_nearest_mount_counts_and_of_two_on_one_place_the_last(tmp_path):
    table = mounts(tmp_path, ("/", "ext4"), ("/data", "nfs4"), ("/data", "ext4"), ("/data/with\\040space", "nfs"))
    refuse_foreign_file_system(Path("/data/ledger"), table)
    refuse_foreign_file_system(Path("/database"), table)
    with pytest.raises(ConfigurationRefused, match="nfs"):
        refuse_foreign_file_system(Path("/data/with space/ledger"), table)
