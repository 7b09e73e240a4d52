"""Line protocol of the InfluxDB projection: readings by one hot loop, other records by `influx_events` (`interface.md` 7).

One serializer for v1, v2 and v3. Nothing overwrites: a second reading of a signal at one nanosecond gets the tag `copy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, cast

import msgspec
from msgspec import UNSET, UnsetType

from gateway.ledger.records import Batch, Clock, Excursion, Gap, Reading, Record
from gateway.pipeline.influx_events import EventLines
from gateway.pipeline.influx_syntax import SignalTags, escape_text, format_tags

_Key = tuple[str, int | UnsetType, bool | UnsetType]

_QUALITY: Final = {"bad": 0, "uncertain": 1, "good": 2}
_SHARED: Final[dict[_Key, tuple[str, str]]] = {}
"""What lines of equal quality, status code and test flag share: bare, and with a number's field begun ("" when bad)."""

_SHARED_MAX: Final = 4_096
_encode: Final = msgspec.json.Encoder().encode


class EarlierReadings(Protocol):
    """The ledger's own knowledge of times that came before; asked only when a signal's time does not advance."""

    def newest_ns(self, signal: str, before: int) -> int | None:
        """Return the newest effective time (ns) of the signal's readings with an index below ``before``, None if none."""
        ...

    def count_at(self, signal: str, effective_ns: int, before: int) -> int:
        """Return how many readings of the signal have this effective time and an index below ``before``.

        All entries below ``before`` must count, also those the index has not taken up yet.
        """
        ...


class Lines(NamedTuple):
    """Lines of one stretch of the ledger, and beside each the index of the record it came from."""

    lines: list[bytes]
    indexes: list[int]


class _Track:
    """What the lines of one signal share, and how far its time has come."""

    __slots__ = ("by_received", "by_source", "config", "copies", "newest_ns", "tags")

    def __init__(self, config: str, tags: SignalTags, series: str, newest_ns: int, copies: int) -> None:
        self.config = config
        self.tags = tags
        self.by_source = f'{series} basis="source",ledger_index='
        self.by_received = f'{series} basis="received",ledger_index='
        self.newest_ns = newest_ns
        self.copies = copies


