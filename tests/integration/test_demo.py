"""The end-to-end test: the whole product tells the demo's story, and every act is held against its ledger."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.counterparts.missing import need

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STORY = ["ready", "batch", "door", "alert", "action", "delivered", "returned", "sealed", "verified", "refused", "ended"]


def demo(*options: str, seconds: float = 200) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "demo", "--headless", *options]
    env = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=env, check=False)


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    """The acts of a run that held; the whole run is in the failure otherwise."""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert all(line["ok"] for line in lines), done.stdout
    for line in lines:
        if line["act"] in {"verified", "ended"}:
            assert ", 1 witness" in line["text"], "who verifies counts the witness"
    return lines


def verify(path: Path) -> str:
    command = [sys.executable, "-m", "gateway", "verify", str(path), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_us_01_the_whole_story_at_top_speed_ends_within_a_minute_and_is_kept(tmp_path):
    need("mosquitto")
    kept, began = tmp_path / "kept", time.monotonic()
    lines = told(demo("--until", "sealed", "--json", "--speed", "20", "--keep", str(kept)))
    assert time.monotonic() - began < 60
    assert [line["act"] for line in lines] == STORY
    assert all(isinstance(line["ledger_index"], int) for line in lines)
    indexes = [line["ledger_index"] for line in lines[1:8]]
    assert indexes == sorted(indexes), "each act is shown by a later record than the one before"
    assert [line["at_s"] for line in lines] == sorted(line["at_s"] for line in lines)
    assert verify(kept / "ledger").startswith("VERIFIED")
    assert re.fullmatch(r"VERIFIED  [0-9,]+ records, 1 head, 1 witness, batch B-DEMO", verify(kept / "B-DEMO.zip"))
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_the_kept_folder_runs_again_and_records_on(tmp_path):
    need("mosquitto")
    kept = tmp_path / "kept"
    said = demo("--until", "sealed", "--speed", "20", "--keep", str(kept)).stdout
    (again,) = [line.strip(" &") for line in said.splitlines() if " witness serve " in line]
    size = verify(kept / "ledger")
    with (tmp_path / "witness.log").open("w") as log:
        witness = subprocess.Popen(shlex.split(again), stdout=log, stderr=subprocess.STDOUT)
    command = [sys.executable, "-m", "gateway", "run", "--config", str(kept / "config")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        end = time.monotonic() + 30
        while not (kept / "state" / "control.sock").exists() and time.monotonic() < end:
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.1)
        time.sleep(0.5)
    finally:
        running.terminate()
        said, _ = running.communicate(timeout=30)
        witness.terminate()
        witness.wait(30)
    assert running.returncode == 0, said
    assert verify(kept / "ledger") != size, "start and stop of the second run are records"


@pytest.mark.fault
def test_di_19_a_cut_link_loses_nothing_with_the_embedded_broker(tmp_path):
    lines = told(demo("--until", "sealed", "--json", "--speed", "10", "--cut", "--embedded-broker"))
    assert [line["act"] for line in lines] == [*STORY[:6], "cut", *STORY[6:]]
    (cut,) = [line for line in lines if line["act"] == "cut"]
    assert "0 lost, 0 duplicates" in cut["text"]


@pytest.mark.slow
def test_until_ends_early_and_leaves_nothing_behind(tmp_path):
    need("mosquitto")
    env = {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "gateway", "demo", "--headless", "--until", "alert", "--speed", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ALERT  FRZ-01/temp" in done.stdout
    assert "NOT FOR GMP USE" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "mine").write_text("x")
    done = demo("--until", "alert", "--keep", str(tmp_path))
    assert done.returncode == 69
    assert "is not empty" in done.stderr
    assert "fix: name a new folder" in done.stderr
    assert (tmp_path / "mine").read_text() == "x"
