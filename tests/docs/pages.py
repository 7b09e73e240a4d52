"""All pages that are written from the code: `python -m tests.docs.pages` writes them, a test compares."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.docs import reference_pages, service_pages, state_pages
from tests.paths import ROOT

DOCS = ROOT / "docs"


@functools.cache
def pages() -> dict[Path, str]:
    """Return every made page by its path."""
    reference, states = DOCS / "reference", DOCS / "states"
    return {
        reference / "commands.md": reference_pages.commands_page(),
        reference / "records.md": reference_pages.records_page(),
        reference / "ports.md": reference_pages.ports_page(),
        reference / "error-texts.md": reference_pages.error_texts_page(),
        reference / "rest.md": service_pages.rest_page(),
        reference / "metrics.md": service_pages.metrics_page(),
        states / "README.md": state_pages.index_page(),
        **{
            states / f"{noun}.md": state_pages.state_page(noun, module)
            for noun, module in state_pages.state_modules().items()
        },
    }


def write_pages() -> None:
    """Write all of them."""
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    write_pages()
