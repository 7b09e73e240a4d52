"""Acts upon what records say: keys enter and leave, anchors are compared, `n` runs on, no configuration hides another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.ledger.keys import KeyRing
from gateway.ledger.note import VerifyKey
from gateway.ledger.policy import Policy
from gateway.ledger.records import Anchor, Config, Gateway, Key
from gateway.ledger.verify import texts
from gateway.ledger.verify.findings import Finding
from gateway.ledger.verify.heads import open_head
from gateway.ledger.verify.roots import FrameRoots
from gateway.ledger.verify.schema import RecordFacts, hole
from gateway.ledger.verify.stamps import Stamps

_PREFIX: Final = 16


class PrunedBy(NamedTuple):
    """A record that prunes everything below ``size``: its index, and the root it names for that size (empty: none)."""

    size: int
    entry: int
    root: bytes


class Told:
    """What the records of one ledger have said so far. ``fail`` takes each finding; ``roots``: what frames sealed.

    ``stamps`` judges time stamps; None: they are not checked.
    """

    def __init__(
        self,
        policy: Policy | None,
        fail: Callable[[Finding], None],
        roots: FrameRoots,
        stamps: Stamps | None = None,
    ) -> None:
        self._stamps = stamps
        self.ring = KeyRing(policy)
        self.trusted_witnesses = [one.key for one in policy.witnesses] if policy is not None else []
        self.cosigners: set[VerifyKey] = set()
        self.heads: set[int] = set()
        self._pruned: list[PrunedBy] = []
        self._fail = fail
        self._roots = roots
        self._signals: dict[str, int] = {}
        self._configs: dict[str, str] = {}

    def take(self, facts: RecordFacts, origin: str) -> None:
        """Take what the records of the next file say, in order."""
        for finding in facts.findings:
            self._fail(finding)
        for index, record in facts.told:
            if isinstance(record, Key):
                self._take_key(index, record, origin)
            elif isinstance(record, Anchor):
                self._take_anchor(index, record)
            elif isinstance(record, Config):
                self._take_config(index, record)
            else:
                self._take_pruned(index, record)

    def follow_signals(self, facts: RecordFacts, file: str, *, from_one: bool) -> list[Finding]:
        """Return where an `n` does not follow the one before; ``from_one``: a signal's first reading has n 1."""
        holes = list(facts.holes)
        for signal, run in facts.signals.items():
            before = self._signals.get(signal, 0 if from_one else run.n_first - 1)
            if run.n_first != before + 1:
                holes.append(hole(run.index, signal, before, run.n_first, file))
            self._signals[signal] = run.n_last
        return holes

    def _take_key(self, index: int, record: Key, origin: str) -> None:
        if self._stamps is not None:
            self._stamps.learn(record)
        why = self.ring.learn(origin, record)
        if why:
            text = f"FAILED at record {index:,}: {why}"
            self._fail(Finding(class_="signature", first=index, last=index, text=text))

    def _take_anchor(self, index: int, anchor: Anchor) -> None:
        """Compare what others saw of an earlier size with the tree, and check their signatures."""
        note = anchor.note.encode() if isinstance(anchor.note, str) else None
        if anchor.event == "timestamped" and self._stamps is not None:
            note = self._stamps.take(index, anchor)
        if note is None or anchor.event not in {"cosigned", "timestamped"}:
            return
        seals = self.ring.counting("seal", anchor.size)
        head = open_head(note, anchor.size, seals, witnesses=self.trusted_witnesses)
        for finding in head.findings:
            self._fail(finding)
        if head.checkpoint is None:
            return
        if anchor.event == "timestamped" and (head.checkpoint.size, head.checkpoint.root.hex()) != (
            anchor.size,
            anchor.root,
        ):
            self._fail(texts.at_size("altered", anchor.size, "frozen note is about another tree than its record"))
        self.cosigners.update(head.cosigners)
        known = self._roots.at(head.checkpoint.size)
        if known is not None and known != head.checkpoint.root:
            self._fail(texts.split(head.checkpoint.size, known, head.checkpoint.root))
        elif self._roots.lacks(head.checkpoint.size):
            self._fail(texts.never_sealed(head.checkpoint.size, head.checkpoint.root))
        elif head.sealed:
            self.heads.add(head.checkpoint.size)

    def _take_config(self, index: int, config: Config) -> None:
        """Refuse two configurations whose hashes begin with the same 16 digits."""
        if not isinstance(config.sha256, str) or not isinstance(config.config, str) or config.event == "file":
            return
        known = self._configs.setdefault(config.config, config.sha256)
        if known != config.sha256:
            text = f"FAILED at record {index:,}: configuration {config.config} names two: {known}, {config.sha256}"
            self._fail(Finding(class_="inserted", first=index, last=index, text=text))

    def pruned_by(self, size: int) -> PrunedBy | None:
        """Return the record by which everything below ``size`` could go: the one that names the least; None without one."""
        return min((one for one in self._pruned if one.size >= size), default=None)

    def _take_pruned(self, index: int, record: Gateway) -> None:
        facts = record.facts if isinstance(record.facts, dict) else {}
        last, root = facts.get("last"), facts.get("root", "")
        if isinstance(last, int) and isinstance(root, str):
            self._pruned.append(PrunedBy(last + 1, index, _digest(root)))


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
