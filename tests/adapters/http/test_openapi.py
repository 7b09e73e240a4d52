"""The committed description of the REST API is what the models and the routes say."""

from __future__ import annotations

import json

import jsonschema
import pytest
from starlette.routing import Route

from gateway.adapters.http.api import Api
from gateway.adapters.http.openapi import OPERATIONS, document, format_document
from gateway.adapters.machine_accounts import SCOPES
from tests.paths import ROOT


class Nobody:
    """A gate and desks that no route reaches here."""

    def guard(self, handler):
        return handler


def test_the_committed_description_is_what_the_models_say():
    committed = (ROOT / "docs" / "formats" / "openapi.json").read_text(encoding="utf-8")
    assert committed == format_document(), "write format_document() to docs/formats/openapi.json, add a changelog line"


def test_each_route_is_described_and_nothing_else():
    nobody = Nobody()
    routes = Api(*[nobody] * 10).application().routes
    served = {
        (one.path.replace(":path", ""), method.lower())
        for one in routes
        if isinstance(one, Route)
        for method in one.methods
    }
    described = {(one.path, one.method) for one in OPERATIONS}
    assert {pair for pair in served if pair[1] != "head"} == described


def test_each_scope_is_one_that_an_account_may_have():
    fixed = {one.scope for one in OPERATIONS if one.scope and "{" not in one.scope}
    assert fixed <= SCOPES


@pytest.mark.parametrize("name", sorted(document()["components"]["schemas"]))
def test_each_schema_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(document()["components"]["schemas"][name])


def test_each_reference_leads_somewhere():
    text = json.dumps(document())
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names
    assert names <= document()["components"]["schemas"].keys()


def test_operation_ids_are_unique():
    ids = [each["operationId"] for path in document()["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
