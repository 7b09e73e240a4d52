"""Plans and samples for tests of decoding."""

from __future__ import annotations

import struct

from gateway.domain.plan import SignalPlan
from gateway.domain.sample import Raw, Sample


def plan(**keys) -> SignalPlan:
    whole = {
        "id": "D-1/x",
        "device": "D-1",
        "source": "line1",
        "address": "a",
        "node": "N-1",
        "room": None,
        "title": "x",
        "profile": "generic/x@1",
        "profile_sha256": "0" * 64,
        "measure": "analog",
        "type": "double",
        "unit": "Cel",
        "acquire": {},
        "expected_ns": 10**10,
        "stale_ns": 2 * 10**10,
        "criticality": "supporting",
        "relevance": "cpp",
    }
    return SignalPlan(**(whole | keys))


def sample(raw: Raw, **keys) -> Sample:
    return Sample(**({"address": "a", "raw": raw, "received_ns": 10**18, "boot_ns": 0} | keys))


def f32(value: float) -> Raw:
    return Raw("f32", struct.pack(">f", value).hex())


def f64(value: float) -> Raw:
    return Raw("f64", struct.pack(">d", value).hex())


def num(text: str) -> Raw:
    return Raw("num", text)
