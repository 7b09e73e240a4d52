"""What is let in: policies, anonymous, the pinned certificate; and the kept session at rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gateway.adapters.opcua.errors import Trouble, Verdict
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.security import check_link, check_server_certificate
from gateway.adapters.opcua.session_file import Kept, KeptSubscription, SessionFile, TokenPolicy
from gateway.errors import SourceRefused
from tests.counterparts.certificates import make_identity

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 11, 24, tzinfo=UTC)
AT_NS = round(AT.timestamp()) * 10**9
SERVER = make_identity("urn:server", at=AT)
OURS = make_identity("urn:ours", at=AT)


def link(**given: Any) -> OpcuaLink:
    base: dict[str, Any] = {
        "url": "opc.tcp://10.1.4.20:4840",
        "user": "gw",
        "password": "p",
        "own_certificate": OURS.certificate,
        "own_key": OURS.key,
        "server_certificate": SERVER.certificate,
    }
    return OpcuaLink(**{**base, **given})


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"policy": "None"}, "SEC-03"),
        ({"policy": "None", "development": True}, "SEC-03"),
        ({"policy": "None", "url": "opc.tcp://127.0.0.1:4840"}, "SEC-03"),
        ({"policy": "Basic128Rsa15"}, "SEC-03"),
        ({"policy": "Basic256"}, "SEC-03"),
        ({"mode": "None"}, "SEC-03"),
        ({"user": None}, "SEC-03"),
        ({"server_certificate": None}, "SCH-02"),
        ({"own_certificate": None}, "SCH-02"),
        ({"url": "opc.tcp://gw:secret@10.1.4.20:4840"}, "SEC-04"),
        ({"url": "http://10.1.4.20"}, "SCH-03"),
    ],
)
def test_ac_08_what_is_weak_is_refused_by_rule(given: dict[str, Any], code: str) -> None:
    with pytest.raises(SourceRefused) as refused:
        check_link(link(**given))
    assert refused.value.code == code
    assert refused.value.remedy


def test_ac_08_what_is_strong_is_let_in() -> None:
    check_link(link())
    check_link(link(mode="Sign", policy="Aes256Sha256RsaPss"))
    check_link(OpcuaLink(url="opc.tcp://127.0.0.1:4840", policy="None", mode="None", development=True))


def test_us_08_the_pinned_certificate_must_hold() -> None:
    check_server_certificate(SERVER.certificate, host="127.0.0.1", application_uri="urn:server", wall_ns=AT_NS)
    check_server_certificate(SERVER.certificate, host="LOCALHOST", application_uri=None, wall_ns=AT_NS)


@pytest.mark.parametrize(
    ("certificate", "given"),
    [
        (SERVER.certificate, {"wall_ns": AT_NS + 366 * 86400 * 10**9}),
        (SERVER.certificate, {"wall_ns": AT_NS - 2 * 86400 * 10**9}),
        (SERVER.certificate, {"application_uri": "urn:another"}),
        (SERVER.certificate, {"host": "10.9.9.9"}),
        (SERVER.certificate, {"host": "elsewhere"}),
        (make_identity("urn:server", bits=1024, at=AT).certificate, {}),
    ],
    ids=["expired", "not yet", "uri", "address", "name", "short key"],
)
def test_us_08_a_pinned_certificate_that_does_not_hold_is_no_link(certificate: bytes, given: dict[str, Any]) -> None:
    base: dict[str, Any] = {"host": "127.0.0.1", "application_uri": "urn:server", "wall_ns": AT_NS}
    with pytest.raises(Trouble) as trouble:
        check_server_certificate(certificate, **{**base, **given})
    assert trouble.value.verdict is Verdict.SECURITY


KEPT = Kept(
    token=b"\2\1\0\0",
    nonce=b"n" * 32,
    policies=(TokenPolicy("p", 1, None),),
    timeout_ms=3_600_000.0,
    subscriptions=(KeptSubscription(7, "data", 5000.0),),
    namespaces=("a", "b"),
    start_ticks=5,
    plan_sha256="x",
    refused=(3,),
)


def test_di_02_trap_resume_without_policy_and_stale_nonce_the_file_holds_both(tmp_path: Path) -> None:
    file = SessionFile(link(session_file=tmp_path / "state" / "l.session"), "line1")
    assert file.load() is None
    assert file.save(KEPT)
    assert file.load() == KEPT
    stored = (tmp_path / "state" / "l.session").read_bytes()
    assert b"n" * 32 not in stored
    assert (tmp_path / "state" / "l.session").stat().st_mode & 0o777 == 0o600
    file.forget()
    assert file.load() is None


def test_ac_08_a_kept_session_opens_for_its_source_and_key_only(tmp_path: Path) -> None:
    path = tmp_path / "l.session"
    assert SessionFile(link(session_file=path), "line1").save(KEPT)
    assert SessionFile(link(session_file=path), "line2").load() is None
    assert SessionFile(link(session_file=path, own_key=SERVER.key), "line1").load() is None
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert SessionFile(link(session_file=path), "line1").load() is None
