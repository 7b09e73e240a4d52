"""The pages about configuration say every key and every finding."""

from __future__ import annotations

import re

from gateway.config.reference import format_reference
from tests.paths import ROOT

_ID = re.compile(r"\b(?:YML|SCH|REF|UNT|MAP|LIM|TIM|CAL|RED|SEC|PRO|LCY)-\d\d\b")


def test_the_page_of_keys_is_what_the_models_say():
    page = (ROOT / "docs" / "formats" / "configuration.md").read_text(encoding="utf-8")
    assert page == format_reference()


def test_every_finding_has_its_row():
    rows = set(_ID.findall((ROOT / "docs" / "formats" / "findings.md").read_text(encoding="utf-8")))
    used: set[str] = set()
    for path in (ROOT / "gateway" / "config").rglob("*.py"):
        used |= set(
            re.findall(r'"((?:YML|SCH|REF|UNT|MAP|LIM|TIM|CAL|RED|SEC|PRO|LCY)-\d\d)"', path.read_text("utf-8"))
        )
    assert used <= rows
    assert rows <= used


def test_every_shipped_profile_is_in_the_guide():
    guide = (ROOT / "docs" / "guides" / "profiles.md").read_text(encoding="utf-8")
    for path in (ROOT / "device_profiles").glob("*/*/profile.yaml"):
        assert f"`{path.parent.parent.name}/{path.parent.name}`" in guide
