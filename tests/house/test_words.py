"""Words that the project may not use: claims of compliance, seal for signature, and notes to oneself."""

from __future__ import annotations

import re

from tests.house.tree import place, python_files, texts

RULE = r"(?:21 CFR(?: Part)? ?11|Part 11|Annex 11|Annex 1|GxP|GMP|cGMP|GAMP(?: 5)?|ALCOA\+*|Chapter 4|ISO 13485|EN 12830|ISA-18\.2)"
CLAIMS = re.compile(
    rf"\b{RULE}[- ](?:compliant|certified|conformant|approved|validated|ready)\b"
    rf"|\b(?:complies|compliant|conforms|conformant|certified|validated) (?:with|to|for) (?:the )?{RULE}\b"
    r"|\b(?:fully|100 ?%) compliant\b"
    r"|\b(?:guarantees|ensures|achieves) (?:\w+ )?compliance\b",
    re.IGNORECASE,
)
MACHINE = r"(?:gateway|machine|ledger|box)"
PERSON = r"(?:person|user|reviewer|approver|operator|QA)"
MIXED = re.compile(
    rf"\b{MACHINE}(?:'s)? signature\b|\bsigned by (?:the |a )?{MACHINE}\b"
    rf"|\b{PERSON}(?:'s)? seal\b|\bsealed by (?:the |a |an )?{PERSON}\b",
    re.IGNORECASE,
)
NOTES = re.compile(r"#.*\b(?:TODO|FIXME|XXX|HACK)\b")


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Every line of the project that the pattern finds."""
    return [
        f"{place(path, number)} {found[0]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]


def test_no_text_claims_compliance() -> None:
    assert CLAIMS.search("it is Part 11 " + "compliant"), "the pattern finds what it is for"
    assert CLAIMS.search("supports 21 CFR Part 11") is None
    assert lines_with(CLAIMS) == []


def test_di_04_seal_and_signature_are_not_mixed() -> None:
    assert MIXED.search("signed by the " + "gateway"), "the pattern finds what it is for"
    assert MIXED.search("a person signs, the gateway seals") is None
    assert lines_with(MIXED) == []


def test_comments_hold_no_notes_to_oneself() -> None:
    found = []
    for path in python_files():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if (note := NOTES.search(line)) and path.name != "test_words.py":
                found.append(f"{place(path, number)} {note[0]}")
    assert found == []
