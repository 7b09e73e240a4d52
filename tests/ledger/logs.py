"""Small sealed logs for tests: readings and records laid out in files as the store writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from gateway.ledger.commit import CommitPlan, plan_commit
from gateway.ledger.merkle import Tree
from gateway.ledger.segment import format_name, make_file_header
from tests.ledger.vector_files import ORIGIN, records, seal

T0 = 1_792_888_205_000_000_000
SIGNAL = "FRZ-01/temp"


def seeds() -> Iterator[bytes]:
    """Frame seeds that differ and are the same in every run."""
    for i in range(1 << 30):
        yield sha256(b"seed %d" % i).digest()


def reading(n: int, signal: str = SIGNAL) -> bytes:
    """JSON of reading `n`; its time is `n` seconds after T0 and 250 ms."""
    return (
        b'{"v":1,"kind":"reading","received_ns":%d,"boot_ns":%d,"clock":1,"signal":"%b","config":"05b3abf2579a5eb6",'
        b'"n":%d,"value":%d.5,"status":0,"quality":"good","source_ns":%d,"clock_state":"synced","provenance":"live",'
        b'"incarnation":1,"epoch":1,"position":%d}'
        % (T0 + n * 10**9 + 250_000_000, n * 10**9, signal.encode(), n, n % 40, T0 + n * 10**9, n)
    )


def genesis() -> list[bytes]:
    """The first five records of a log: clock, genesis, seal key, configuration, signal."""
    return records()[:5]


class Log:
    """A log in memory: pools go in, files (name → bytes) come out; frames keep their offsets."""

    def __init__(self, pools: Sequence[Sequence[bytes]], sealer=seal, origin: str = ORIGIN) -> None:
        self.files: dict[str, bytes] = {}
        self.frames: list[tuple[str, int, int]] = []
        self.plans: list[CommitPlan] = []
        self.notes: list[bytes] = []
        self.head = Tree()
        self.origin, self.sealer, self.seeds = origin, sealer, seeds()
        for pool in pools:
            self.commit(pool)

    def commit(self, pool: Sequence[bytes]) -> None:
        plan = plan_commit(self.head, self.origin, pool, self.seeds, self.sealer)
        for frame in plan.frames:
            if frame.opens_segment:
                self.files[format_name(frame.first)] = make_file_header(self.origin, frame.first, frame.root_before)
            name = list(self.files)[-1]
            self.frames.append((name, len(self.files[name]), len(frame.content)))
            self.files[name] += frame.content
            self.notes.append(frame.note)
        self.head = plan.head
        self.plans.append(plan)

    def new_file(self) -> None:
        """Begin a new file inside the segment, as after an unclean stop."""
        size = self.head.size
        self.files[format_name(size)] = make_file_header(self.origin, size, self.head.root())


def small_log() -> Log:
    """Records 0-4 of genesis, then three frames of ten readings: readings n 1..30 are records 5..34."""
    pools = [genesis(), *([reading(n) for n in range(a, a + 10)] for a in (1, 11, 21))]
    return Log(pools)
