"""Verifying a folder: damaged packed files are findings, and the memory of the process does not grow with the files."""

from __future__ import annotations

import subprocess
import sys
from itertools import repeat

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.commit import plan_commit
from gateway.ledger.policy import Policy, format_policy
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, reading
from tests.paths import ROOT

POLICY = Policy((SEALER.key,))
SEGMENT = 65_536
PACKED = "00000000000000000000.seg.zst"

VERIFY = """
import sys
from pathlib import Path
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.ledger.policy import parse_policy
ledger = Path(sys.argv[1])
print(verify_folder(ledger, policy=parse_policy((ledger / "keys" / "policy").read_text())).last_line)
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
"""The largest resident set of a process of its own; what `wait4` tells counts the parent before the exec too."""


def make_ledger(path, size, *, payload=0):
    """A ledger of ``size`` readings with a payload of so many bytes each, its full segments packed."""
    store = SegmentStore(path, ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)
    tree = store.open().tree
    store.save_policy(format_policy(POLICY))
    tail = b',"payload":{"utf8":"%b"}}' % (b"x" * payload)
    for first in range(0, size, 1_024):
        records = [
            reading(n + 1)[:-1] + tail if payload else reading(n + 1) for n in range(first, min(first + 1_024, size))
        ]
        planned = plan_commit(tree, ORIGIN, records, repeat(bytes(32)), SEALER.seal)
        store.commit(planned.frames)
        tree = planned.head
    store.publish(planned.frames[-1].note, tree.size)
    while store.pack() is not None:
        pass
    store.close()


def test_us_01_a_packed_file_that_cannot_be_unpacked_is_a_finding(tmp_path):
    make_ledger(tmp_path / "ledger", SEGMENT + 10)
    path = tmp_path / "ledger" / "seg" / PACKED
    content = path.read_bytes()
    path.chmod(0o640)
    spoilt = [
        (content[:5_000] + bytes([content[5_000] ^ 4]) + content[5_001:], ""),
        (content[:-20], "it is cut"),
        (b"", "it is cut"),
        (content + b"x", "bytes follow its end"),
    ]
    for changed, why in spoilt:
        path.write_bytes(changed)
        told = verify_folder(tmp_path / "ledger", policy=POLICY)
        assert told.exit_code == 1
        assert told.last_line.startswith(f"FAILED at record 0: file cannot be read, {PACKED} cannot be unpacked: ")
        assert why in told.last_line
    path.write_bytes(content)
    assert verify_folder(tmp_path / "ledger", policy=POLICY).exit_code == 0


def test_verify_holds_one_frame_at_a_time_not_a_file(tmp_path):
    make_ledger(tmp_path / "ledger", SEGMENT, payload=4_000)
    unpacked = 4_000 * SEGMENT // 1024**2
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, str(tmp_path / "ledger")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    line, peak_mib = done.stdout.splitlines()
    assert line == "VERIFIED  65,536 records, 1 head"
    assert int(peak_mib) < unpacked / 2, f"{peak_mib} MiB for a file of {unpacked} MiB"
