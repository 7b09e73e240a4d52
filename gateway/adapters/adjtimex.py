"""The kernel's own word on the wall clock: adjtimex(2) by ctypes, asking only, never setting."""

from __future__ import annotations

import ctypes
from typing import Final

from gateway.ports import ClockReport

_UNSYNCHRONISED: Final = 0x40
_NANO: Final = 0x2000
_ERROR: Final = 5
_LEAP: Final = {1: "insert", 2: "delete"}
_MICRO_NS: Final = 1000


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


def ask_kernel() -> ClockReport:
    """Return what adjtimex says; a kernel that does not answer is source ``none``, not synchronised."""
    answer = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(answer))
    except (OSError, AttributeError):
        return ClockReport(source="none", synchronised=False)
    if state < 0:
        return ClockReport(source="none", synchronised=False)
    offset = answer.offset if answer.status & _NANO else answer.offset * _MICRO_NS
    return ClockReport(
        source="adjtimex",
        synchronised=state != _ERROR and not answer.status & _UNSYNCHRONISED,
        offset_ns=offset,
        bound_ns=answer.maxerror * _MICRO_NS,
        freq_ppb=answer.freq * 1000 >> 16,
        leap=_LEAP.get(state, "none"),
        tai_s=answer.tai or None,
    )
