"""The one test over the folder of shipped profiles: form, rules, capture to expected through the real decoders."""

from __future__ import annotations

import json

import jsonschema
import pytest

from gateway.config.capture import check_capture
from gateway.config.load import read_folders
from gateway.config.project import Project, open_profile
from gateway.config.rules.mapping import check_profile
from gateway.config.schema import schema_of
from gateway.config.yaml_file import load_yaml
from tests.paths import ROOT
from tests.profiles.cutter import cut_mqtt, read_time

FOLDER = ROOT / "device_profiles"
SHIPPED = sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*/profile.yaml"))


def _open(folder: str):
    project = Project(contents=read_folders(ROOT / "config", FOLDER))
    profile = open_profile(project, folder)
    assert profile is not None, project.findings
    return project, profile


@pytest.mark.parametrize("folder", SHIPPED)
def test_di_01_shipped_profile_decodes_its_capture_as_expected(folder):
    project, profile = _open(folder)
    check_profile(project, profile)
    assert project.findings == []
    assert check_capture(profile, project.contents, cut_mqtt, read_time) == []


@pytest.mark.parametrize("folder", SHIPPED)
def test_shipped_profile_fits_the_published_schema(folder):
    tree = load_yaml("profile.yaml", (FOLDER / folder / "profile.yaml").read_bytes()).tree
    jsonschema.Draft202012Validator(schema_of("profile")).validate(json.loads(json.dumps(tree, default=float)))


def test_the_folder_holds_what_the_guide_names():
    assert {name.partition("/")[2] for name in SHIPPED} >= {
        "opcua-lads-freezer",
        "mqtt-cleanroom",
        "opcua-bioreactor",
        "mqtt-particle-counter",
        "replay-csv",
        "mqtt-machine-temperature",
        "opcua-machine-temperature",
    }


def _changed(folder: str, name: str, old: str, new: str):
    _project, profile = _open(folder)
    files = read_folders(ROOT / "config", FOLDER)
    path = f"device_profiles/{folder}/{name}"
    assert old.encode() in files[path]
    files[path] = files[path].replace(old.encode(), new.encode(), 1)
    return [(found.id, found.message) for found in check_capture(profile, files, cut_mqtt, read_time)]


def test_pro_02_another_reading_is_named_with_its_line():
    found = _changed("generic/mqtt-cleanroom", "expected.jsonl", '"value":15.0', '"value":16')
    assert found == [("PRO-02", "capture line 1, dp: expected 16 Pa, got 15.0 Pa")]


def test_pro_02_a_reading_that_is_missing_or_too_many():
    found = _changed("generic/opcua-bioreactor", "expected.jsonl", '"from":6', '"from":7')
    assert found == [
        ("PRO-02", "capture line 6, temp: expected nothing, got 37.04 Cel"),
        ("PRO-02", "capture line 7, temp: expected 37.04 Cel, got nothing"),
    ]


def test_pro_02_another_quality_is_named():
    found = _changed("generic/opcua-bioreactor", "expected.jsonl", '"quality":"uncertain"', '"quality":"good"')
    assert found == [("PRO-02", "capture line 6, temp: expected quality good, got quality uncertain")]


def test_pro_03_a_sentinel_that_the_capture_never_shows():
    found = _changed("generic/mqtt-cleanroom", "capture.jsonl", "327.67", "327.66")
    assert ("PRO-03", "sentinel 327.67 not in the capture") in found


def test_pro_01_a_profile_without_capture():
    project, profile = _open("generic/mqtt-cleanroom")
    for name in ("capture.jsonl", "expected.jsonl"):
        files = {path: content for path, content in project.contents.items() if not path.endswith(f"cleanroom/{name}")}
        found = check_capture(profile, files, cut_mqtt, read_time)
        assert [(one.id, one.message) for one in found] == [("PRO-01", f"no {name}")]
