"""Bundles: gathers what belongs to a batch or an excursion out of the ledger and has it built, verified and packed.

Blocking: call it in a thread. A bundle ends at a sealed head and discloses only what its subject used (`ledger.md` 5).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any, Protocol

from msgspec import UNSET, Struct
from msgspec.json import Decoder

from gateway.domain.membership import Membership, places_of
from gateway.domain.plan import Plan
from gateway.domain.times import format_time
from gateway.errors import LedgerDoubt
from gateway.ledger.bundle import BundleRequest, Subject, build_bundle
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.disclosed import is_reading
from gateway.ledger.disclosed_book import DisclosedBook
from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.names import Opening, commitments_in, format_openings
from gateway.ledger.note import parse_note
from gateway.ledger.policy import NONE, Policy
from gateway.ledger.records import (
    Calibration,
    Clock,
    Config,
    Gap,
    GapEdge,
    Gateway,
    Key,
    Quarantine,
    Reading,
    Record,
    Signal,
    parse_record,
)
from gateway.ledger.verify import verify_bundle
from gateway.ledger.witness import cosigners_of
from gateway.pipeline.stamped_heads import BundleEnd, StampBook, end_bundle, span_of
from gateway.ports import LedgerStore

SECOND_NS = 1_000_000_000
AROUND_NS = 900 * SECOND_NS
BESIDE = re.compile(rb'\{"sha256":"([0-9a-f]{64})","len":[0-9]+\}')
"""Bytes of a record that lie beside the ledger (`ledger.md` 1)."""
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""Members bear no time of ours: equal members give equal archives."""

ITSELF = frozenset({"genesis", "start", "stop", "recovered", "halted", "disk_full", "disk_ok", "evaluated"})
"""Events of the gateway that are shown where they fall between a bundle's readings."""


class Finder(Protocol):
    """The index, as far as bundles ask it; every answer is complete up to ``size`` or an error."""

    def span(self, signal: str, from_ns: int, to_ns: int, size: int) -> tuple[int, int] | None:
        """Return the first and last index of a signal's readings with effective time in ``[from_ns, to_ns)``."""
        ...

    def spans(self, signals: Iterable[str], from_ns: int, to_ns: int, size: int) -> Mapping[str, tuple[int, int]]:
        """Return the spans of several signals; one without readings is left out."""
        ...

    def between(self, hulls: Mapping[str, tuple[int, int]], size: int) -> Sequence[int]:
        """Return the indexes of all readings of each signal from its first index to its last, ascending."""
        ...

    def linked(self, what: str, key: str, size: int) -> Sequence[int]:
        """Return the indexes of all records that name a batch, excursion, deviation."""
        ...

    def of_kind(self, kind: str, size: int, first: int = 0) -> Sequence[int]:
        """Return the indexes of all records of a kind that is no reading, from ``first`` on."""
        ...

    def newest_of_kind(self, kind: str, size: int) -> int | None:
        """Return the index of the last record of a kind below ``size``, None if there is none."""
        ...


class Window(Struct, frozen=True, kw_only=True):
    """A stretch of effective time on some signals."""

    signals: frozenset[str]
    from_ns: int
    to_ns: int


class BundleSubject(Struct, frozen=True, kw_only=True):
    """What to gather: windows of readings, and names whose records belong to it.

    ``sent``: it travels with an event. It stays small and is made again byte for byte, so it holds no page, no side objects
    and no names, which may be erased.
    """

    kind: str
    id: str
    scope: str = "site"
    windows: tuple[Window, ...]
    names: tuple[tuple[str, str], ...]
    intervals: tuple[dict[str, Any], ...] = ()
    sent: bool = False


