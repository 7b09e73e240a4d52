"""Lines of gap, excursion, batch and clock records: one at the start, a second at the end; no client, product, person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import UnsetType

from gateway.ledger.records import Batch, Clock, Excursion, Gap, GapEdge
from gateway.pipeline.influx_syntax import SignalTags, format_fields, format_tags

_Value = TypeVar("_Value")


class EventLines:
    """Renders the rare records; a later record about the same thing writes the same start line again, with more in it."""

    def __init__(
        self,
        gateway: str,
        tags_of: Callable[[str, str], SignalTags],
        batch_ref: Callable[[str], int],
    ) -> None:
        self._gateway = gateway
        self._tags_of = tags_of
        self._batch_ref = batch_ref

    def render(self, index: int, record: Gap | Excursion | Batch | Clock) -> list[bytes]:
        """Return the lines of one record."""
        if isinstance(record, Gap):
            return self._gap(index, record)
        if isinstance(record, Excursion):
            return self._excursion(index, record)
        if isinstance(record, Batch):
            return self._batch(index, record)
        return [self._clock(index, record)]

    def _gap(self, index: int, gap: Gap) -> list[bytes]:
        """One pair of lines a signal; a gap of a whole source stands under the source's name as equipment."""
        start = _edge_ns(gap.before)
        start_ns = gap.at_ns if start is None else start
        end_ns = _edge_ns(gap.after)
        fields = format_fields(
            certainty=gap.certainty,
            event=gap.event,
            from_ns=start_ns,
            gap=gap.gap,
            ledger_index=index,
            missing=_given(gap.missing),
            recovered=_given(gap.recovered),
            source=gap.source,
            test=gap.test is True,
            to_ns=end_ns,
        )
        lines: list[bytes] = []
        for signal in gap.signals or [""]:
            equipment = signal.partition("/")[0] or gap.source
            tags = format_tags(cause=gap.cause, equipment=equipment, gateway=self._gateway, signal=signal)
            lines.append(f"gap,{tags} {fields} {start_ns}".encode())
            if end_ns is not None and end_ns != start_ns:
                lines.append(f"gap,{tags} {fields} {end_ns}".encode())
        return lines

    def _excursion(self, index: int, excursion: Excursion) -> list[bytes]:
        """The condition after its signal (`high.action`) is the tag `cause`: with t0 it is the excursion's identity."""
        about, _, condition = excursion.condition.partition(":")
        signal = _given(excursion.signal)
        equipment = about.partition("/")[0] if signal is None else self._tags_of(signal, excursion.config).equipment
        t1_ns = _given(excursion.t1_ns)
        extreme = _given(excursion.extreme)
        tags = format_tags(
            cause=condition or about,
            equipment=equipment,
            gateway=self._gateway,
            level=excursion.level,
            signal=signal,
        )
        fields = format_fields(
            breach_ns=excursion.breach_ns,
            crossings=excursion.crossings,
            event=excursion.event,
            excursion=excursion.excursion,
            extreme=float(extreme) if isinstance(extreme, int | float) else None,
            ledger_index=index,
            t0_ns=excursion.t0_ns,
            t1_ns=t1_ns,
            test=excursion.test is True,
        )
        times = [excursion.t0_ns] if t1_ns is None or t1_ns == excursion.t0_ns else [excursion.t0_ns, t1_ns]
        return [f"excursion,{tags} {fields} {time_ns}".encode() for time_ns in times]

    def _batch(self, index: int, batch: Batch) -> list[bytes]:
        """One line a node at the effective time; `copy` is the batch's reference, so that two batches never meet."""
        if batch.effect == "repeat":
            return []
        reference = self._batch_ref(batch.batch)
        effective = _given(batch.effective_ns)
        time_ns = batch.at_ns if effective is None else effective
        nodes = batch.nodes if isinstance(batch.nodes, list) else []
        fields = format_fields(batch_ref=reference, event=batch.event, ledger_index=index, test=batch.test is True)
        return [
            f"batch,{self._batch_tags(reference, batch.event, node)} {fields} {time_ns}".encode()
            for node in sorted({node.node for node in nodes}) or [""]
        ]

    def _batch_tags(self, reference: int, event: str, node: str) -> str:
        return format_tags(cause=event, copy=str(reference), equipment=node, gateway=self._gateway)

    def _clock(self, index: int, clock: Clock) -> bytes:
        tags = format_tags(cause=clock.trigger, gateway=self._gateway)
        fields = format_fields(
            bound_ns=_given(clock.bound_ns),
            ledger_index=index,
            offset_ns=_given(clock.offset_ns),
            source=clock.source,
            state=clock.state,
            stratum=_given(clock.stratum),
        )
        return f"clock,{tags} {fields} {clock.at_ns}".encode()


def _given(value: _Value | UnsetType) -> _Value | None:
    return None if isinstance(value, UnsetType) else value


def _edge_ns(edge: GapEdge | UnsetType) -> int | None:
    if isinstance(edge, UnsetType):
        return None
    source = _given(edge.source_ns)
    return _given(edge.received_ns) if source is None else source
