"""How the index's database is opened."""

from __future__ import annotations

from gateway.adapters.index.schema import open_writer


def test_all_settings_of_the_writing_connection_are_in_force(tmp_path):
    """A statement that answers holds back those after it until it is read."""
    connection = open_writer(tmp_path / "index.db")
    found = [connection.execute(f"PRAGMA {name}").get for name in ("journal_mode", "synchronous", "cache_size")]
    connection.close()
    assert found == ["wal", 1, -16384]
