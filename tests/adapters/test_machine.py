"""The machine's clocks, key, entropy, service manager."""

from __future__ import annotations

import base64
import socket
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.adapters.adjtimex import ask_kernel
from gateway.adapters.chrony import Chrony, parse_tracking
from gateway.adapters.entropy import os_entropy
from gateway.adapters.keys import Ed25519Sealer, create_key_file, parse_seed
from gateway.adapters.system_clock import OsClock
from gateway.adapters.systemd import Systemd
from gateway.errors import ConfigurationRefused
from gateway.ledger.crypto import sealer, verify_line
from gateway.ledger.note import open_note, sign_note

SEED = bytes(range(32))
ORIGIN = "acme.example/basel/gw-01"
TRACKING = "0A010005,10.1.0.5,2,1792888200.1,0.000212000,0.0001,0.0002,-11.823,0.001,0.02,0.000900000,0.000400000,64.2,Normal\n"


def test_the_seal_is_the_note_line_of_ledger_v1():
    key = Ed25519Sealer(ORIGIN, SEED)
    assert key.vkey == "acme.example/basel/gw-01+c04564cd+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    text = b"acme.example/basel/gw-01\n1\nAAAA\n"
    note = key.seal(text)
    assert note == sign_note(text, [(key.key, sealer(SEED))])
    assert open_note(note, [key.key], verify_line).text == text


def test_a_new_key_file_is_owner_only_and_never_replaced(tmp_path):
    path = tmp_path / "seal.pem"
    create_key_file(path, SEED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert parse_seed(path.read_bytes()) == SEED
    with pytest.raises(ConfigurationRefused, match="exists"):
        create_key_file(path, SEED)
    assert parse_seed(base64.b64encode(SEED) + b"\n") == SEED


@pytest.mark.parametrize(
    "secret",
    [
        b"",
        b"no base64!",
        base64.b64encode(bytes(31)),
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
)
def test_anything_but_an_ed25519_key_is_refused_and_not_shown(secret):
    with pytest.raises(ConfigurationRefused) as caught:
        parse_seed(secret)
    assert not secret or secret.decode() not in str(caught.value)


def test_clocks_move_forward_and_the_report_never_raises(tmp_path):
    clock = OsClock()
    before, after = clock.now(), clock.now()
    assert before.boot_ns <= after.boot_ns
    assert before.monotonic_ns <= after.monotonic_ns
    assert before.raw_ns <= after.raw_ns
    assert clock.report().source in {"chrony", "adjtimex", "none"}
    assert len(clock.boot_id) == 36
    assert OsClock(boot_id_file=tmp_path / "missing").boot_id == "unknown"
    kernel = ask_kernel()
    assert kernel.bound_ns is None or kernel.bound_ns >= 0


def test_chronys_line_gives_offset_bound_and_leap():
    report = parse_tracking(TRACKING)
    assert (report.source, report.synchronised, report.reference, report.stratum) == ("chrony", True, "10.1.0.5", 2)
    assert (report.offset_ns, report.delay_ns, report.dispersion_ns) == (-212_000, 900_000, 400_000)
    assert report.bound_ns == 212_000 + 400_000 + 450_000
    assert (report.freq_ppb, report.leap) == (-11_823, "none")
    lost = parse_tracking(TRACKING.replace("Normal", "Not synchronised"))
    assert (lost.synchronised, lost.leap) == (False, None)
    with pytest.raises(ValueError, match="fields"):
        parse_tracking("506 Cannot talk to daemon")


def test_chrony_is_asked_beside_the_caller_and_its_silence_is_no_answer(tmp_path):
    import time

    command = tmp_path / "chronyc"
    command.write_text(f"#!/bin/sh\nsleep 0.05\nprintf '{TRACKING.strip()}\\n'\n")
    command.chmod(0o755)
    chrony = Chrony(str(command))
    began = time.monotonic()
    assert chrony.report() is None
    assert time.monotonic() - began < 0.05
    deadline = began + 5
    while (report := chrony.report()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert report is not None
    assert report.source == "chrony"
    assert Chrony(str(tmp_path / "none")).report() is None


def test_entropy_is_fresh():
    assert len(os_entropy(32)) == 32
    assert os_entropy(32) != os_entropy(32)


def test_systemd_hears_states_and_says_how_often(tmp_path):
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(2)
        service = Systemd({"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "20000000"})
        service.notify("READY=1", "STATUS=recording 14 signals")
        assert listener.recv(200) == b"READY=1\nSTATUS=recording 14 signals"
    assert service.watchdog_s == 20.0
    service.notify("WATCHDOG=1")  # nobody listens any more: no error
    alone = Systemd({})
    alone.notify("READY=1")
    assert alone.watchdog_s is None
    assert Systemd({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).watchdog_s is None
