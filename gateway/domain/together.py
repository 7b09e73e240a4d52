"""Together: which samples of one message come from one record, so that conditions look at their own and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.domain.sample import Sample


def together(samples: Sequence[Sample]) -> Iterator[tuple[Sample, ...]]:
    """Yield the samples record by record: a new one begins where an address comes again or the source time changes.

    Samples stand in record order, then field order, as the sources cut them.
    """
    group: list[Sample] = []
    seen: set[str] = set()
    for sample in samples:
        if group and (sample.address in seen or sample.source_ns != group[0].source_ns):
            yield tuple(group)
            group, seen = [], set()
        group.append(sample)
        seen.add(sample.address)
    if group:
        yield tuple(group)
