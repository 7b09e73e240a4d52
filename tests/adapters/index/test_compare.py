"""An index that was tampered with is found, table by table, and named by the first record it hides or bends."""

from __future__ import annotations

import apsw
import pytest

from gateway.adapters.index.compare import first_difference
from tests.adapters.index.test_index import Bench, story
from tests.fakes.log import ORIGIN

TAMPERING = {
    "frame": "DELETE FROM frame WHERE first = (SELECT first FROM frame ORDER BY first LIMIT 1 OFFSET 5)",
    "chunk": "DELETE FROM chunk WHERE run = 1",
    "span": "UPDATE span SET to_s = to_s - 1 WHERE run = 1",
    "signal": "UPDATE signal SET n = n - 1 WHERE id = 'A/t'",
    "source": "UPDATE source SET position = position + 1",
    "event": "DELETE FROM event WHERE kind = 'batch' AND event = 'end'",
    "link": "DELETE FROM link WHERE what = 'batch'",
    "membership": "UPDATE membership SET room = 'R-2'",
    "anchor": "UPDATE anchor SET size = size + 1",
}


@pytest.fixture
def told(tmp_path):
    made = Bench(tmp_path)
    made.follower.open(0)
    story(made)
    made.follower.follow(made.tree.size)
    yield made
    made.close()


def tamper(bench: Bench, statement: str) -> None:
    connection = apsw.Connection(str(bench.db))
    connection.execute(statement)
    assert connection.changes(), "the tampering changed nothing"
    connection.close()


def test_us_01_a_sound_index_agrees_also_one_that_lags(told):
    assert first_difference(told.db, ORIGIN, told.store.reader) is None
    told.commit(*told.contents[3:6])
    assert first_difference(told.db, ORIGIN, told.store.reader) is None


@pytest.mark.parametrize("table", TAMPERING)
def test_us_01_tampering_with_a_table_of_the_index_is_found(told, table):
    tamper(told, TAMPERING[table])
    found = first_difference(told.db, ORIGIN, told.store.reader)
    assert found is not None
    assert found.table == table
    assert 0 <= found.record < told.tree.size


def test_a_file_that_is_no_database_differs(told):
    told.follower.close()
    told.db.write_bytes(b"no database" * 500)
    found = first_difference(told.db, ORIGIN, told.store.reader)
    assert found is not None
    assert found.table == "meta"
