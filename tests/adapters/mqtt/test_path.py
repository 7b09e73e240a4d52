"""Payload paths: the allowed subset finds what JMESPath finds, everything else is refused at load."""

from __future__ import annotations

import json
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.mqtt.json_payload import format_tree, parse_json
from gateway.adapters.mqtt.path import MISSING, compile_path, plain_name
from gateway.errors import SourceRefused

PAYLOAD = {
    "t": 21.5,
    "a": {"b": {"c": "deep"}, "l": [1, 2, {"x": 7}]},
    "ch": [{"id": "0.5", "ft3": 3520}, {"id": "5.0", "ft3": 29}, {"id": 5, "ft3": 1}, {"ft3": 2}],
    "odd name": True,
    "none": None,
}

PATHS = [
    "t",
    "@",
    "a.b.c",
    "a.l[0]",
    "a.l[-1].x",
    '"odd name"',
    "ch[?id=='0.5'].ft3 | [0]",
    "ch[?id=='5.0'].ft3 | [0]",
    "ch[?id==`5`].ft3 | [0]",
    "ch[?id!='0.5'].ft3",
    "ch[?id=='0.5'] | [0].ft3",
    "a | b | c",
    "a.l[2] | x",
]


def seen(path: str, payload: Any) -> Any:
    return json.loads(format_tree(compile_path(path)(parse_json(json.dumps(payload).encode()))))


@pytest.mark.parametrize("path", PATHS)
def test_path_finds_what_jmespath_finds(path: str) -> None:
    assert seen(path, PAYLOAD) == jmespath.search(path, PAYLOAD)


@pytest.mark.parametrize("path", ["x", "a.x.y", "a.l[9]", "t.x", "ch[?id=='9'].ft3 | [0]", "t[0]", "a[?x=='1']"])
def test_what_is_not_there_is_missing_and_not_null(path: str) -> None:
    assert compile_path(path)(parse_json(json.dumps(PAYLOAD).encode())) is MISSING


def test_null_is_there() -> None:
    assert compile_path("none")(parse_json(b'{"none":null}')) is None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a[", "MAP-01"),
        ("", "MAP-01"),
        ("a..b", "MAP-01"),
        ("ch[*].ft3", "MAP-02"),
        ("ch[].ft3", "MAP-02"),
        ("ch[0:2]", "MAP-02"),
        ("length(ch)", "MAP-02"),
        ("[a, b]", "MAP-02"),
        ("{x: a}", "MAP-02"),
        ("a || b", "MAP-02"),
        ("ch[?id>`1`]", "MAP-02"),
        ("ch[?id==`1.5`]", "MAP-02"),
        ("ch[?id==`true`]", "MAP-02"),
        ("ch[?id==ft3]", "MAP-02"),
        ("ch[?id]", "MAP-02"),
        ("a.*", "MAP-02"),
        ("a" * 201, "MAP-02"),
    ],
)
def test_more_than_the_subset_is_refused(path: str, code: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        compile_path(path)
    assert caught.value.code == code


def test_plain_name_is_known_for_the_fast_way() -> None:
    assert plain_name("t") == "t"
    assert plain_name('"odd name"') == "odd name"
    assert plain_name("a.b") is None
    assert plain_name("a[") is None


@given(
    st.dictionaries(st.sampled_from("abc"), st.recursive(st.integers() | st.text(), lambda x: st.lists(x, max_size=3)))
)
def test_any_member_is_found(payload: dict[str, Any]) -> None:
    for name, value in payload.items():
        assert seen(name, payload) == value
