"""The published contract: schemas and examples in `docs/` are what the models and the body builder make."""

from __future__ import annotations

import json
from typing import Any, get_args

import jsonschema
import pydantic
import pytest

from gateway.adapters.webhook import models
from gateway.adapters.webhook.models import EVENTS, check_body, event_schema
from gateway.adapters.webhook.schema_files import render_schema
from gateway.pipeline import event_data
from tests.adapters.webhook.event_examples import examples
from tests.paths import ROOT
from tests.pipeline.deviation_examples import published

FOLDER = ROOT / "docs/formats/events"
AGAIN = "run: python -m gateway.adapters.webhook.schema_files docs/formats/events"


@pytest.mark.parametrize("name", EVENTS)
def test_schema_files_are_those_of_the_models(name: str) -> None:
    assert (FOLDER / f"{name}.schema.json").read_text() == render_schema(name), AGAIN


@pytest.mark.parametrize(("name", "body"), examples().items())
def test_each_event_type_has_its_example_and_it_fits_models_and_schema(name: str, body: bytes) -> None:
    assert (FOLDER / f"examples/{name}.json").read_bytes() == body + b"\n"
    event = check_body(body)
    schema = event_schema(event.dataschema.split(":")[-2])
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))
    assert json.loads(event.model_dump_json(by_alias=True)) == json.loads(body)


def test_every_type_of_the_page_has_an_example() -> None:
    deviation = [f"deviation.{word}" for word in get_args(models.DeviationData.model_fields["lifecycle"].annotation)]
    others = ["data_gap.opened", "data_gap.closed", "system.raised", "system.cleared", "batch.sealed", "ping"]
    assert sorted(examples()) == sorted(deviation + others)
    assert sorted(path.stem for path in (FOLDER / "examples").iterdir()) == sorted(examples())


@pytest.mark.parametrize("number", [1, 2])
def test_published_examples_fit_the_models(number: int) -> None:
    check_body(published(number))


def test_models_are_closed_where_we_write_and_open_as_published() -> None:
    body = json.loads(examples()["ping"])
    body["data"]["extra"] = 1
    with pytest.raises(pydantic.ValidationError):
        check_body(json.dumps(body).encode())
    jsonschema.Draft202012Validator(event_schema("ping")).validate(body)
    body["sequence"] = "0"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(event_schema("ping")).validate(body)


def test_writer_and_models_have_the_same_members_in_the_same_order() -> None:
    pairs = {
        "Equipment": "Equipment",
        "CalibrationState": "Calibration",
        "SignalFacts": "Signal",
        "Spec": "Spec",
        "Requirement": "Requirement",
        "Budget": "Budget",
        "HourBefore": "HourBefore",
        "Observed": "Observed",
        "ExcursionFacts": "Excursion",
        "BatchFacts": "Batch",
        "More": "More",
        "DataQuality": "DataQuality",
        "Acknowledgement": "Acknowledgement",
        "Initiator": "Initiator",
        "Correlation": "Correlation",
        "Evidence": "Evidence",
        "Links": "Links",
        "DeviationData": "DeviationData",
        "GapData": "GapData",
        "SystemData": "SystemData",
        "BatchSealedData": "BatchSealedData",
        "PingData": "PingData",
        "Envelope": "DeviationEvent",
    }
    shapes = {name for name, shape in vars(event_data).items() if _is_shape(shape)}
    assert shapes - {"Shape"} == set(pairs)
    for shape, model in pairs.items():
        written = list(getattr(event_data, shape).__struct_fields__)
        assert list(getattr(models, model).model_fields) == written, shape


def _is_shape(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, event_data.Shape)
