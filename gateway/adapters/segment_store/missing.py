"""Why a record cannot be read: the file that should hold it, where it is damaged, or where the files end."""

from __future__ import annotations

from gateway.adapters.segment_store.layout import Layout, SegmentName
from gateway.adapters.segment_store.unpacked import read_segment
from gateway.errors import EvidenceRefused
from gateway.ledger.frame import HEADER_SIZE, parse_frame, parse_frame_header
from gateway.ledger.segment import FILE_HEADER_SIZE

RESTORE = "restore this file from backup or mirror; gateway verify names every damaged record"


def missing_record(layout: Layout, index: int) -> EvidenceRefused:
    """Return the error to raise for a record that should be stored and cannot be read; `LedgerDoubt` for a bad packed file."""
    names = layout.segments()
    before = [name for name in names if name.first <= index]
    if not before:
        stored = f"the first that is stored is {names[0].first:,}" if names else "seg/ holds no segment file"
        return EvidenceRefused(
            f"record {index:,}: {stored}", remedy="its proof went with the export made before pruning"
        )
    name = before[-1]
    offset, first, problem = _walk(layout, name, index)
    if problem:
        return EvidenceRefused(
            f"damaged: seg/{name.text} offset {offset:,}, from record {first:,} on: {problem}", remedy=RESTORE
        )
    return EvidenceRefused(
        f"record {index:,}: seg/{name.text} ends before record {first:,}", remedy=f"if it was cut: {RESTORE}"
    )


def _walk(layout: Layout, name: SegmentName, index: int) -> tuple[int, int, str]:
    """Return offset and first record of the frame that cannot be read, or of the end, and what is wrong there."""
    content = read_segment(layout.segment(name), packed=name.packed)
    offset, first = FILE_HEADER_SIZE, name.first
    while first <= index and offset < len(content):
        if offset + HEADER_SIZE > len(content):
            return offset, first, "a frame is cut"
        try:
            header = parse_frame_header(content, offset)
            if header.first != first:
                return offset, first, f"a frame of record {header.first:,} stands there"
            if offset + header.length > len(content):
                return offset, first, "a frame is cut"
            parse_frame(content, offset)
        except EvidenceRefused as error:
            return offset, first, error.text
        offset, first = offset + header.length, first + header.n
    return offset, first, ""
