"""CloudEvents 1.0 as the reference library reads it: both modes give the same event."""

from __future__ import annotations

import json

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from gateway.pipeline.event_body import EventBody, format_event
from tests.pipeline import deviation_examples as page


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_qm_02_the_reference_library_reads_both_modes(mode: str) -> None:
    event = msgspec.structs.replace(page.example_1(), subject='batch/Ü "7" 5%')
    whole = json.loads(format_event(event).content)
    data = whole.pop("data")
    read = from_http_event(_message(format_event(event, mode=mode)))
    given = {name: value for name, value in read.get_attributes().items() if name != "time"}
    assert given == {name: value for name, value in whole.items() if name != "time"}
    assert read.get_attributes()["time"].isoformat(timespec="milliseconds") == "2026-11-22T03:06:20.412+00:00"
    assert read.get_data() == data


def _message(body: EventBody) -> HTTPMessage:
    return HTTPMessage(headers=body.headers, body=body.content)
