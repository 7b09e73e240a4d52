"""Cursor file: replaced whole, survives a restart, damage is said; dead letters survive a torn last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.cursor_file import CursorFile
from gateway.domain.projection import Cursor, DeadLetter
from gateway.errors import ConfigurationRefused

CURSOR = Cursor(origin="acme.example/basel/gw-01", next_index=1_204_331, target_fingerprint="f" * 64)


def test_cursor_is_as_the_page_says_and_comes_back(tmp_path: Path) -> None:
    file = CursorFile(tmp_path, "main")
    assert file.load() is None
    file.save(CURSOR)
    assert CursorFile(tmp_path, "main").load() == CURSOR
    text = (tmp_path / "main.cursor").read_text()
    assert text == f'{{"origin":"acme.example/basel/gw-01","next_index":1204331,"target_fingerprint":"{"f" * 64}"}}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["main.cursor"]
    file.forget()
    assert file.load() is None


def test_damaged_cursor_names_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "main.cursor").write_text('{"origin":')
    with pytest.raises(ConfigurationRefused, match="remove it: the projection starts at 0 again"):
        CursorFile(tmp_path, "main").load()


def test_dead_letters_are_appended_and_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    file = CursorFile(tmp_path, "main")
    letters = [DeadLetter(index=n, line=f"reading value={n} {n}", status=400, body="no") for n in range(3)]
    file.bury(letters[:1])
    file.bury(letters[1:])
    with file.dead_path.open("a") as torn:
        torn.write('{"index":9,"li')
    assert file.dead_letters() == letters
    file.replace_dead_letters(letters[2:])
    assert file.dead_letters() == letters[2:]
