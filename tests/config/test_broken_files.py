"""The catalogue of broken files: one change to the worked example, and exactly what is said about it and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config.findings import format_finding
from gateway.config.load import understand
from tests.config.example import (
    EDGE,
    GATEWAY,
    LIMITS,
    PLANT,
    REACTOR,
    ROOM,
    changed,
    example,
    seen,
)

CATALOGUE = Path(__file__).parent / "broken_files.jsonl"
ONE_CHANGE = [json.loads(line) for line in CATALOGUE.read_text(encoding="utf-8").splitlines()]
"""Each row: the file, what is replaced by what, and the finding that must come: id, line, column, whole message or null."""


@pytest.mark.parametrize("row", ONE_CHANGE, ids=[f"{row['id']}-{index}" for index, row in enumerate(ONE_CHANGE)])
def test_one_change_is_named_at_its_place(row):
    found = seen(changed((row["file"], row["old"], row["new"])))
    if row["id"] is None:
        assert found == []
        return
    where = PLANT if row["id"] == "REF-04" else row["file"]
    match = [one for one in found if one[:2] == (row["id"], where) and row["message"] in {None, one[4]}]
    assert match, found
    assert (match[0][2], match[0][3]) == (row["line"], row["column"])


def test_the_catalogue_is_long_enough():
    assert len(ONE_CHANGE) >= 40


def test_a_typo_in_defaults_is_told_once_where_it_stands():
    found = seen(changed((REACTOR, "acquire: {expected_s", "acquire: {expekted_s")))
    assert [one[:4] for one in found if one[0] == "SCH-01"] == [("SCH-01", REACTOR, 8, 49)]


def test_a_key_of_the_signal_wins_over_defaults():
    plan = changed((ROOM, "units: Cel,", "units: Cel, acquire: {expected_s: 30},")).plan
    assert plan.signals["R-204-ENV/temp"].expected_ns == 30 * 10**9
    assert plan.signals["R-204-ENV/rh"].expected_ns == 60 * 10**9


def test_two_sets_that_set_the_same_limit_in_the_same_phase():
    files = example()
    files["config/limits/X-1.yaml"] = (
        files[LIMITS].replace(b"id: BR-201-GROWTH", b"id: X-1").replace(b"[growth]", b"[growth, harvest]")
    )
    messages = [found.message for found in understand(files).findings if found.id == "LIM-06"]
    assert messages[0] == ("BR-201-GROWTH.temp and X-1.temp both set low alert of each for BR-201-CTL/temp in growth")
    assert len(messages) == 4


@pytest.mark.parametrize("change", [(b"[growth]", b"[harvest]"), (b"phases:", b"client: C-014\nphases:")])
def test_two_sets_in_other_phases_or_of_a_client_do_not_meet(change):
    files = example()
    second = files[LIMITS].replace(b"id: BR-201-GROWTH", b"id: X-1")
    if change[0] == b"[growth]":
        second = second.replace(*change)
    else:
        second = second.replace(b"version: 4", b"version: 4\nclient: C-014")
    files["config/limits/X-1.yaml"] = second
    assert [found for found in understand(files).findings if found.id == "LIM-06"] == []


def test_rules_that_exclude_each_other_by_state_do_not_meet():
    files = example()
    door = b"when: {R-204-ENV/door: open}\n    unit: Cel"
    files["config/limits/X-1.yaml"] = (
        files[LIMITS].replace(b"id: BR-201-GROWTH", b"id: X-1").replace(b"unit: Cel", door.replace(b"open", b"closed"))
    )
    files[LIMITS] = files[LIMITS].replace(b"unit: Cel", door)
    assert [found for found in understand(files).findings if found.id in {"LIM-06", "REF-01"}] == []


def test_limit_sets_share_no_id():
    files = example()
    files["config/limits/copy.yaml"] = (
        files[LIMITS].replace(b"BR-201-GROWTH", b"BR201-GROWTH").replace(b"[growth]", b"[other]")
    )
    messages = [found.message for found in understand(files).findings if found.id == "REF-02"]
    assert messages == ["'BR201-GROWTH' is already used at config/limits/BR-201-GROWTH.yaml:2"]


@pytest.mark.parametrize(
    ("expected_s", "message"),
    [("601", "one reading per 601 s: fewer than 6 an hour"), ("61", "one reading per 61 s: slower than on_delay_s")],
)
def test_slow_signals_are_named(expected_s, message):
    loaded = changed((REACTOR, "{expected_s: 10}", f"{{expected_s: {expected_s}}}"))
    assert [(found.severity, found.message) for found in loaded.findings if found.id == "LIM-08"] == [
        ("warning", message)
    ]


def test_signals_without_source_time_are_named():
    loaded = changed((ROOM, "time: {path: at, format: epoch_ms}, ", ""))
    found = {found.message for found in loaded.findings if found.id == "TIM-02"}
    assert found == {"no source time: received time only"}
    assert loaded.errors == ()


def test_qos_0_on_a_critical_signal_is_named():
    loaded = changed((ROOM, "sequence: n", "sequence: n, qos_expected: 0"))
    assert {found.message for found in loaded.findings if found.id == "PRO-04"} == {"QoS 0 on a critical signal"}


@pytest.mark.parametrize(
    ("content", "id_", "message"),
    [
        (b"\xef\xbb\xbfformat: plant/1\n", "YML-04", "byte order mark"),
        (b"format: plant/1\nnodes: {A: \xff}\n", "YML-04", "not UTF-8 at byte 27"),
        (b"#" * (256 * 1024 + 1), "YML-04", "257 kB, limit 256"),
        (b"", "YML-02", "not YAML 1.2: the file is empty"),
        (b"- a\n", "SCH-03", "a list is not a block of keys"),
        (b"a: " + b"[" * 1100 + b"]" * 1100, "YML-02", None),
        (b"? {a: b}\n: 1\n", "YML-02", "not YAML 1.2: a key must be text"),
        (b"a: 1\n---\nb: 1\n", "YML-02", None),
    ],
)
def test_bytes_that_are_no_configuration(content, id_, message):
    found = [one for one in understand(example() | {PLANT: content}).findings if one.file == PLANT]
    assert found[0].id == id_
    if message is not None:
        assert found[0].message == message


@pytest.mark.parametrize("name", [GATEWAY, PLANT])
def test_a_missing_file_is_named(name):
    files = example()
    del files[name]
    assert ("REF-01", name, 1, 1, f"no file '{name}'") in seen(understand(files))


def test_an_unknown_profile_version_is_named_at_the_device():
    found = seen(changed((REACTOR, "version: 2", "version: 3")))
    assert ("REF-04", PLANT, 8, 15, "generic/opcua-bioreactor@2 is neither on disk nor approved") in found


def test_a_profile_in_the_wrong_folder():
    found = seen(changed((REACTOR, "id: generic/opcua-bioreactor", "id: generic/opcua-bioreactors")))
    assert found[-1] == (
        "SCH-03",
        REACTOR,
        2,
        5,
        "'generic/opcua-bioreactors' is not 'generic/opcua-bioreactor', its folder",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("password: cred:line1", "password: hunter2"),
        ("password: cred:line1", "pasword: hunter2"),
        ("url: https://qms", "url: https://me:hunter2@qms"),
        ("secret: cred:qms", "secret: [hunter2]"),
    ],
)
def test_ac_a_secret_typed_in_the_open_is_shown_to_nobody(old, new):
    loaded = changed((GATEWAY, old, new))
    texts = [format_finding(found, loaded.source(found)) for found in loaded.findings]
    assert loaded.errors
    assert "hunter2" not in "\n".join(texts)


def test_a_server_must_publish_within_its_keep_alive():
    loaded = changed(
        {
            GATEWAY: ("server_certificate: trust/line1.der", "keepalive_s: 1, server_certificate: trust/line1.der"),
            REACTOR: ("history: raw", "history: raw, publishing_ms: 1001"),
        }
    )
    assert [one[4] for one in seen(loaded)] == ["1001 is not at most keepalive_s of its connection, 1 s"]


def test_mkt_is_refused_for_frozen_storage_and_flatline_for_reports_on_change():
    frozen = changed(
        {
            LIMITS: (
                "    low: {alert: 36.5, action: 36.2}\n    high: {alert: 37.5, action: 37.8}\n",
                "    evaluate: mkt\n    window_h: 24\n    high: {action: -15.0}\n",
            )
        }
    )
    assert "mkt is not defined for frozen storage (high -15.0 Cel)" in [one[4] for one in seen(frozen)]
    files = example()
    files[EDGE] = files[EDGE].replace(b"relevance: cpp}", b"relevance: cpp, record: on_change, reason: slow link}")
    files[LIMITS] = (
        files[LIMITS]
        .replace(b"[BR-201-CTL/temp]", b"[EDGE-7/speed]")
        .replace(b"unit: Cel ", b"unit: '{rev}/min' ")
        .replace(b"hysteresis", b"evaluate: flatline\n    epsilon: 1\n    hysteresis")
    )
    messages = {found.id: found.message for found in understand(files).findings}
    assert messages["LIM-27"] == "flatline on EDGE-7/speed: source reports on change, the rule would fire by design"


def test_a_baseline_that_hangs_on_its_last_value_is_named():
    block = """baselines:
  temp: {signal: BR-201-CTL/temp, period: [a, b], mu: 37, phi: 0.4, sigma: 0.1, n: 200, hash: HASH}
rules:""".replace("HASH", "a" * 64)
    loaded = changed((LIMITS, "rules:", block))
    assert [(found.severity, found.message) for found in loaded.findings if found.id == "LIM-26"] == [
        ("warning", "baseline of BR-201-CTL/temp has phi 0.4: use residuals")
    ]
