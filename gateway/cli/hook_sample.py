"""A whole deviation event, marked as a test, for receivers to be tried with; checked against the published models."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from gateway.pipeline.event_body import BODY_BYTES_MAX

_TEMPLATE: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "",
    "source": "urn:gw:sample:gw-00",
    "subject": "",
    "type": "gxp.gateway.deviation.opened.v1",
    "time": "2026-11-22T05:11:00.000Z",
    "datacontenttype": "application/json",
    "dataschema": "urn:gxp:gateway:schema:deviation:v1",
    "sequence": "1",
    "data": {
        "deviation_id": "",
        "revision": 1,
        "lifecycle": "opened",
        "state": "open",
        "test": True,
        "scope": "site",
        "title": "COLD-2 temperature above 8.0 Cel since 05:00:00Z",
        "description": "Required: at most 8.0 Cel. Observed: 9.25 Cel, above the limit for 11 min 00 s.",
        "event_class": "equipment",
        "severity_proposed": "major",
        "severity_basis": ["SEV-1"],
        "occurred_at": "2026-11-22T05:00:00.000Z",
        "detected_at": "2026-11-22T05:10:00.120Z",
        "reported_at": "2026-11-22T05:11:00.000Z",
        "ended_at": None,
        "timezone": "Europe/Vienna",
        "site": "sample",
        "area": "WH-2",
        "room": "R-21",
        "equipment": {"id": "COLD-2", "qualified_until": "2027-03-31"},
        "signal": {
            "id": "COLD-2/temp",
            "quantity": "temperature",
            "unit": "Cel",
            "profile": "vaisala/rfl100@2",
            "serial": "K1030021",
            "calibration": {"state": "valid", "due": "2027-03-02", "certificate": "CAL-26-0917"},
        },
        "requirement": {
            "condition": "COLD-2/temp:high.action",
            "level": "action",
            "operator": "gt",
            "value": 8.0,
            "unit": "Cel",
            "hysteresis": 0.5,
            "on_delay_s": 600,
            "off_delay_s": 60,
            "spec": None,
            "document": "SPEC-0102 rev 2",
            "limits": "COLD-2-8@1",
            "config_hash": "1e28f6dba8456d2c98ef3da5bda8d2793bd76ef221a3bff70fa8d2beb0b8adc2",
        },
        "observed": {
            "first": 8.25,
            "extreme": 9.25,
            "extreme_at": "2026-11-22T05:09:00.000Z",
            "last": 6.5,
            "duration_s": 660.0,
            "breach_s": 600.0,
            "unknown_s": 0.0,
            "readings_out": 11,
            "crossings": 1,
            "degree_minutes": 8.125,
            "mkt": None,
            "budgets": [],
            "hour_before": None,
        },
        "excursions": [
            {
                "id": "EXC-AB23CD45",
                "condition": "COLD-2/temp:high.action",
                "level": "action",
                "t0": "2026-11-22T05:00:00.000Z",
                "t1": None,
            }
        ],
        "batches": [
            {
                "batch_id": "B-77",
                "client": "C-003",
                "product": "P-5",
                "lot": "L-19",
                "use": "storage",
                "phase": None,
                "membership": "open",
                "overlap_s": 300.0,
            }
        ],
        "data_quality": {
            "completeness_pct": 100.0,
            "gap_s": 0.0,
            "bad_s": 0.0,
            "uncertain_s": 0.0,
            "clock_error_ms": 12,
            "doubts": [],
        },
        "acknowledgement": None,
        "initiator": {"gateway": "gw-07", "build": "1.0.0", "duty": "P-000031"},
        "correlation": {"parent": None, "previous": None, "repeats_30d": 1},
        "evidence": {
            "origin": "acme.example/basel/gw-01",
            "first": 2,
            "last": 5,
            "leaf_index": 5,
            "leaf_hash": "titKMgICsOKMU2xsqpCUaBJrhBJrGqomWuH3PAvxkVY=",
            "tree_size": 16,
            "root_hash": "pd+/kel3JnyMKjlcf7Liu3XfwRr5bH2yAXg33SKVmPM=",
            "inclusion_proof": [
                "JnVR27/qWdRfICNr+yeplqVQsg3PwF1wxhiimSGWBpQ=",
                "vuGZZ1QU+GfsEdL+ThoNOURlOhVrl34aAPmccgBylbM=",
                "NDC61ILtE+lT7neDvTMqUlmnnfErkgO+kR0mRt1ydyQ=",
                "m7SYU/IufwhGEEaaxbmyN6atxRFRJVBIcZlLszeZMbo=",
            ],
            "checkpoint": "acme.example/basel/gw-01\n"
            "16\n"
            "pd+/kel3JnyMKjlcf7Liu3XfwRr5bH2yAXg33SKVmPM=\n"
            "\n"
            "— acme.example/basel/gw-01 "
            "wEVkzd3f05rlr7ZgW/hI4l9n/kh5ubQLSU0d6veqc0CuOMi79tg6UPOry/TlSkiSFYeOrcwlZhzS83fKUX1fcHiS7Ak=\n",
            "key_id": "c04564cd",
            "cosigned_by": [],
            "timestamp_sha256": None,
            "bundle_url": "https://gw-07.plant.example/evidence/01010101.zip",
            "bundle_sha256": "0101010101010101010101010101010101010101010101010101010101010101",
            "bundle_bytes": 40001,
        },
        "links": {
            "deviation": "https://gw-07.plant.example/deviations/DEV-gw07-000012",
            "chart": "https://gw-07.plant.example/evidence/01010101.svg",
        },
    },
}


_ENDED: Final = {"state": "returned", "ended_at": "2026-11-22T05:11:00.000Z"}
SAMPLES: Final[dict[str, dict[str, Any]]] = {
    "deviation.opened": {},
    "deviation.updated": {},
    "deviation.acknowledged": {
        "acknowledgement": {
            "person": "P-000031",
            "role": "operator",
            "at": "2026-11-22T05:10:30.000Z",
            "reason": "equipment_event",
            "comment": "door not latched, closed",
        }
    },
    "deviation.annotated": {},
    "deviation.condition_ended": _ENDED,
    "deviation.superseded": {"state": "superseded"},
    "deviation.retracted": {"state": "retracted"},
}
"""Kind of event → what its data says otherwise than that of one just opened."""


def sample_of(kind: str) -> dict[str, Any]:
    """Return a sample of a kind of event; all but the first of a deviation are its second revision."""
    word = kind.partition(".")[2]
    event = sample_event(1, 1 if word == "opened" else 2, **{**SAMPLES[kind], "lifecycle": word})
    event["type"] = f"gxp.gateway.{kind}.v1"
    event["time"] = "2026-11-22T05:11:00.412Z"
    if event["data"]["ended_at"] is not None:
        event["data"]["excursions"][0]["t1"] = event["data"]["ended_at"]
    return event


def sample_event(number: int, revision: int, **changes: Any) -> dict[str, Any]:
    """Return the event of one revision of sample deviation ``number``; ``changes`` replace members of `data`."""
    event = copy.deepcopy(_TEMPLATE)
    deviation = f"DEV-gw00-T{number:06d}"
    event |= {
        "id": f"gw-00:dev:T{number:06d}:{revision}",
        "subject": f"deviation/{deviation}",
        "sequence": str(revision),
    }
    event["data"] |= {"deviation_id": deviation, "revision": revision, **changes}
    if revision > 1 and "lifecycle" not in changes:
        event["type"] = "gxp.gateway.deviation.updated.v1"
        event["data"]["lifecycle"] = "updated"
    return event


def format_sample(event: dict[str, Any]) -> bytes:
    """Return the wire form: ASCII, no spaces."""
    return json.dumps(event, ensure_ascii=True, separators=(",", ":")).encode()


def largest_event(number: int) -> dict[str, Any]:
    """Return an event of exactly 20,000 bytes: fifty batches with long product codes."""
    batch = {**_TEMPLATE["data"]["batches"][0], "product": ""}
    event = sample_event(number, 1, batches=[dict(batch) for _ in range(50)])
    room, more = divmod(BODY_BYTES_MAX - len(format_sample(event)), 50)
    for place, one in enumerate(event["data"]["batches"]):
        one["product"] = "P" * (room + (place < more))
    return event
