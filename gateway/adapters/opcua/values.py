"""Values from wire to `Sample`: times in ns from 100 ns ticks, flags from status bits. Nothing is judged here."""

from __future__ import annotations

from gateway.adapters.opcua.wire import WireValue
from gateway.domain.sample import Provenance, Sample

TICKS_1970 = 116_444_736_000_000_000
TICKS_9999 = 2_650_467_743_990_000_000
"""9999-12-31 23:59:59: from here on a server means 'no time' (OPC 10000-6, DateTime), as it does by 0."""

OVERFLOW = 0x480
_INFO_TYPE, _DATA_VALUE = 0xC00, 0x400
_LIMIT_LOW, _LIMIT_HIGH = 0x100, 0x200


def time_ns(ticks: int | None) -> int | None:
    """Return ns since 1970; None for null, 1601 and 9999, which are no times."""
    if ticks is None or ticks <= 0 or ticks >= TICKS_9999:
        return None
    return (ticks - TICKS_1970) * 100


def overflowed(status: int) -> bool:
    """Tell whether values before this one fell out of the server's queue; the value itself is as good as it says."""
    return status & (_INFO_TYPE | 0x80) == OVERFLOW


def status_flags(status: int) -> tuple[str, ...]:
    """Return the sorted flags of a status code: limit bits and overflow mean something only with info type DataValue."""
    if status & _INFO_TYPE != _DATA_VALUE:
        return ()
    flags: list[str] = []
    if status & _LIMIT_HIGH:
        flags.append("limit_high")
    if status & _LIMIT_LOW:
        flags.append("limit_low")
    if status & 0x80:
        flags.append("overflow")
    return tuple(flags)


def make_sample(
    address: str,
    value: WireValue,
    *,
    received_ns: int,
    boot_ns: int,
    provenance: Provenance = Provenance.LIVE,
    came_from: str | None = None,
    part: int = 0,
    extra_flags: tuple[str, ...] = (),
) -> Sample:
    """Return the sample of one DataValue; all times ns."""
    flags = status_flags(value.status) if value.status else ()
    return Sample(
        address=address,
        raw=value.raw,
        status=value.status,
        provenance=provenance,
        came_from=came_from,
        flags=tuple(sorted((*flags, *extra_flags))) if extra_flags else flags,
        source_ns=time_ns(value.source_ticks),
        server_ns=time_ns(value.server_ticks),
        received_ns=received_ns,
        boot_ns=boot_ns,
        part=part,
    )
