"""`gateway verify URL`: the same last line as of the folder; bent answers are found; without an account the tree alone is checked."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest
from click.testing import CliRunner

from gateway.adapters.log_client import LogClient
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.adapters.verify_url import verify_log, verify_tree
from gateway.cli.verify import verify
from gateway.errors import ConfigurationRefused, EvidenceRefused, Refused, Unavailable
from gateway.ledger.policy import Policy
from tests.adapters.backup.box import grow, open_store
from tests.counterparts.certificates import make_identity
from tests.fakes.log import SEALER
from tests.fakes.log_server import log_server, proxy

POLICY = Policy((SEALER.key,))
SIZE = 66_500


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A packed segment, a file after an unclean stop, a tail that is not published."""
    path = tmp_path_factory.mktemp("log") / "ledger"
    grow(path, 66_000)
    store = open_store(path)
    store.open()
    assert store.pack() == 0
    store.close()
    grow(path, 500, 100, published=1)
    return path


@pytest.fixture(scope="module")
def server(ledger, tmp_path_factory):
    with log_server(ledger, tmp_path_factory.mktemp("state"), open_tree=True) as made:
        yield made


def nothing(_done: int, _total: int) -> None:
    pass


def whole(url: str, token: str, policy: Policy = POLICY, progress=nothing):
    with closing(LogClient(url, token)) as client:
        return verify_log(client, policy, None, progress)


def tree(url: str, policy: Policy = POLICY):
    with closing(LogClient(url)) as client:
        return verify_tree(client, policy, nothing)


def test_us_01_a_url_verifies_like_its_folder(server, ledger):
    seen = []
    result = whole(server.url, server.owner, progress=lambda done, total: seen.append((done, total)))
    folder = verify_folder(ledger, policy=POLICY, all_seals=True, stop=SIZE)
    assert result.failures == []
    assert (result.size, result.counts.records) == (SIZE, SIZE)
    assert folder.size == SIZE + 100
    assert seen[-1] == (SIZE, SIZE)


def bent(server, path: str, place: int):
    def bend(asked: str, body: bytes) -> bytes:
        if not asked.startswith(path) or len(body) <= place:
            return body
        return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]

    return proxy(server, bend)


@pytest.mark.parametrize(
    ("path", "place"), [("/log/segments/66000", 200), ("/log/segments/66000", 40), ("/log/segments/0", 90_000), ("/log/checkpoint", 80)]
)  # fmt: skip
def test_us_01_a_byte_turned_on_the_way_is_found(server, path, place):
    with bent(server, path, place) as other:
        try:
            failed = whole(other.url, other.owner).exit_code
        except EvidenceRefused:
            failed = 1
    assert failed == 1


def test_a_log_that_is_cut_is_truncated(server):
    def cut(asked: str, body: bytes) -> bytes:
        return b"" if asked == "/log/segments/66000" else body

    with proxy(server, cut) as other:
        line = whole(other.url, other.owner).last_line
    assert line == "FAILED at record 66,000: ledger ends here, 66,500 were published"


def test_a_log_whose_beginning_is_gone_is_judged_like_its_folder(ledger, tmp_path):
    shutil.copytree(ledger, tmp_path / "ledger")
    next((tmp_path / "ledger" / "seg").glob("*.zst")).unlink()
    folder = verify_folder(tmp_path / "ledger", policy=POLICY, all_seals=True)
    with log_server(tmp_path / "ledger", tmp_path) as other:
        result = whole(other.url, other.owner)
        assert other.get("/log/tile/0/003", other.owner).status == 404
        assert other.get("/log/tile/1/000", other.owner).status == 200
    assert result.last_line == folder.last_line == "FAILED at record 0: 65,536 records missing"
    assert result.counts.records == SIZE - 65_536


def test_without_an_account_the_tree_is_checked_up_to_its_root(server):
    result = tree(server.url)
    assert result.lines() == [
        "note: tree of 66,500 entries, its records were not read: that needs an account",
        "VERIFIED  0 records, 1 head",
    ]
    for path, place in (("/log/tile/0/007", 33), ("/log/tile/0/259", 33), ("/log/tile/1/000", 700)):
        with bent(server, path, place) as other:
            assert tree(other.url).last_line.startswith("FAILED at size 66,500")


def test_an_exported_folder_behind_any_web_server_is_read_too(server):
    result = tree(server.url + "/log")
    assert result.exit_code == 0


def test_another_key_is_not_believed(server):
    stranger = type(SEALER)(SEALER.key.name, bytes(32)).key
    assert "does not verify" in tree(server.url, Policy((stranger,))).last_line
    assert whole(server.url, server.owner, Policy((stranger,))).exit_code == 1


def test_who_may_not_read_is_told_and_silence_is_unavailable(server):
    with pytest.raises(Refused, match="403"):
        whole(server.url, server.viewer)
    with pytest.raises(Unavailable, match="does not answer"):
        whole("http://127.0.0.1:9", "")
    for url in ("ftp://x", "http://gw.example:8443", "https://u:p@gw", "https://"):
        with pytest.raises(Refused):
            LogClient(url)


def test_over_tls_only_the_named_authority_is_believed(ledger, tmp_path):
    made = make_identity("urn:log")
    certificate, key = tmp_path / "log.pem", tmp_path / "log.key"
    certificate.write_bytes(made.certificate_pem)
    key.write_bytes(made.key)
    with log_server(ledger, tmp_path, open_tree=True, certificate=(certificate, key)) as other:
        with closing(LogClient(other.url, other.owner, certificate)) as client:
            assert client.checkpoint() == (ledger / "checkpoint").read_bytes()
        with closing(LogClient(other.url, other.owner)) as client, pytest.raises(Unavailable, match="certificate"):
            client.checkpoint()
    with pytest.raises(Refused, match="is no certificate authority"):
        LogClient(other.url, ca=key)


def test_the_command_takes_a_url(server, tmp_path):
    token, policy = tmp_path / "token", tmp_path / "policy"
    token.write_text(server.owner + "\n")
    policy.write_text(f"log {SEALER.vkey}\nquorum none\n")
    run = CliRunner().invoke
    done = run(verify, [server.url, "--token-file", str(token), "--quiet"])
    assert (done.exit_code, done.output.startswith("VERIFIED  66,500 records")) == (0, True), done.output
    done = run(verify, [server.url, "--witness-policy", str(policy), "--quiet"])
    assert (done.exit_code, done.output) == (0, "VERIFIED  0 records, 1 head\n")
    assert isinstance(run(verify, [server.url]).exception, ConfigurationRefused)
    assert run(verify, [server.url, "--all"]).exit_code == 2
