"""Zone: the plant's time zone, from our own pinned zone data."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class PlantZone:
    """Implements `gateway.pipeline.clock_watch.Zone`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._zone = ZoneInfo(name)

    def offset_s(self, wall_ns: int) -> int:
        """Return the offset from UTC in force, seconds."""
        offset = datetime.fromtimestamp(wall_ns / 1e9, UTC).astimezone(self._zone).utcoffset()
        assert offset is not None, "every zone has an offset"
        return int(offset.total_seconds())
