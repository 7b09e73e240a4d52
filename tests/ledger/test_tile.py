"""Tile paths, widths and the reader that returns nothing it has not authenticated."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.frame import format_body, split_body
from gateway.ledger.merkle import full_node, hash_leaves, root_of
from gateway.ledger.note import open_note, parse_vkey
from gateway.ledger.proof import LeafReader, check_inclusion, prove_inclusion
from gateway.ledger.tile import (
    ENTRIES,
    Tile,
    TileReader,
    format_path,
    new_tiles,
    parse_path,
    split_hashes,
    tile_hash,
    tiles_of,
)
from tests.ledger.test_merkle import some_leaves
from tests.ledger.vector_files import vector
from tests.paths import shared

TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def test_us_01_tessera_log_at_every_size_byte_for_byte():
    folder = shared("vectors/tessera-log/checkpoint").parent
    entries = split_body((folder / "tile/entries/000.p/15").read_bytes(), 15)
    for size in range(16):
        note = open_note((folder / f"checkpoint.{size}").read_bytes(), [parse_vkey(TESSERA_KEY)], verify_line)
        checkpoint = parse_checkpoint(note.text)
        leaves = hash_leaves(entries[:size])
        assert (checkpoint.size, checkpoint.root) == (size, root_of(leaves))
        for tile in tiles_of(size, 0):
            assert (folder / format_path(tile)).read_bytes() == b"".join(leaves)
        for tile in tiles_of(size, ENTRIES):
            assert (folder / format_path(tile)).read_bytes() == format_body(entries[:size])


def test_us_01_tiles_of_the_worked_example():
    entries = split_body(vector("tile/entries/000.p/18"), 18)
    assert b"".join(hash_leaves(entries)) == vector("tile/0/000.p/18")
    assert hash_leaves(entries)[6].hex() == "134db89664e6c834973fbbb719282809593b8f096346432e05af737db8100f87"


def test_paths_of_others():
    for case in json.loads(vector("foreign.json"))["paths"]:
        level = ENTRIES if case["level"] == "entries" else case["level"]
        path = format_path(Tile(level, case["index"], case.get("partial", 256)))
        assert path == case["path"]
    assert format_path(Tile(0, 1234067)) == "tile/0/x001/x234/067"


@given(st.integers(-1, 7), st.integers(0, 10**15), st.integers(1, 256))
def test_paths_round_trip(level, number, width):
    tile = Tile(level, number, width)
    assert parse_path(format_path(tile)) == tile


@pytest.mark.parametrize(
    "path",
    ["tile/8/000", "tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/999", "tile/0/x000/001",
     "tile/0/001/002", "tile/entry/000", "../tile/0/000", "tile/0/000\n", "tile/0/" + "x001/" * 6 + "000"],
)  # fmt: skip
def test_other_paths_are_refused(path):
    with pytest.raises(EvidenceRefused, match="no tile path"):
        parse_path(path)


def test_size_70000_has_the_tiles_of_the_page():
    assert [len(tiles_of(70_000, level)) for level in range(3)] == [274, 2, 1]
    assert tiles_of(70_000, 0)[-1] == Tile(0, 273, 112)
    assert tiles_of(70_000, 1)[-1] == Tile(1, 1, 17)
    assert tiles_of(70_000, 2) == [Tile(2, 0, 1)]
    assert tiles_of(70_000, 3) == []
    assert new_tiles(65_535, 70_000) == [Tile(1, 0)]
    assert new_tiles(0, 65_535) == []
    assert len(new_tiles(0, 1 << 24)) == 256 + 1


def tile_files(leaves: list[bytes]) -> dict[Tile, bytes]:
    files: dict[Tile, bytes] = {}
    for level in range(8):
        nodes = leaves if not level else [full_node(leaves[i << 8 : (i + 1) << 8]) for i in range(len(leaves) >> 8)]
        leaves = nodes
        for tile in tiles_of(len(nodes), 0):
            files[tile._replace(level=level)] = b"".join(nodes[tile.number << 8 : (tile.number << 8) + tile.width])
    return files


LEAVES = some_leaves(66_000)
FILES = tile_files(LEAVES)


@pytest.mark.parametrize("index", [0, 255, 256, 65_535, 65_536, 65_999])
def test_us_01_reader_over_tiles_proves_what_the_tree_proves(index):
    root = root_of(LEAVES)
    reader = TileReader(len(LEAVES), root, FILES.__getitem__)
    proof = prove_inclusion(reader, index, len(LEAVES))
    assert proof == prove_inclusion(LeafReader(LEAVES), index, len(LEAVES))
    check_inclusion(index, len(LEAVES), root, LEAVES[index], proof)


def test_reader_refuses_a_tile_that_is_not_of_this_tree():
    root = root_of(LEAVES)
    for tile in (Tile(0, 3), Tile(1, 0), Tile(0, 257, 208), Tile(2, 0, 1)):
        changed = FILES | {tile: FILES[tile][:-1] + bytes([FILES[tile][-1] ^ 1])}
        with pytest.raises(EvidenceRefused):
            prove_inclusion(TileReader(len(LEAVES), root, changed.__getitem__), 800, len(LEAVES))
    short = FILES | {Tile(0, 3): FILES[Tile(0, 3)][:-32]}
    with pytest.raises(EvidenceRefused, match="has 255 hashes, not 256"):
        prove_inclusion(TileReader(len(LEAVES), root, short.__getitem__), 800, len(LEAVES))


def test_reader_reads_a_tile_of_level_0_again_after_many_others():
    read: list[Tile] = []

    def read_tile(tile):
        read.append(tile)
        return FILES[tile]

    reader, naive = TileReader(len(LEAVES), root_of(LEAVES), read_tile), LeafReader(LEAVES)
    for index in (*range(0, 40 * 256, 256), 0, 1):
        assert reader.node(0, index) == naive.node(0, index)
        assert reader.node(3, index >> 3) == naive.node(3, index >> 3)
    assert read.count(Tile(0, 0)) == 2
    assert read.count(Tile(0, 39)) == 1


def test_reader_knows_nodes_above_a_whole_tile():
    assert LeafReader(LEAVES).node(16, 0) == TileReader(66_000, root_of(LEAVES), FILES.__getitem__).node(16, 0)


def test_a_partial_tile_is_never_hashed_upward():
    assert tile_hash(FILES[Tile(0, 0)]) == full_node(LEAVES[:256])
    with pytest.raises(EvidenceRefused, match="not full"):
        tile_hash(FILES[Tile(0, 257, 208)])
    with pytest.raises(EvidenceRefused, match="no whole hashes"):
        split_hashes(b"x")
