"""`/log`: the published log over HTTP is the export byte for byte, ends at the published checkpoint, and keeps records to their owner."""

from __future__ import annotations

import base64
import shutil

import pytest

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.export import export_tiles
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.note import parse_note
from gateway.ledger.proof import check_consistency
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading
from tests.fakes.log_server import log_server

FRAMES = (300, 33_000, 32_300, 700)
"""Entries of each run; an unclean stop after each."""
PUBLISHED = 65_600


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A log of 66,300 entries of which 65,600 are published; an unclean stop after 300."""
    path = tmp_path_factory.mktemp("log") / "ledger"
    size = 0
    for count in FRAMES:
        store = SegmentStore(
            path, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
        )
        tree, end = store.open().tree, size + count
        while size < end:
            pool = plan(tree, [reading(n) for n in range(size + 1, min(size + 1_500, end) + 1)])
            store.commit(pool.frames, [b"a side object"] if not size else [])
            tree, size = pool.head, pool.head.size
        if size <= PUBLISHED:
            store.publish(pool.frames[-1].note, size)
        store.save_policy(f"log {SEALER.vkey}\nquorum none\n")
        if size == 300:
            store.frozen.freeze(300, pool.frames[-1].note)
            store.frozen.save_token(300, b"token")
            store.frozen.freeze(PUBLISHED + 700, b"a note of a size not published")
        store.close()
    return path


@pytest.fixture
def ledger(made, tmp_path):
    shutil.copytree(made, tmp_path / "ledger")
    return tmp_path / "ledger"


def pulled(server, first: int, offset: int = 0) -> bytes:
    """All bytes of one file, part by part."""
    content = b""
    while True:
        answer = server.get(f"/log/segments/{first}?offset={offset + len(content)}", server.owner)
        if answer.status == 404:
            assert not content
            return b""
        assert answer.status == 200, answer.body
        if not answer.body:
            return content
        content += answer.body


def pack(ledger) -> None:
    store = SegmentStore(
        ledger, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    store.open()
    assert store.pack() == 0
    store.close()


@pytest.mark.parametrize("packed", [False, True])
def test_us_02_every_file_of_the_export_comes_over_http_byte_for_byte(ledger, tmp_path, packed):
    if packed:
        pack(ledger)
    folder = LedgerFolder(ledger)
    head = folder.published()
    export_tiles(folder.maker, head.note, head.checkpoint.size, tmp_path / "tiles")
    files = sorted(path for path in (tmp_path / "tiles").rglob("*") if path.is_file())
    with log_server(ledger, tmp_path) as server:
        for path in files[:: 7 if packed else 5] + files[-9:]:
            answer = server.get(f"/log/{path.relative_to(tmp_path / 'tiles')}", server.owner)
            assert (answer.status, answer.body) == (200, path.read_bytes()), path
    assert len(files) > 500


def test_nothing_beyond_the_published_checkpoint_is_shown(ledger, tmp_path):
    with log_server(ledger, tmp_path) as server:
        note = server.get("/log/checkpoint", server.viewer).body
        assert parse_checkpoint(parse_note(note).text).size == PUBLISHED
        for path in (
            "tile/0/256.p/65", "tile/0/256", "tile/0/258", "tile/1/001", "tile/1/001.p/1", "tile/entries/256.p/65", "tile/2/000",
            "segments/65600", f"cp/{PUBLISHED + 700}", f"cp/{PUBLISHED + 700}.tsr", "tile/0/999",
        ):  # fmt: skip
            assert server.get(f"/log/{path}", server.owner).status == 404, path
        assert server.get(f"/log/consistency?from=0&to={PUBLISHED + 1}", server.owner).status == 409
        whole = b"".join(pulled(server, first) for first in (0, 300, 33_300, 65_536))
        assert reading(65_600) in whole
        assert reading(65_601) not in whole


@pytest.mark.parametrize(
    "path", ["tile/0/1", "tile/0/0001", "tile/0/000.p/256", "tile/0/000.p/0", "tile/8/000", "tile/0/x000/001", "tile/", "tile/entries/../000"]
)  # fmt: skip
def test_a_tile_has_one_spelling(ledger, tmp_path, path):
    with log_server(ledger, tmp_path) as server:
        assert server.get(f"/log/{path}", server.owner).status == 404


def test_an_older_partial_tile_stays_available(ledger, tmp_path):
    with log_server(ledger, tmp_path) as server:
        older, newer = (server.get(f"/log/tile/0/256.p/{w}", server.viewer).body for w in (20, 64))
        assert len(older) == 20 * 32
        assert newer.startswith(older)
        below = server.get("/log/tile/1/000", server.viewer).body
        assert server.get("/log/tile/1/000.p/130", server.viewer).body == below[: 130 * 32]


TREE = ("checkpoint", "policy", "tile/0/000", "tile/1/000", "tile/0/256.p/64", "consistency?from=300&to=33300")
RECORDS = ("tile/entries/000", "tile/entries/256.p/64", "segments/0", "segments/0?offset=128", "blob/" + "0" * 64, "cp/300", "cp/300.tsr")  # fmt: skip


@pytest.mark.parametrize("open_tree", [False, True])
def test_open_tree_opens_hashes_alone_and_records_need_the_right_to_export(ledger, tmp_path, open_tree):
    with log_server(ledger, tmp_path, open_tree=open_tree) as server:
        for path in TREE:
            assert server.get(f"/log/{path}").status == (200 if open_tree else 401), path
            assert server.get(f"/log/{path}", server.viewer).status == 200, path
        assert len(server.refusals) == (0 if open_tree else len(TREE)), "each refusal is recorded"
        for path in RECORDS:
            assert server.get(f"/log/{path}").status == 401, path
            assert server.get(f"/log/{path}", server.viewer).status == 403, path
            assert server.get(f"/log/{path}", server.owner).status in {200, 404}, path
        assert {refusal[0] for refusal in server.refusals[-2 * len(RECORDS) :]} == {"bundle.export"}


def test_full_tiles_may_be_kept_and_records_never(ledger, tmp_path):
    with log_server(ledger, tmp_path) as server:
        paths = [path for path in (*TREE, *RECORDS) if not path.startswith("blob")]
        kept = {path: server.get(f"/log/{path}", server.owner).headers["cache-control"] for path in paths}
    assert [path for path, how in kept.items() if "immutable" in how] == ["tile/0/000", "tile/1/000"]
    assert {kept[path] for path in paths if path in RECORDS} == {"no-store"}
    assert kept["checkpoint"] == "no-store"


def test_growth_between_any_two_published_sizes_is_proved(ledger, tmp_path):
    folder = LedgerFolder(ledger)
    roots = {end: folder.head(end - 1).checkpoint.root for end in (300, 33_300, 65_600)}
    with log_server(ledger, tmp_path) as server:
        for first, second in ((300, 33_300), (33_300, 65_600), (300, 65_600), (65_600, 65_600)):
            body = server.get(f"/log/consistency?from={first}&to={second}", server.viewer).body
            proof = [base64.b64decode(line) for line in body.splitlines()]
            check_consistency(first, second, roots[first], roots[second], proof)
        shown = server.get("/log/consistency?from=300", server.viewer).body
        assert shown == server.get(f"/log/consistency?from=300&to={PUBLISHED}", server.viewer).body != b""
        for query in ("", "from=-1", "from=1&to=x", "from=5&to=4", "from=01", "from=1&other=2"):
            assert server.get(f"/log/consistency?{query}", server.viewer).status in {409, 422}, query


def test_segment_files_come_as_they_stand_and_from_any_frame_on(ledger, tmp_path):
    names = {name.first: ledger / "seg" / name.text for name in LedgerFolder(ledger).layout.segments()}
    with log_server(ledger, tmp_path) as server:
        for first in (0, 300, 33_300):
            content = pulled(server, first)
            assert names[first].read_bytes().rstrip(b"\0") == content.rstrip(b"\0")
            assert pulled(server, first, len(content)) == b""
        for offset in (1, 127, 129, 200):
            assert server.get(f"/log/segments/0?offset={offset}", server.owner).status == 409, offset
        for first in (1, 299, 65_535):
            assert server.get(f"/log/segments/{first}", server.owner).status == 404, first


def test_a_packed_segment_is_served_as_it_was_committed(ledger, tmp_path):
    with log_server(ledger, tmp_path) as server:
        before = {first: pulled(server, first) for first in (0, 300, 33_300)}
    pack(ledger)
    with log_server(ledger, tmp_path / "again") as server:
        whole = pulled(server, 0)
        assert whole == before[0] + before[300][128:] + before[33_300][128:]
        assert pulled(server, 300) == before[300] + before[33_300][128:]
        assert pulled(server, 300, len(before[300])) == before[33_300][128:]
        assert server.get("/log/segments/299", server.owner).status == 404
        assert server.get("/log/segments/0?offset=129", server.owner).status == 409


def test_side_objects_and_time_stamps_come_by_their_names(ledger, tmp_path):
    digest = next(path.name for path in (ledger / "blob").rglob("*") if path.is_file())
    with log_server(ledger, tmp_path) as server:
        assert server.get(f"/log/blob/{digest}", server.owner).body == b"a side object"
        assert server.get("/log/blob/" + "f" * 64, server.owner).status == 404
        assert server.get("/log/blob/..%2f..%2fcheckpoint", server.owner).status in {404, 422}
        assert server.get("/log/cp/300.tsr", server.owner).body == b"token"
        assert server.get("/log/cp/300", server.owner).body == LedgerFolder(ledger).head(299).note
        assert server.get("/log/cp/301", server.owner).status == 404
