"""A bundle out of a large packed segment needs memory for what it discloses, not for what lies between."""

from __future__ import annotations

import subprocess
import sys

from tests.adapters.segment_store.test_verify_folder import SEGMENT, make_ledger
from tests.paths import ROOT

BUILD = """
import io, sys, zipfile
from pathlib import Path
from gateway.adapters.index import IndexFollower, IndexQuery
from gateway.adapters.segment_store.store import SegmentStore
from gateway.app.finder import IndexFinder
from gateway.ledger.disclosed_book import DisclosedBook
from gateway.ledger.policy import Policy
from gateway.pipeline.bundles import BundleBuilder, BundleSubject, Window
from tests.fakes.clock import StillClock
from tests.fakes.log import NOON_NS, ORIGIN, SEALER
ledger = Path(sys.argv[1])
database = ledger.parent / "state" / "index.db"
store = SegmentStore(ledger, ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)
tree = store.open().tree
follower = IndexFollower(database, ORIGIN, store.reader)
follower.rebuild(tree.size)
query = IndexQuery(database, store.layout)
builder = BundleBuilder(store, lambda: IndexFinder(query), Policy((SEALER.key,)), {}, b"")
second = 1_000_000_000
window = Window(signals=frozenset(["BR-201-CTL/temp"]), from_ns=NOON_NS + 40_000 * second, to_ns=NOON_NS + 40_100 * second)
subject = BundleSubject(kind="range", id="R-1", windows=(window,), names=(("signal", "BR-201-CTL/temp"),))
content = builder.build(subject, tree.size, store.checkpoint_of(tree.size - 1)[1], 1)
with zipfile.ZipFile(io.BytesIO(content)) as archive:
    print(*DisclosedBook(archive.read("entries.bin")).indexes[::99])
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


def test_di_15_a_bundle_and_the_index_read_a_packed_segment_in_pieces(tmp_path):
    make_ledger(tmp_path / "ledger", SEGMENT + 1_024, payload=4_000)
    unpacked = 4_000 * SEGMENT // 1024**2
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path / "ledger")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    first_and_last, peak_mib = done.stdout.splitlines()
    assert first_and_last == "39999 40098"
    assert int(peak_mib) < unpacked * 3 // 4, f"{peak_mib} MiB beside a file of {unpacked} MiB"