class BundleBuilder:
    """Builds bundles from the store up to a sealed head."""

    def __init__(
        self,
        store: LedgerStore,
        finder: Callable[[], Finder],
        policy: Policy,
        build: Mapping[str, str],
        verifier: bytes,
        stamps: StampBook | None = None,
        page: bytes = b"",
        openings: Callable[[Iterable[str]], Sequence[Opening]] = lambda _: (),
    ) -> None:
        self._openings = openings
        self._stamps = stamps
        self._store = store
        self._finder = finder
        self._policy = policy
        self._build = dict(build)
        self._verifier = verifier
        self._page = page
        self._known_gaps: dict[int, tuple[bytes, Gap]] = {}

    def adopt(self, policy: Policy) -> None:
        """Take the policy of the bundles made from now on: a key entered or ended."""
        self._policy = policy

    def build(self, subject: BundleSubject, size: int, note: bytes, made_ns: int) -> bytes:
        """Return the zip of a bundle that ends at ``size``; raise `LedgerDoubt` if it does not verify."""
        end = self._end(self._gather(subject, size), size, note)
        entries, size, note = end.entries, end.size, end.note
        gaps = [index for index, entry in entries if _is_gap(entry)]
        request = BundleRequest(
            subject=Subject(kind=subject.kind, id=subject.id),
            scope=subject.scope,
            made_ns=made_ns,
            entries=entries,
            note=note,
            policy=policy_for(note, self._policy),
            intervals=list(subject.intervals),
            gaps=gaps,
            build=self._build,
            token=end.token,
            brackets=end.brackets,
            authority=end.authority,
            revocations=end.lists,
            extra={"verify.py": self._verifier} if subject.sent else self._beside(entries),
        )
        members = build_bundle(request, self._store.nodes(size))
        result = verify_bundle(members)
        if result.exit_code:
            raise LedgerDoubt(
                f"the bundle of {subject.kind} {subject.id} does not verify: {result.last_line}",
                remedy="keep the ledger as it is and run gateway verify on it",
            )
        return pack(members)

    def _beside(self, entries: Sequence[tuple[int, bytes]]) -> dict[str, bytes]:
        """Return what lies beside the entries of a bundle that people take away: verifiers, names, side objects."""
        page = {"verify.html": self._page} if self._page else {}
        return {"verify.py": self._verifier, **page, **self._names(entries), **self._side_objects(entries)}

    def _names(self, entries: Sequence[tuple[int, bytes]]) -> dict[str, bytes]:
        """Return the openings of the names that the entries bear; one that is erased is not there, and its record still holds."""
        borne = {name for _, entry in entries for name in commitments_in(entry[SALT_SIZE:])}
        found = self._openings(borne) if borne else ()
        return {"names.jsonl": format_openings(found)} if found else {}

    def _side_objects(self, entries: Sequence[tuple[int, bytes]]) -> dict[str, bytes]:
        """Return the side objects that the entries name, each under its hash."""
        named = {found for _, entry in entries for found in BESIDE.findall(entry)}
        members: dict[str, bytes] = {}
        for digest in sorted(found.decode() for found in named):
            content = self._store.read_blob(digest)
            if content is not None:
                members[f"blob/{digest[:2]}/{digest}"] = content
        return members

    def _end(self, entries: Sequence[tuple[int, bytes]], size: int, note: bytes) -> BundleEnd:
        """Return where the bundle ends, with the time stamps around its readings."""
        span = None if self._stamps is None else span_of(entries)
        if self._stamps is None or span is None:
            return BundleEnd(entries=entries, size=size, note=note)
        stamps = self._stamps.around(*span, size)
        wanted = policy_for(note, self._policy)
        lacking = any(policy_for(one.head.note, self._policy) != wanted for one in stamps if one.head.size > span[1])
        return end_bundle(entries, size, note, stamps, only_note=lacking and wanted == self._policy)

    def _gather(self, subject: BundleSubject, size: int) -> DisclosedBook:
        finder = self._finder()
        wanted: set[int] = set()
        for what, key in subject.names:
            wanted.update(finder.linked(what, key, size))
        hulls = self._hulls(subject, finder, size)
        signals = frozenset(signal for window in subject.windows for signal in window.signals)
        for kind in ("key", "config", "signal", "calibration"):
            wanted.update(finder.of_kind(kind, size))
        around: set[int] = set()
        for first, stop in _merged((first, last + 1) for first, last in hulls.values()):
            for kind in ("clock", "gateway"):
                around.update(finder.of_kind(kind, min(stop, size), first))
            clock = finder.newest_of_kind("clock", min(first, size))  # the first readings name the one in force
            wanted.update(() if clock is None else (clock,))
        readings = finder.between(hulls, size)
        others = {
            index: salt + content
            for index, salt, content in self._store.pick(sorted((wanted | around).difference(readings)))
            if _speaks(parse_record(content), signals, named=index in wanted)
        }
        others.update(self._gaps(subject, finder, size))
        entries = merge(self._readings(readings, hulls), sorted(others.items()))
        return DisclosedBook.of(entries, len(readings) + len(others))

    def _readings(self, indexes: Sequence[int], hulls: Mapping[str, tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
        """Yield the entries of readings. The index says whose they are; they must say so too before they leave the box."""
        for index, salt, content in self._store.pick(indexes):
            low, high = hulls.get(_NAMED.decode(content).signal, (1, 0)) if is_reading(content) else (1, 0)
            if low <= index <= high:
                yield index, salt + content

    def _gaps(self, subject: BundleSubject, finder: Finder, size: int) -> dict[int, bytes]:
        """Return the records of gaps that meet a window, also where a window holds no reading at all."""
        indexes, known = finder.of_kind("gap", size), self._known_gaps
        for index, salt, content in self._store.pick([index for index in indexes if index not in known]):
            record = parse_record(content)
            if isinstance(record, Gap):
                known[index] = (salt + content, record)
        told: dict[str, list[tuple[int, bytes, Gap]]] = {}
        for index in indexes:
            if index not in known:
                continue  # pruned
            entry, record = known[index]
            told.setdefault(record.gap, []).append((index, entry, record))
        return {
            index: entry
            for records in told.values()
            if any(_meets([one for _, _, one in records], window) for window in subject.windows)
            for index, entry, _ in records
        }

    def _hulls(self, subject: BundleSubject, finder: Finder, size: int) -> dict[str, tuple[int, int]]:
        """Return for each signal the first and last index: between them no reading is left out, so `n` has no hole."""
        hulls: dict[str, tuple[int, int]] = {}
        for window in subject.windows:
            for signal, span in finder.spans(window.signals, window.from_ns, window.to_ns, size).items():
                known = hulls.get(signal, span)
                hulls[signal] = (min(known[0], span[0]), max(known[1], span[1]))
        return hulls


def policy_for(note: bytes, policy: Policy) -> Policy:
    """Return what a bundle's own policy demands: the quorum and the publish line only when its note has them.

    A deviation's evidence is built before any witness can have seen it, on the head of its own frame: nothing waits for
    them. A policy that came by another way says `UNWITNESSED`, or names the missing line; the bundle itself claims no more
    than its note holds.
    """
    if not policy.satisfied_by(cosigners_of(note, policy, verify_line)):
        policy = policy._replace(groups=(), quorum=NONE)
    read = parse_note(note)
    size, lines = parse_checkpoint(read.text).size, {(line.name, line.key_id) for line in read.lines}
    spans = [(key, policy.span_of(key)) for key in policy.publish]
    lacks = any((key.name, key.key_id) not in lines and span.from_size <= size <= span.to_size for key, span in spans)
    return policy._replace(publish=()) if lacks else policy


def batch_subject(
    batch: str, memberships: Sequence[Membership], plan: Plan, names: Iterable[tuple[str, str]], now_ns: int
) -> BundleSubject:
    """Return what belongs to a batch: its intervals with rolls on equipment and rooms, its records and their consequences."""
    windows = [
        Window(
            signals=frozenset(s.id for s in plan.signals.values() if _serves(s.node, m, plan)),
            from_ns=m.from_ns - m.pre_roll_s * SECOND_NS,
            to_ns=(now_ns if m.to_ns is None else m.to_ns) + m.post_roll_s * SECOND_NS,
        )
        for m in memberships
        if not m.withdrawn
    ]
    intervals = [
        {
            "node": m.node,
            "use": m.use,
            "from": format_time(m.from_ns),
            **({"to": format_time(m.to_ns)} if m.to_ns is not None else {}),
        }
        for m in memberships
    ]
    return BundleSubject(
        kind="batch",
        id=batch,
        windows=tuple(windows),
        names=(("batch", batch), *names),
        intervals=tuple(intervals),
    )


def excursion_subject(
    excursion: str, signal: str | None, t0_ns: int, t1_ns: int | None, names: Iterable[tuple[str, str]], now_ns: int
) -> BundleSubject:
    """Return what belongs to an excursion: its signal from 15 minutes before to 15 minutes after, its records and their consequences."""
    to_ns = now_ns if t1_ns is None else min(t1_ns + AROUND_NS, now_ns)
    signals = frozenset[str]() if signal is None else frozenset({signal})
    ended = {} if t1_ns is None else {"to": format_time(t1_ns)}
    return BundleSubject(
        kind="excursion",
        id=excursion,
        windows=(Window(signals=signals, from_ns=t0_ns - AROUND_NS, to_ns=to_ns + 1),),
        names=(("excursion", excursion), *names),
        intervals=({"signal": signal or "", "from": format_time(t0_ns), **ended},),
    )


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return the members as a zip; equal members give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _serves(node: str, membership: Membership, plan: Plan) -> bool:
    """Tell whether a signal belongs to a membership: by its equipment or by the room it stands in."""
    places = places_of(node, plan.nodes)
    return membership.node in places or node == membership.room


class _Named(Struct):
    """Of a reading only whose it is."""

    signal: str


_NAMED = Decoder(_Named)


def _speaks(record: Record, signals: frozenset[str], *, named: bool) -> bool:
    """Tell whether a record that is no reading belongs: it explains, or it tells how the gateway itself was meanwhile."""
    if named:
        return _explains(record, signals)
    return isinstance(record, Clock) or (isinstance(record, Gateway) and record.event in ITSELF)


def _meets(records: Sequence[Gap], window: Window) -> bool:
    """Tell whether a gap touches a window: from the last reading before it until it was closed, on one of its signals."""
    opened, newest = records[0], records[-1]
    if opened.signals and window.signals.isdisjoint(opened.signals):
        return False
    before = opened.before.received_ns if isinstance(opened.before, GapEdge) else UNSET
    from_ns = min(opened.at_ns, before) if isinstance(before, int) else opened.at_ns
    return from_ns < window.to_ns and (newest.event != "closed" or newest.at_ns > window.from_ns)


def _explains(record: Record, signals: frozenset[str]) -> bool:
    """Tell whether a record from elsewhere explains the readings: keys, the epoch in force, its signals; no foreign file."""
    if isinstance(record, Signal | Calibration):
        return record.signal in signals
    if isinstance(record, Config):
        return record.event != "file"
    return isinstance(record, Key) or not isinstance(record, Reading | Quarantine)


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, stop in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((first, stop))
    return merged


def _is_gap(entry: bytes) -> bool:
    return b'"kind":"gap"' in entry[16:48]
