"""`python -m bench.build_bundle LEDGER FOLDER FROM_NS TO_NS`: build one batch bundle as the gateway does, in a process of its own.

Prints what it took as JSON; the zip lies in FOLDER for `gateway verify`, the independent witness.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.history import BATCH, PER_SERVER, History
from bench.ledger import open_ledger, policy
from gateway.adapters.index import IndexQuery
from gateway.app.finder import IndexFinder
from gateway.app.parts import verifier
from gateway.pipeline.bundles import BundleBuilder, BundleSubject, Window


def main() -> None:
    """Open store and index, build the bundle, say how long only that took and how much memory the process held at most."""
    ledger, folder = Path(sys.argv[1]), Path(sys.argv[2])
    window = Window(signals=frozenset(History(0).ids[:PER_SERVER]), from_ns=int(sys.argv[3]), to_ns=int(sys.argv[4]))
    store, tree = open_ledger(ledger)
    query = IndexQuery(ledger.parent / "state" / "index.db", store.layout)
    facts = {"version": "1", "commit": "0", "sha256": "0"}
    builder = BundleBuilder(
        store, lambda: IndexFinder(query), policy(), facts, verifier(), page=verifier("verify.html")
    )
    subject = BundleSubject(kind="batch", id=BATCH, windows=(window,), names=(("batch", BATCH),))
    before_mib = _status_mib("VmRSS")
    began, cpu = time.perf_counter(), time.process_time()
    content = builder.build(subject, tree.size, store.checkpoint_of(tree.size - 1)[1], 1)
    seconds = time.perf_counter() - began
    cpu = time.process_time() - cpu
    store.close()
    query.close()
    (folder / "bundle.zip").write_bytes(content)
    told = {
        "seconds": seconds,
        "cpu_s": cpu,
        "before_mib": before_mib,
        "peak_mib": _status_mib("VmHWM"),
        "bytes": len(content),
    }
    print(json.dumps(told))


def _status_mib(member: str) -> float:
    """Return a figure of this process's memory, MiB."""
    _, _, rest = Path("/proc/self/status").read_text().partition(f"{member}:")
    return int(rest.split()[0]) / 1024


if __name__ == "__main__":
    main()
