"""Foreign clients read the log over HTTP from the gateway's own routes: they accept it, and refuse what a proxy has turned."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fakes.log import SEALER
from tests.fakes.log_server import LogServer, log_server, proxy
from tests.foreign import big_log, tools

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log-http")
    log = big_log.make(folder)
    with log_server(log.ledger, folder) as made:
        yield made


def turned(path: str, place: int):
    """One bit of one answer, turned on the way."""

    def bend(asked: str, body: bytes) -> bytes:
        if asked != f"/log/{path}":
            return body
        return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]

    return bend


TAMPERED = {
    "entry": ("tile/entries/020", 900),
    "node": ("tile/1/000", 700),
    "root": ("checkpoint", 40),
}


def sumdb_says(server: LogServer) -> str:
    env = {**os.environ, "JUDGE_TOKEN": server.owner, "NO_PROXY": "127.0.0.1"}
    command = [str(tools.sumdb()), SEALER.vkey, "tiles", f"{server.url}/log"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    verdict, _, why = done.stdout.strip("\n").split("\t")
    return verdict if verdict == "accepted" else why


def fsck_says(fsck: Path, key: Path, server: LogServer) -> str:
    command = [str(fsck), f"--storage_url={server.url}/log", f"--bearer_token={server.owner}", f"--public_key={key}"]
    env = {**os.environ, "NO_PROXY": "127.0.0.1"}
    try:
        done = subprocess.run(
            [*command, "--ui=false", "--N=16", "--v=1"],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
            env=env,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode or "fsck failed" in done.stderr or "Completed ranges" not in done.stderr:
        return done.stderr[-400:] or "says nothing"
    return "accepted"


def test_us_02_the_go_teams_sumdb_reads_the_gateway_and_refuses_a_tampering_proxy(server):
    assert sumdb_says(server) == "accepted"
    for what, (path, place) in TAMPERED.items():
        with proxy(server, turned(path, place)) as bent:
            assert sumdb_says(bent) != "accepted", what


def test_us_02_tesseras_client_reads_the_gateway_and_refuses_a_tampering_proxy(server, tmp_path):
    fsck, key = tools.tessera_fsck(), tmp_path / "key"
    key.write_text(SEALER.vkey)
    assert fsck_says(fsck, key, server) == "accepted"
    for what, (path, place) in TAMPERED.items():
        with proxy(server, turned(path, place)) as bent:
            assert fsck_says(fsck, key, bent) != "accepted", what


def test_us_02_records_stay_with_their_owner(server):
    assert "401" in sumdb_says(server._replace(owner="gwt_nobody"))
    assert "403" in sumdb_says(server._replace(owner=server.viewer))