class LineWriter:
    """Renders records in ledger order; equal records give equal lines, whenever and from wherever they are rendered.

    ``tags_of(signal, config)`` gives equipment, room and unit of a signal in a configuration; ``batch_ref(batch)`` the
    ledger index of a batch's first record.
    """

    def __init__(
        self,
        gateway: str,
        tags_of: Callable[[str, str], SignalTags],
        earlier: EarlierReadings,
        batch_ref: Callable[[str], int],
    ) -> None:
        self._gateway = gateway
        self._tags_of = tags_of
        self._earlier = earlier
        self._tracks: dict[str, _Track] = {}
        self._events = EventLines(gateway, tags_of, batch_ref)

    def reset(self) -> None:
        """Forget how far each signal's time has come: the next readings need not follow those rendered before."""
        self._tracks.clear()

    def render(self, first: int, records: Sequence[Record]) -> Lines:
        """Return the lines of the records at ``first``, ``first + 1``, …; kinds that have no measurement give none."""
        lines: list[bytes] = []
        indexes: list[int] = []
        start = 0
        while start < len(records):
            stop = start
            while stop < len(records) and isinstance(records[stop], Reading):
                stop += 1
            if stop > start:
                lines += self.readings(first + start, cast("Sequence[Reading]", records[start:stop]))
                indexes += range(first + start, first + stop)
            if stop < len(records):
                made = self._event(first + stop, records[stop])
                lines += made
                indexes += [first + stop] * len(made)
            start = stop + 1
        return Lines(lines, indexes)

    def readings(self, first: int, readings: Sequence[Reading]) -> list[bytes]:
        """Return one line a reading; bad readings have no value field.

        The hot path: one loop collects columns, numbers become texts in bulk (a third of the cost of one by one).
        """
        tracks = self._tracks
        heads: list[str] = []
        middles: list[str] = []
        values: list[float] = []
        others: list[tuple[int, str]] = []
        times: list[int] = []
        for index, reading in enumerate(readings, first):
            track = tracks.get(reading.signal)
            if track is None or track.config != reading.config:
                track = self._begin(index, reading, track)
            source_ns, flags = reading.source_ns, reading.flags
            on_source = reading.source_clock is UNSET and (flags is UNSET or "initial" not in flags)
            if on_source and source_ns is not UNSET:
                time_ns, head = source_ns, track.by_source
            else:
                time_ns, head = reading.received_ns, track.by_received
            if time_ns > track.newest_ns:
                track.newest_ns = time_ns
                track.copies = 0
            else:
                head = self._copy_head(index, reading.signal, track, time_ns, head)
            heads.append(head)
            times.append(time_ns)
            key = (reading.quality, reading.status, reading.test)
            bare, with_value = _SHARED.get(key) or _share(key)
            value = reading.value
            if value.__class__ is float and with_value:
                values.append(value)
                middles.append(with_value)
            else:
                others.append((len(values), _other_value(value) if with_value else ""))
                values.append(0.0)
                middles.append(bare)
        value_texts = _number_texts(values)
        for position, field in others:
            value_texts[position] = field
        columns = zip(heads, range(first, first + len(heads)), middles, value_texts, _number_texts(times), strict=True)
        texts = [f"{head}{index}i,quality={middle}{value} {time}" for head, index, middle, value, time in columns]
        return "\n".join(texts).encode().split(b"\n")  # no line holds a break of its own: see `influx_syntax`

    def _event(self, index: int, record: Record) -> list[bytes]:
        if isinstance(record, Gap | Excursion | Batch | Clock):
            return self._events.render(index, record)
        return []

    def _begin(self, index: int, reading: Reading, before: _Track | None) -> _Track:
        tags = self._tags_of(reading.signal, reading.config)
        if before is None:
            newest = self._earlier.newest_ns(reading.signal, index)
            newest_ns, copies = (-(2**63), 0) if newest is None else (newest, -1)
        else:
            newest_ns, copies = before.newest_ns, before.copies
        series = f"reading,{format_tags(gateway=self._gateway, signal=reading.signal, **tags._asdict())}"
        track = _Track(reading.config, tags, series, newest_ns, copies)
        self._tracks[reading.signal] = track
        return track

    def _copy_head(self, index: int, signal: str, track: _Track, time_ns: int, head: str) -> str:
        """Return the series of a reading whose time did not advance; `copies` is -1 while the count is not known."""
        if time_ns == track.newest_ns and track.copies >= 0:
            track.copies += 1
            copy = track.copies
        else:
            copy = self._earlier.count_at(signal, time_ns, index)
            if time_ns == track.newest_ns:
                track.copies = copy
        if copy == 0:
            return head
        tags = format_tags(copy=str(copy), gateway=self._gateway, signal=signal, **track.tags._asdict())
        return f"reading,{tags}{head[head.rindex(' basis=') :]}"


def _share(key: _Key) -> tuple[str, str]:
    quality, status, test = key
    code = "" if isinstance(status, UnsetType) else f",status_code={status}i"
    text = f"{_QUALITY[quality]}i{code},test={'true' if test is True else 'false'}"
    parts = (text, "" if quality == "bad" else f"{text},value=")
    if len(_SHARED) < _SHARED_MAX:
        _SHARED[key] = parts
    return parts


def _number_texts(numbers: Sequence[float]) -> list[str]:
    """Return the shortest decimals of many numbers at once, as records hold them; never called for none."""
    return _encode(numbers).decode()[1:-1].split(",")


def _other_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f",value_bool={'true' if value else 'false'}"
    if isinstance(value, int):
        return f",value_int={value}i"
    text = value if isinstance(value, str) else _encode(value).decode()
    return f',value_text="{escape_text(text)}"'
