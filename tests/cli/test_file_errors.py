"""A file that cannot be used is said in two lines with exit 69; only our own faults end by SIGABRT."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.segment_store.lock import WriterLock
from gateway.cli.file_errors import file_error
from gateway.errors import Unavailable


def gateway(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words], check=False, capture_output=True, text=True, cwd=folder
    )


def test_a_name_that_cannot_be_used_is_said_with_what_next(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "gateway.yaml").write_text("ledger: {path: ../var/ledger}\n")
    (tmp_path / "var").write_text("a file where a folder should be")
    done = gateway("user", "add", "--machine", "--scope", "batch.read", folder=tmp_path)
    assert done.returncode == 69
    assert done.stderr.splitlines()[0].startswith("error: var/state")
    assert done.stderr.splitlines()[1] == "fix: name a folder whose parents are folders"
    assert "Traceback" not in done.stderr


def test_other_faults_stay_faults() -> None:
    assert file_error(ValueError("ours")) is None
    assert file_error(ConnectionRefusedError(111, "Connection refused")) is None
    assert file_error(OSError(5, "Input/output error", "x")) is None


def test_a_ledger_that_may_not_be_written_is_no_doubt() -> None:
    with pytest.raises(Unavailable, match="cannot be written") as refused:
        WriterLock(Path("/sys/LOCK")).take(0)
    assert "owns it" in refused.value.remedy


def test_a_taken_port_is_said_once_and_with_what_next() -> None:
    import socket

    from gateway.adapters.http.server import bind

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable) as refused:
            bind(f"127.0.0.1:{port}")
    assert refused.value.text == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert refused.value.remedy == f"stop what uses port {port}, or choose another"
