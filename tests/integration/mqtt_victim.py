"""A process that records: our source on an inlet that keeps values in a file, fdatasync before settle. Made to be killed.

``python -m tests.integration.mqtt_victim PORT FILE`` reads the file first, as a restart reads the ledger.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.domain.repeat import TransportKey, format_transport_key, topic_of
from gateway.ports import Outcome, Parcel, Resume
from tests.integration.mqtt_plant import plan, source

TOPIC = "env/r-204/sensor"
COMMIT_S = 0.01


class FileInlet:
    """One line a reading: incarnation, epoch, position, address, hash, value. Torn tail lines are cut off at start."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes() if path.exists() else b""
        content = content[: content.rfind(b"\n") + 1]
        path.write_bytes(content)
        self._lines = [json.loads(line) for line in content.splitlines()]
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._waiting: list[Parcel] = []

    def resume(self, name: str) -> Resume:
        if not self._lines:
            return Resume()
        keys = [
            format_transport_key(TransportKey(inc, mid, sha, topic_of(address)))
            for inc, _, mid, address, sha, _ in self._lines[-2000:]
            if address
        ]
        incarnation, epoch, position = self._lines[-1][:3]
        return Resume(incarnation=incarnation, epoch=epoch, position=position, repeats=tuple(keys))

    async def offer(self, parcel: Parcel) -> None:
        self._waiting.append(parcel)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(COMMIT_S, self._commit)

    async def offer_run(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            await self.offer(parcel)

    def _commit(self) -> None:
        now, self._waiting = self._waiting, []
        lines = []
        for p in now:
            head = [p.incarnation, p.epoch, p.position]
            lines += [[*head, s.address, s.payload.sha256 if s.payload else "", s.raw.value] for s in p.samples]
            lines += [[*head, "", "", f"{f.kind}:{f.cause}"] for f in p.facts]
        os.write(self._file, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        os.fdatasync(self._file)
        for parcel in now:
            parcel.settle(Outcome.COMMITTED)


async def record(port: int, path: Path) -> None:
    await source(port, plan(TOPIC), receive_max=100).run(FileInlet(path))


if __name__ == "__main__":
    asyncio.run(record(int(sys.argv[1]), Path(sys.argv[2])))
