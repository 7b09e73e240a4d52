"""Addresses: every form of the profile page, and `ns=` refused."""

from __future__ import annotations

import uuid

import pytest
from asyncua import ua

from gateway.adapters.opcua.addresses import bind, browse_path, format_address, parse_address
from gateway.errors import SourceRefused

SPACES = ("http://opcfoundation.org/UA/", "urn:server", "urn:plant")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("nsu=urn:plant;s=BR201.Temp", ua.NodeId("BR201.Temp", 2)),
        ("nsu=urn:plant;s=a;b=c#d", ua.NodeId("a;b=c#d", 2)),
        ("nsu=urn:server;i=5001", ua.NodeId(5001, 1)),
        ("i=2258", ua.NodeId(2258, 0)),
        (
            "nsu=urn:plant;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            ua.NodeId(uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"), 2),
        ),
        ("nsu=urn:plant;b=AAE=", ua.NodeId(b"\0\1", 2)),
    ],
)
def test_di_02_each_form_is_bound_by_uri(text: str, node: ua.NodeId) -> None:
    address = parse_address(text)
    assert bind(address, SPACES) == node
    assert format_address(node, SPACES) == text


def test_di_02_trap_shifted_namespace_follows_the_uri() -> None:
    address = parse_address("nsu=urn:plant;s=T")
    assert bind(address, (*SPACES[:2], "urn:new", "urn:plant")) == ua.NodeId("T", 3)
    assert bind(address, SPACES[:2]) is None


@pytest.mark.parametrize(
    "text", ["ns=2;s=T", "T", "nsu=urn:plant;", "nsu=urn:plant;s=", "i=x", "i=-1", "g=1", "b=?", "path:/a//b"]
)
def test_us_08_what_is_no_address_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(SourceRefused) as refused:
        parse_address(text)
    assert refused.value.code == "REF-01"
    assert refused.value.remedy


def test_paths_are_translated_in_their_namespace() -> None:
    address = parse_address("nsu=urn:plant;path:/Plant/Line&/1/T")
    assert address.steps == ("Plant", "Line/1", "T")
    path = browse_path(address, SPACES)
    assert path is not None
    assert [one.TargetName for one in path.RelativePath.Elements] == [
        ua.QualifiedName(step, 2) for step in ("Plant", "Line/1", "T")
    ]
    assert browse_path(address, SPACES[:1]) is None
    assert bind(address, SPACES) is None
