"""Telemetry: the Prometheus exposition of `interface.md` 6, collected when it is asked for.

Labels are source, sink, quality, cause, level and task only; never signal, batch, client or person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX: Final = "gateway_"
COMMIT_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
LEAF_BUCKETS: Final = (1, 10, 50, 100, 500, 1_000, 5_000, 10_000)
STALL_BUCKETS_S: Final = (0.01, 0.03, 0.05, 0.1, 0.5, 1.0, 5.0)


class Figure(Struct, frozen=True):
    """One metric as it stands now: its name without prefix, help, type, label name and the values by label.

    ``label`` empty: one value under the key ``""``.
    """

    name: str
    text: str
    kind: str
    values: Mapping[str, float]
    label: str = ""


class Telemetry:
    """Collects figures from the parts that own them; owns the histograms itself."""

    def __init__(self, collect: Callable[[], Iterable[Figure]]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(collect))
        self._commit_s = self._histogram(
            "commit_duration_seconds", "From closing a pool to its settling", COMMIT_BUCKETS_S
        )
        self._commit_leaves = self._histogram("commit_leaves", "Leaves of one commit", LEAF_BUCKETS)
        self._stall_s = self._histogram("loop_stall_seconds", "How late the event loop turned", STALL_BUCKETS_S)

    def committed(self, leaves: int, seconds: float) -> None:
        """Count one commit."""
        self._commit_s.observe(seconds)
        self._commit_leaves.observe(leaves)

    def stalled(self, seconds: float) -> None:
        """Count how late the loop came back."""
        self._stall_s.observe(seconds)

    def exposition(self) -> bytes:
        """Return the text format, version 0.0.4."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(PREFIX + name, text, registry=self._registry, buckets=tuple(buckets))


class _Figures(Collector):
    def __init__(self, collect: Callable[[], Iterable[Figure]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        for figure in self._collect():
            labels = [figure.label] if figure.label else []
            family: CounterMetricFamily | GaugeMetricFamily
            if figure.kind == "counter":
                family = CounterMetricFamily(PREFIX + figure.name, figure.text, labels=labels)
            else:
                family = GaugeMetricFamily(PREFIX + figure.name, figure.text, labels=labels)
            for label, value in sorted(figure.values.items()):
                family.add_metric([label] if figure.label else [], value)
            yield family
