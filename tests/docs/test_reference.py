"""Docs are true: made pages equal the code, and every key, code, kind, port, command, route and metric has its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.config.models.clients import ClientsFile
from gateway.config.models.gateway import GatewayFile
from gateway.config.models.limits import LimitsFile
from gateway.config.models.plant import PlantFile
from gateway.config.models.profile import ProfileFile
from gateway.ledger.records import KINDS
from tests.docs.command_tree import commands, leaves
from tests.docs.error_texts import EXIT, error_texts
from tests.docs.pages import DOCS, pages
from tests.docs.reference_pages import port_classes
from tests.docs.source_calls import figures, routes
from tests.house.tree import python_files
from tests.paths import ROOT

CODE = re.compile(
    r"\"((?:ACC|BAT|CAL|CFG|DEV|EXC|HOOK|LCY|LIM|MAP|N|PRO|RBE|RED|REF|REV|SCH|SEC|SIG|TIM|UNT|YML)-[0-9]{2,3})\""
)


def text(*parts: str) -> str:
    return DOCS.joinpath(*parts).read_text()


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(DOCS)))
def test_a_made_page_says_what_the_code_says(path: Path) -> None:
    assert path.is_file(), "run: python -m tests.docs.pages"
    assert path.read_text() == pages()[path], "run: python -m tests.docs.pages"


def test_no_made_page_is_left_over() -> None:
    made = {path.name for path in pages() if path.parent.name == "states"}
    assert {path.name for path in (DOCS / "states").glob("*.md")} == made


def test_every_code_has_its_row() -> None:
    known = text("reference", "errors.md") + text("formats", "findings.md")
    rows = set(re.findall(r"^\| ([A-Z]+-[0-9]{2,3})(?: W)? \|", known, re.MULTILINE))
    used = {code for path in python_files("gateway") for code in CODE.findall(path.read_text())}
    assert used, "the pattern finds what it is for"
    assert used - rows == set()


def test_every_word_used_as_a_code_is_explained() -> None:
    known = text("reference", "errors.md") + text("formats", "findings.md")
    codes = {one.code for one in error_texts() if one.code and "…" not in one.code}
    assert [code for code in sorted(codes) if f"| {code}" not in known] == []


def test_every_error_class_has_its_exit() -> None:
    page = text("reference", "errors.md")
    for name, code in EXIT.items():
        if name != "GatewayError":
            found = re.search(rf"^\| {name} \| (\S+) \|", page, re.MULTILINE)
            assert found is not None, name
            assert found[1] in {str(code), "-"}, name


def test_every_error_people_meet_says_what_next() -> None:
    silent = [
        f"{one.file}:{one.line} {one.text}"
        for one in error_texts()
        if not one.remedy and one.kind != "EvidenceRefused" and "demo_story" not in one.file
    ]
    assert silent == []


def test_texts_name_only_commands_that_exist() -> None:
    known = {words for words, _ in commands()}
    groups = {words.rpartition(" ")[0] for words in known} - {"gateway"}
    named = {
        f"{place} {' '.join(words)}"
        for place, told in [
            *((f"{one.file}:{one.line}", f"{one.text} {one.remedy}") for one in error_texts()),
            *((str(page.relative_to(ROOT)), page.read_text()) for page in [ROOT / "README.md", *DOCS.rglob("*.md")]),
        ]
        for words in _commands_in(told)
        if " ".join(words[:2]) not in known or (" ".join(words[:2]) in groups and " ".join(words) not in known | groups)
    }
    assert named == set()


def _commands_in(told: str) -> list[list[str]]:
    return [
        found.split()
        for found in re.findall(r"(?:`|see: |fix: |^|\$ )(gateway [a-z]+(?: [a-z][a-z-]+)?)", told, re.MULTILINE)
    ]


@pytest.mark.parametrize("model", [GatewayFile, PlantFile, LimitsFile, ClientsFile, ProfileFile])
def test_every_key_has_its_row(model: type[BaseModel]) -> None:
    page = text("formats", "configuration.md")
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert [key for key in sorted(keys) if f"| `{key}`" not in page] == []


def test_every_kind_port_command_route_and_metric_has_its_place() -> None:
    records, ports = text("reference", "records.md"), text("reference", "ports.md")
    assert [kind for kind in KINDS if f"## {kind}\n" not in records] == []
    assert [name for name, _ in port_classes() if f"## {name}\n" not in ports] == []
    assert [words for words, _ in leaves() if f"## {words}\n" not in text("reference", "commands.md")] == []
    assert [one.path for one in routes() if f"`{one.path}`" not in text("reference", "rest.md")] == []
    assert [one.name for one in figures() if f"`{one.name}`" not in text("reference", "metrics.md")] == []


def test_every_guide_format_and_decision_is_listed_or_numbered() -> None:
    formats = text("formats", "README.md")
    assert [
        page.name for page in (DOCS / "formats").glob("*.md") if page.name != "README.md" and page.name not in formats
    ] == []
    numbers = [page.name[:4] for page in sorted((DOCS / "decisions").glob("[0-9]*.md"))]
    assert len(set(numbers)) == len(numbers)
