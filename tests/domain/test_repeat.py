from __future__ import annotations

import pytest

from gateway.domain.repeat import TransportKey, format_transport_key, parse_transport_key, topic_of, value_key

KEY = TransportKey(3, 17, "ab" * 32, "plant/f-07/temp")


def test_transport_key_comes_back_with_the_slashes_of_its_topic() -> None:
    text = format_transport_key(KEY)
    assert text == f"mqtt/3/17/{'ab' * 32}/plant/f-07/temp"
    assert parse_transport_key(text) == KEY


@pytest.mark.parametrize("text", ["", "mqtt", "opcua/3/17/x/y", "mqtt/-3/17/x/y", "mqtt/3/q/x/y", "f-07/temp|5|9|1.0"])
def test_another_kind_of_key_is_no_transport_key(text: str) -> None:
    assert parse_transport_key(text) is None


def test_value_key_tells_two_values_apart_by_each_of_its_parts() -> None:
    parts = [
        ("a", 5, "9", "1.0"),
        ("b", 5, "9", "1.0"),
        ("a", None, "9", "1.0"),
        ("a", 5, "", "1.0"),
        ("a", 5, "9", "1"),
    ]
    assert value_key(*parts[0]) == "a|5|9|1.0"
    assert len({value_key(*each) for each in parts}) == len(parts)


def test_topic_ends_where_the_path_begins() -> None:
    assert topic_of("plant/f-07/temp#sensors[0].value") == "plant/f-07/temp"
    assert topic_of("plant/f-07/temp") == "plant/f-07/temp"
