"""`gateway witness`: its own key and folder, what it refuses to start with, and status without a witness."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.lock import WriterLock
from gateway.adapters.witness.server import witness_key
from gateway.cli.witness import witness
from gateway.errors import ConfigurationRefused, EvidenceRefused, Unavailable
from gateway.ledger.note import format_vkey, parse_vkey
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading


def run(*words: str):
    return CliRunner().invoke(witness, [str(word) for word in words], catch_exceptions=False)


def serve(folder, *words: str):
    return run("serve", "--state", folder / "w", "--log", SEALER.vkey, *words)


def test_a_key_is_made_once_and_named_after_itself_or_as_told(tmp_path):
    path = tmp_path / "w" / "key.pem"
    key, seed = witness_key(path, None, lambda size: bytes(range(size)))
    assert path.stat().st_mode & 0o777 == 0o600
    assert (key.name, key.type) == (f"witness/{key.key.hex()[:8]}", 4)
    assert parse_vkey(format_vkey(key)) == key
    named, again = witness_key(path, "witness.example/hq", lambda _: b"")
    assert (named.name, named.key, again) == ("witness.example/hq", key.key, seed)
    with pytest.raises(ConfigurationRefused, match="no key name"):
        witness_key(path, "a b", lambda _: b"")
    path.chmod(0o640)
    with pytest.raises(ConfigurationRefused, match="readable for others"):
        witness_key(path, None, lambda _: b"")


def test_a_taken_port_and_a_folder_in_use_are_unavailable(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="cannot listen"):
        serve(tmp_path, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    lock = WriterLock(tmp_path / "w" / "LOCK")
    lock.take(0)
    with pytest.raises(Unavailable, match="in use by pid"):
        serve(tmp_path, "--listen", "127.0.0.1:0")
    lock.release()


def test_a_key_of_a_log_that_is_none_is_refused(tmp_path):
    with pytest.raises(EvidenceRefused, match="has id"):
        run("serve", "--state", tmp_path, "--listen", "127.0.0.1:0", "--log", "a.example/b+00000000+AAAA")
    with pytest.raises(ConfigurationRefused, match="neither a verifier key nor a file"):
        run("serve", "--state", tmp_path, "--listen", "127.0.0.1:0", "--log", str(tmp_path / "nothing"))
    with pytest.raises(ConfigurationRefused, match="2 origins for 1 keys"):
        serve(tmp_path, "--listen", "127.0.0.1:0", "--origin", "a.example/b", "--origin", "a.example/c")
    assert serve(tmp_path, "--listen", "127.0.0.1:0", "--certificate", __file__).exit_code == 2


def test_status_says_when_nobody_outside_watches(tmp_path):
    store = SegmentStore(tmp_path / "ledger", ORIGIN, StillClock(), check_place=lambda _: None, reserve_bytes=4096)
    store.commit(plan(store.open().tree, [reading(1)]).frames)
    store.close()
    result = run("status", "--path", tmp_path / "ledger")
    assert (result.exit_code, result.output.split(":")[0]) == (0, "no witness is configured")
