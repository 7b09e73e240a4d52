"""Segment store: the ledger's frames in append-only files on one local disk (`ledger.md` 3)."""

from gateway.adapters.segment_store.disk import Disk
from gateway.adapters.segment_store.layout import Layout
from gateway.adapters.segment_store.reader import SegmentReader
from gateway.adapters.segment_store.store import SegmentStore

__all__ = ["Disk", "Layout", "SegmentReader", "SegmentStore"]
