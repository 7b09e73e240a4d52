"""`gateway hook`: words of the command line, and conformance against a receiver in another process."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway.adapters.webhook.models import check_body
from gateway.cli.hook import _say, conformance, listen, parse_faults, read_secrets
from gateway.cli.hook_deliveries import replay, sample_request
from gateway.cli.hook_deliveries import test_sink as ping_sink
from gateway.cli.hook_sample import SAMPLES, format_sample, sample_of
from gateway.errors import ConfigurationRefused
from tests.paths import ROOT

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "s.txt"
    path.write_text(f"{SECRET}\n\n")
    return path


@pytest.mark.parametrize(("text", "faults", "said"), [
    ("", (), ""), ("503", (503,), "503 once"), ("503x3", (503,) * 3, "503 three times"),
    ("503x2,429", (503, 503, 429), "503 twice, 429 once"), ("500x12", (500,) * 12, "500 12 times"),
])  # fmt: skip
def test_faults_are_asked_for_and_said(text: str, faults: tuple[int, ...], said: str) -> None:
    assert parse_faults(text) == faults
    assert _say(faults) == said


@pytest.mark.parametrize("text", ["x", "503x0", "99", "503x", "6000"])
def test_other_faults_are_a_usage_error(text: str) -> None:
    with pytest.raises(click.UsageError, match="write a status and how often, for example 503x3"):
        parse_faults(text)


def test_secrets_are_read_a_line_each(tmp_path: Path, secret_file: Path) -> None:
    assert read_secrets(secret_file) == (bytes(range(32)),)
    secret_file.write_text("\n")
    with pytest.raises(click.UsageError, match="holds no secret"):
        read_secrets(secret_file)
    secret_file.write_text("hunter2\n")
    with pytest.raises(ConfigurationRefused, match="whsec_"):
        read_secrets(secret_file)
    assert CliRunner().invoke(listen, ["--secret-file", str(tmp_path / "none.txt")]).exit_code == 2


def test_interface_18_conformance_prints_a_table_and_ends_with_the_count(tmp_path: Path, secret_file: Path) -> None:
    command = [
        sys.executable,
        "-u",
        "-m",
        "gateway",
        "hook",
        "listen",
        "--port",
        "0",
        "--secret-file",
        str(secret_file),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None
            url = receiver.stdout.readline().removeprefix("listening on ").partition(",")[0]
            words = [url, "--secret-file", str(secret_file), "--junit", str(tmp_path / "j.xml"), "--strict"]
            done = CliRunner().invoke(conformance, words, catch_exceptions=False)
        finally:
            receiver.kill()
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == " 1  valid event                           pass"
    assert lines[-1] == "12 checks: 12 passed"
    assert 'tests="12" failures="0"' in (tmp_path / "j.xml").read_text()


def test_conformance_of_nobody_fails_every_check_that_can_fail(secret_file: Path) -> None:
    done = CliRunner().invoke(
        conformance, ["http://127.0.0.1:1/", "--secret-file", str(secret_file)], catch_exceptions=False
    )
    assert done.exit_code == 1
    assert "answered nothing (network), wanted 2xx" in done.output


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_of_every_kind_is_an_event_as_published(kind: str) -> None:
    event = check_body(format_sample(sample_of(kind)))
    assert (event.type, event.data.lifecycle) == (f"gxp.gateway.{kind}.v1", kind.partition(".")[2])
    assert event.data.test
    assert (
        (event.data.state == "returned") == (event.data.ended_at is not None) == (kind == "deviation.condition_ended")
    )


def test_a_sample_request_has_the_headers_of_the_sinks_mode() -> None:
    ping = {
        "headers": {"content-type": "application/cloudevents+json", "webhook-id": "gw-01:ping:000001:1", "x": "***"}
    }
    told = sample_request(ping, "deviation.opened")
    assert told["headers"] == {**ping["headers"], "webhook-id": "gw-00:dev:T000001:1"}
    assert check_body(told["body"].encode()).type == "gxp.gateway.deviation.opened.v1"
    ping["headers"] |= {"ce-id": "gw-01:ping:000001:1", "ce-type": "gxp.gateway.ping.v1", "ce-subject": "ping/main"}
    binary = sample_request(ping, "deviation.retracted")
    assert json.loads(binary["body"])["lifecycle"] == "retracted"
    assert binary["headers"]["ce-type"] == "gxp.gateway.deviation.retracted.v1"
    assert binary["headers"]["ce-id"] == binary["headers"]["webhook-id"] == binary["id"] == "gw-00:dev:T000001:2"
    assert binary["headers"]["ce-subject"] == "deviation/DEV-gw00-T000001"


def test_only_a_ping_is_posted() -> None:
    refused = CliRunner().invoke(ping_sink, ["main", "--type", "deviation.opened"])
    assert refused.exit_code == 2
    assert "deviation.opened goes with --dry-run: posted, it would be a record at the QMS" in refused.output


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a", "--failed"],
        ["--failed", "--since", "x"],
        ["--id", "a", "--since", "x"],
        ["a", "--dry-run"],
        ["a", "--id", "a"],
    ],
)
def test_a_replay_is_of_one_thing(words: list[str]) -> None:
    refused = CliRunner().invoke(replay, [*words, "--reason", "corrected"])
    assert refused.exit_code == 2
    assert "name one DELIVERY, or --failed, or --since TIME" in refused.output
