from __future__ import annotations

import json

import jsonschema
import pytest

from gateway.config.schema import KINDS, format_schema, schema_of
from gateway.config.yaml_file import load_yaml
from tests.config.example import CLIENTS, GATEWAY, LIMITS, PLANT, REACTOR, ROOM, example
from tests.paths import ROOT


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_what_the_models_say(kind):
    committed = (ROOT / "config" / "schema" / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert committed == format_schema(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_each_schema_is_a_schema(kind):
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (GATEWAY, "gateway"),
        (PLANT, "plant"),
        (LIMITS, "limits"),
        (CLIENTS, "clients"),
        (REACTOR, "profile"),
        (ROOM, "profile"),
    ],
)
def test_the_worked_example_fits_its_schema(name, kind):
    tree = load_yaml(name, example()[name]).tree
    jsonschema.Draft202012Validator(schema_of(kind)).validate(json.loads(json.dumps(tree, default=float)))


def test_a_typo_breaks_the_schema_too():
    tree = load_yaml(PLANT, example()[PLANT].replace(b"serial: E-5521", b"seriel: E-5521")).tree
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema_of("plant")).validate(json.loads(json.dumps(tree, default=float)))


def _blocks(schema):
    yield schema
    yield from schema.get("$defs", {}).values()


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_says_what_it_means(kind):
    for block in _blocks(schema_of(kind)):
        for key, value in block.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, (kind, block.get("title"), key)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_key_is_no_value_in_the_schema_either(kind):
    assert '"null"' not in format_schema(kind)
