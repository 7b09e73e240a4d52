from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from click.testing import CliRunner

from gateway.cli.check import check
from gateway.config.check import report, to_json
from gateway.config.environment import Answer, EnvironmentResult, Shared, reason, run_checks
from gateway.config.load import load, profiles_beside, read_folders, understand
from gateway.config.machine_checks import (
    MachineCheck,
    certificate_dates,
    disk_space,
    disk_sync,
    machine_checks,
    port_free,
)
from gateway.config.manifest import configuration_hash, format_manifest
from gateway.errors import ConfigurationRefused
from tests.config.example import PLANT, ROOM, changed, example
from tests.paths import ROOT


def _result(id_, state):
    return EnvironmentResult(id=id_, target="x", state=state, detail="d", ms=1)


def _clean():
    return load(ROOT / "config", ROOT / "device_profiles")


def test_the_shipped_plant_is_understood_without_a_word():
    loaded = _clean()
    assert loaded.findings == ()
    assert loaded.plan.dev
    assert loaded.settings.ledger.origin.endswith("-dev")
    assert {"FRZ-01/temp", "FRZ-01/door", "R-1-ENV/temp", "R-1-ENV/rh", "R-1-ENV/dp", "R-1-ENV/door"} <= set(
        loaded.plan.signals
    )
    assert {limits.id for limits in loaded.limit_sets} == {"FRZ-01-STORE", "R-1-ENV"}


@pytest.mark.parametrize(
    ("environment", "deny", "code"),
    [
        ([], False, 0),
        ([_result("disk-sync", "ok")], False, 0),
        ([_result("disk-space", "warning")], False, 1),
        ([_result("disk-space", "warning")], True, 78),
        ([_result("mqtt-connect", "failed")], False, 69),
        ([_result("mqtt-connect", "failed")], True, 69),
        ([_result("mqtt-connect", "failed"), _result("x", "warning")], True, 78),
        ([_result("secret-readable", "failed")], False, 78),
        ([_result("port-free", "skipped")], True, 0),
    ],
)
def test_exit_codes_first_that_applies(environment, deny, code):
    assert report(_clean(), environment, deny_warnings=deny).exit == code


def test_exit_codes_of_files():
    assert report(understand(example())).exit == 1
    assert report(understand(example()), deny_warnings=True).exit == 78
    assert report(changed((PLANT, "connection: plant", "connection: plnt"))).exit == 78


def test_json_has_the_fields_of_the_page():
    loaded = changed((PLANT, "connection: plant", "connection: plnt"))
    found = json.loads(to_json(report(loaded, [_result("disk-sync", "ok")])))
    assert found["format"] == "check/1"
    assert found["config_hash"] == loaded.config_sha256
    error = next(one for one in found["findings"] if one["severity"] == "error")
    assert list(error) == ["id", "severity", "file", "line", "column", "end_column", "path", "message", "suggestion"]
    assert (error["id"], error["line"], error["column"], error["end_column"]) == ("REF-01", 10, 62, 66)
    assert list(found["environment"][0]) == ["id", "target", "state", "detail", "ms"]


def test_ea_the_configuration_hash_is_sha256sum_of_a_sorted_manifest():
    loaded = _clean()
    lines = [f"{sha256(content).hexdigest()}  {name}" for name, content in loaded.files.items()]
    assert sorted(lines, key=lambda line: line[66:]) == format_manifest(loaded.files).decode().splitlines()
    assert loaded.config_sha256 == sha256(format_manifest(loaded.files)).hexdigest()
    assert loaded.plan.config == loaded.config_sha256[:16]


def test_the_hash_changes_with_any_signed_byte_and_with_no_other():
    files = example()
    whole = understand(files).config_sha256
    assert understand(files | {"config/schema/plant.schema.json": b"{}"}).config_sha256 == whole
    assert understand(files | {"device_profiles/other/unused/profile.yaml": b"x"}).config_sha256 == whole
    assert understand(files | {ROOM: files[ROOM] + b"# x\n"}).config_sha256 != whole
    assert configuration_hash({"a": b"1"}) != configuration_hash({"b": b"1"})


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationRefused, match="no folder"):
        read_folders(tmp_path / "none", tmp_path)


def test_profiles_lie_inside_or_beside(tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    assert profiles_beside(config) == tmp_path / "device_profiles"
    (config / "device_profiles").mkdir()
    assert profiles_beside(config) == config / "device_profiles"


def test_check_command_on_the_shipped_plant():
    found = CliRunner().invoke(check, ["--config", str(ROOT / "config"), "--offline"])
    assert found.exit_code == 0, found.output
    assert found.output == "0 errors, 0 warnings; environment not checked\n"


def test_check_command_says_all_and_ends_78(tmp_path):
    for name, content in example().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace(b"connection: plant", b"connection: plnt"))
    found = CliRunner().invoke(check, ["--config", str(tmp_path / "config"), "--offline"])
    assert found.exit_code == 78
    assert "no connection 'plnt' - did you mean 'plant'? (config/gateway.yaml:10)" in found.output
    as_json = CliRunner().invoke(check, ["--config", str(tmp_path / "config"), "--offline", "--json"])
    assert json.loads(as_json.output)["exit"] == 78


