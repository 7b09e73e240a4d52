"""The process of the nightly scrub: `python -m gateway.adapters.segment_store.scrub_child FOLDER NIGHT SINCE_NS`; one JSON line back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from gateway.adapters.segment_store.child import LOWEST, answer
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.pace import Pace
from gateway.adapters.segment_store.policy_file import own_policy
from gateway.adapters.segment_store.scrub import blobs_of_the_night, of_the_night, scrub
from gateway.ports import ScrubReport

MB_S: Final = 8.0


def main(root: Path, night: int, since_ns: int) -> ScrubReport:
    """Read what is due in a night."""
    folder = LedgerFolder(root)
    firsts = of_the_night(folder, night, since_ns)
    blobs = blobs_of_the_night(folder.layout, night)
    return scrub(root, firsts, blobs, own_policy(folder.layout), pace=Pace(MB_S), progress=lambda _done, _all: None)


if __name__ == "__main__":
    os.nice(LOWEST)
    answer(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
