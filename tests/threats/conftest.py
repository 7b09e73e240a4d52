"""One box with a batch in it, made once by real processes; each test attacks it from the same image."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.threats.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Attacked:
    """The box, the bundle that was handed out before, the policy its owner was given, and the image to go back to."""

    def __init__(self, box: Box, folder: Path) -> None:
        self.box = box
        self.bundle = box.bundle(folder / "B-1.zip")
        self.policy_file = folder / "client.policy"
        self.policy_file.write_text(box.policy_text)
        self.policy = box.policy
        self.image = folder / "image"
        shutil.copytree(box.gateway.ledger.parent, self.image)
        self.seen = [one.state for one in box.witnesses]
        for one in box.witnesses:
            shutil.copytree(one.state, folder / f"{one.folder.name}.seen")
        self._folder = folder

    def restore(self) -> None:
        """Ledger and witnesses as they were before the attack."""
        self.box.gateway.kill()
        self.box.put_back(self.image)
        for one in self.box.witnesses:
            one.kill()
            shutil.rmtree(one.state)
            shutil.copytree(self._folder / f"{one.folder.name}.seen", one.state)
            one.start()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("box")
    box = Box(folder)
    try:
        box.run_a_batch()
        yield Attacked(box, folder)
    finally:
        box.close()


@pytest.fixture
def attacked(made) -> Attacked:
    made.restore()
    return made