def test_check_command_asks_the_machine(tmp_path):
    for name in ("config/gateway.yaml", "config/plant.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
    (tmp_path / "device_profiles").symlink_to(ROOT / "device_profiles")
    found = CliRunner().invoke(check, ["--config", str(tmp_path / "config")])
    assert (
        "failed  secret-readable  sinks.main.qms.secret (file:../var/secrets/qms.secret): SEC-01: cannot read"
        in found.output
    )
    assert "seal.pem" not in found.output, "setup makes it"
    assert found.exit_code == 78


async def test_a_question_that_blocks_is_asked_in_a_thread():
    import threading

    check = MachineCheck("disk-sync", "here", lambda: Answer("ok", threading.current_thread().name))
    (found,) = await run_checks([check], seconds_each=60)
    assert found.detail != threading.main_thread().name


async def test_checks_run_beside_each_other_and_each_has_its_bound():
    async def slow():
        await asyncio.sleep(5)
        return Answer("ok", "")

    class Slow:
        id, target = "tsa", "x"
        ask = staticmethod(slow)

    class Refused:
        id, target = "sink-reach", "main"

        async def ask(self):
            raise ConfigurationRefused("no", remedy="do")

    class Lost:
        id, target = "witness", "hq"

        async def ask(self):
            raise ConnectionRefusedError(111, "Connection refused")

    class Good:
        id, target = "disk-sync", "here"

        async def ask(self):
            return Answer("ok", "fine")

    good = Good()
    found = await run_checks([Slow(), good, Refused(), Lost()], seconds_each=0.05)
    assert [(one.id, one.state, one.detail) for one in found] == [
        ("tsa", "failed", "no answer in 0.05 s"),
        ("disk-sync", "ok", "fine"),
        ("sink-reach", "failed", "no; do"),
        ("witness", "failed", "connection refused"),
    ]
    late = await run_checks([Slow(), good], seconds_each=5, seconds_all=0.1)
    assert [(one.id, one.state) for one in late] == [("tsa", "failed"), ("disk-sync", "ok")]


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port_free(f"127.0.0.1:{port}", tmp_path).state == "failed"
    assert port_free(f"127.0.0.1:{port}", tmp_path) == ("ok", "free")
    assert port_free("192.0.2.1:80", tmp_path).state == "failed"


def test_while_the_gateway_runs_its_ports_are_not_asked(tmp_path):
    import fcntl

    with (tmp_path / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert port_free("127.0.0.1:1", tmp_path) == ("skipped", "the gateway is running")


def test_disk_space_and_sync(tmp_path):
    ledger = tmp_path / "not" / "yet"
    assert disk_space(ledger, 1, 1).state == "ok"
    assert disk_space(ledger, 1, 2**70).state == "warning"
    assert disk_space(ledger, 2**70, 1).state == "failed"
    assert disk_sync(ledger, syncs=3).detail.startswith("p99 ")
    assert list(tmp_path.iterdir()) == []


def _certificate(path, days):
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    start = NOW - timedelta(days=400)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(start).not_valid_after(NOW + timedelta(days=days))
    encoding = Encoding.DER if path.suffix == ".der" else Encoding.PEM
    path.write_bytes(built.sign(key, None).public_bytes(encoding))
    return path


NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "state", "detail"),
    [
        (61, "ok", "61 days left"),
        (60, "warning", "60 days left"),
        (7, "warning", "7 days left"),
        (-1, "failed", "expired 2026-11-23"),
    ],
)
@pytest.mark.parametrize("name", ["c.pem", "c.der"])
def test_certificate_dates(tmp_path, days, state, detail, name):
    assert certificate_dates(_certificate(tmp_path / name, days), NOW) == (state, detail)


def test_a_certificate_that_is_none_or_not_there_or_not_yet(tmp_path):
    (tmp_path / "x.pem").write_text("hello")
    assert certificate_dates(tmp_path / "x.pem", NOW).state == "failed"
    assert certificate_dates(tmp_path / "y.pem", NOW).detail.startswith("cannot read")
    early = certificate_dates(_certificate(tmp_path / "z.pem", 60), NOW - timedelta(days=500))
    assert early == ("failed", "not valid before 2025-10-20")


def test_every_certificate_and_secret_of_the_example_is_asked_for(tmp_path):
    checks = machine_checks(understand(example()), tmp_path, NOW)
    targets = {(one.id, one.target) for one in checks}
    assert ("certificate-dates", "connections.line1.server_certificate") in targets
    assert ("certificate-dates", "http.certificate") in targets
    assert ("certificate-dates", "timestamping.ca") in targets
    assert ("secret-readable", "keys.publish.pin (cred:pin)") in targets
    assert ("port-free", "http 0.0.0.0:8443") in targets
    assert {"disk-space", "disk-sync"} <= {one.id for one in checks}


async def test_a_shared_conversation_is_held_once_and_its_error_is_everybodys():
    held = []

    async def hold():
        held.append(1)
        if len(held) > 1:
            raise ConfigurationRefused("no")
        return "said"

    shared = Shared(hold)
    assert [await shared.get(), await shared.get()] == ["said", "said"]
    other = Shared(hold)
    for _ in range(2):
        with pytest.raises(ConfigurationRefused):
            await other.get()
    assert len(held) == 2


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "its name is not known here"),
        (TimeoutError(), "no answer in time"),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
    ],
)
def test_the_world_is_told_in_words(error, says):
    assert reason(error) == says
