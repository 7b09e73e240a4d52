"""The nightly scrub beside the gateway, in a process of its own at the lowest priority."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from gateway.adapters.segment_store.child import run_child
from gateway.ports import ScrubReport

CHILD: Final = "gateway.adapters.segment_store.scrub_child"


class ScrubProcess:
    """Implements `gateway.ports.Scrubber` on one ledger folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def scrub_night(self, night: int, since_ns: int) -> ScrubReport:
        """Read what is due; see the port."""
        told = await run_child(CHILD, str(self._root), str(night), str(since_ns))
        return msgspec.json.decode(told, type=ScrubReport)
