"""The demo's forgery: exactly one byte of exactly one member differs, and it is a digit of a temperature."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from gateway.cli.demo_story.acts import NotHeld
from gateway.cli.demo_story.proof import change_one_byte, content_root
from gateway.ledger.disclosed import format_disclosed
from gateway.ledger.merkle import hash_leaf, hash_node


def bundle(entries: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"root": "93953eab", "count": 2}))
        archive.writestr("entries.bin", entries)
    return target.getvalue()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


ROOM = b'{"v":1,"kind":"reading","signal":"R-1-ENV/temp","config":"c","n":1,"value":20.41,"raw":{"dec":"20.41"}}'
FREEZER = b'{"v":1,"kind":"reading","signal":"FRZ-01/temp","config":"c","n":1,"value":-28.69,"raw":{"f64":"00"}}'


@pytest.mark.parametrize("freezer", [FREEZER, FREEZER.replace(b"-28.69", b"-29"), FREEZER.replace(b"-28.69", b"9")])
def test_one_digit_of_one_temperature_differs(freezer):
    before = bundle(b"\x00\x01salt" + ROOM + b"\x00\x01salt" + freezer)
    after = members(change_one_byte(before))
    old = members(before)
    assert after["manifest.json"] == old["manifest.json"]
    differing = [at for at, (a, b) in enumerate(zip(old["entries.bin"], after["entries.bin"], strict=True)) if a != b]
    assert len(differing) == 1
    assert differing[0] > old["entries.bin"].index(b"FRZ-01/temp")
    assert chr(after["entries.bin"][differing[0]]).isdigit()


def test_a_bundle_without_a_temperature_cannot_stand_for_the_forgery():
    with pytest.raises(NotHeld, match="FRZ-01/temp"):
        change_one_byte(bundle(ROOM))


def test_content_root_is_the_tree_of_the_leaves_in_ledger_order():
    entries = [(3, b"\x00" * 16 + ROOM), (7, b"\x01" * 16 + FREEZER), (9, b"\x02" * 16 + ROOM)]
    root, count = content_root(bundle(format_disclosed(entries)))
    first, second, third = (hash_leaf(entry) for _, entry in entries)
    assert (root, count) == (hash_node(hash_node(first, second), third).hex(), 3)
    with pytest.raises(NotHeld, match="cut short"):
        content_root(bundle(format_disclosed(entries)[:-1]))
