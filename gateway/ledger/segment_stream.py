"""A segment file read piece by piece: header, then frame after frame, as long as every byte is in order.

What is wrong with a file that is not whole is said by `iterate_frames` over all its bytes; here one frame is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gateway.errors import EvidenceRefused
from gateway.ledger.frame import HEADER_SIZE, FrameHeader, parse_frame, parse_frame_header
from gateway.ledger.segment import FILE_HEADER_SIZE, FileHeader, PlacedFrame, parse_file_header


class SegmentStream:
    """Reads ``pieces``, the bytes of one file in order; any sizes. `header` comes first, then `frames`."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.length = 0
        """Bytes seen so far; of all when `frames` has ended."""
        self._pieces = iter(pieces)
        self._held = b""
        self._at = 0
        self._offset = 0

    def header(self) -> FileHeader:
        """Return the file's header; raise `EvidenceRefused` if there is none."""
        self._fill(FILE_HEADER_SIZE)
        header = parse_file_header(self._held)
        self._take(FILE_HEADER_SIZE)
        return header

    def frames(self, wanted: Callable[[FrameHeader], bool] | None = None) -> Iterator[PlacedFrame]:
        """Yield every frame, or only those whose headers are ``wanted``: the bodies of others are not looked at.

        Zeros to the end are free space. Raises `EvidenceRefused` at bytes that are no whole frame.
        """
        while self._fill(HEADER_SIZE):
            try:
                header = parse_frame_header(self._held, self._at)
            except EvidenceRefused:
                if self._only_zeros():
                    return
                raise
            length = header.length
            self._fill(length)
            if wanted is None or wanted(header):
                yield PlacedFrame(self._offset, length, parse_frame(self._held, self._at))
            self._take(length)

    def _take(self, length: int) -> None:
        self._at += length
        self._offset += length

    def _fill(self, length: int) -> bool:
        """Hold at least ``length`` bytes if the file has them; return whether it has any."""
        have = len(self._held) - self._at
        if have < length:
            parts = [self._held[self._at :]]
            for piece in self._pieces:
                parts.append(piece)
                self.length += len(piece)
                have += len(piece)
                if have >= length:
                    break
            self._held, self._at = b"".join(parts), 0
        return have > 0

    def _only_zeros(self) -> bool:
        """Say whether nothing but zeros is left; reads to the end."""
        if self._held[self._at :].strip(b"\0"):
            return False
        for piece in self._pieces:
            self.length += len(piece)
            if piece.strip(b"\0"):
                return False
        return True
