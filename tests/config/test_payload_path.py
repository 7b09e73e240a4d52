from __future__ import annotations

import pytest

from gateway.config.payload_path import path_problem


@pytest.mark.parametrize(
    "path",
    [
        "t",
        "@",
        "a.b[0].c",
        "a[-1]",
        '"temperature:0".tC',
        "ch[?id=='0.5'].ft3 | [0]",
        "ch[?id!='0.5'].ft3 | [0]",
        "ch[?n==`5`].v | [0]",
        "uplink_message.decoded_payload.temp",
    ],
)
def test_reviewable_paths_are_allowed(path):
    assert path_problem(path) is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("length(a)", "a function is not allowed in a mapping"),
        ("a[*].b", "a list projection is not allowed in a mapping"),
        ("a.*", "a value projection is not allowed in a mapping"),
        ("a[]", "a list projection is not allowed in a mapping"),
        ("a[0:2]", "a list projection is not allowed in a mapping"),
        ("{a: b}", "a multi-select hash is not allowed in a mapping"),
        ("[a, b]", "a multi-select list is not allowed in a mapping"),
        ("a || b", "|| is not allowed in a mapping"),
        ("a && b", "&& is not allowed in a mapping"),
        ("!a", "! is not allowed in a mapping"),
        ("a[?x>`1`]", "the comparison gt is not allowed in a mapping"),
        ("a[?x=='1' && y=='2']", "&& is not allowed in a mapping"),
        ("a[?x==`1.5`]", "a literal that is neither text nor integer is not allowed in a mapping"),
        ("a[?x==`true`]", "a literal that is neither text nor integer is not allowed in a mapping"),
        ("'fixed'", "a literal outside a filter is not allowed in a mapping"),
        ("sort_by(a, &b)", "a function is not allowed in a mapping"),
    ],
)
def test_what_cannot_be_reviewed_is_refused(path, message):
    assert path_problem(path) == ("MAP-02", message)


@pytest.mark.parametrize(("path", "place"), [("a ||", 5), ("a[", 3), ("$x", 1), ("a b", 3), ("", 1)])
def test_a_path_that_is_none_says_where(path, place):
    found = path_problem(path)
    assert found.id == "MAP-01"
    assert found.message.startswith("JMESPath: ")
    assert found.message.endswith(f" at character {place}")


def test_paths_are_short():
    assert path_problem("a" * 200) is None
    assert path_problem("a" * 201).message == "JMESPath: longer than 200 characters at character 201"
