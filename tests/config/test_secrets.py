from __future__ import annotations

import copy
import pickle

import pytest

from gateway.config.load import understand
from gateway.config.secrets import read_secret, references
from gateway.errors import ConfigurationRefused
from tests.config.example import example


def test_ac_a_variable_a_file_and_a_credential(tmp_path):
    (tmp_path / "pw").write_bytes(b"from file\n")
    (tmp_path / "pw").chmod(0o600)
    (tmp_path / "cred").mkdir()
    (tmp_path / "cred" / "pin").write_bytes(b"1234")
    environment = {"PW": "from env", "CREDENTIALS_DIRECTORY": str(tmp_path / "cred")}
    assert read_secret("env:PW", tmp_path, environment).reveal_text() == "from env"
    assert read_secret("file:pw", tmp_path, environment).reveal() == b"from file\n"
    assert read_secret("file:pw", tmp_path, environment).reveal_text() == "from file"
    assert read_secret(f"file:{tmp_path / 'pw'}", tmp_path / "x", environment).reveal_text() == "from file"
    assert read_secret("cred:pin", tmp_path, environment).reveal_text() == "1234"


def test_ac_a_secret_shows_itself_to_nobody_by_accident(tmp_path):
    secret = read_secret("env:PW", tmp_path, {"PW": "hunter2"})
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {vars(type(secret))}"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(secret)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o644])
def test_ac_a_file_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "pw"
    path.write_text("hunter2")
    path.chmod(mode)
    with pytest.raises(ConfigurationRefused) as caught:
        read_secret("file:pw", tmp_path, {})
    assert (caught.value.code, caught.value.remedy) == ("SEC-02", f"chmod 600 {path}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("hunter2", "a secret must be env:, file: or cred:"),
        ("env:PW", "no environment variable PW"),
        ("file:none", "cannot read"),
        ("cred:pin", "CREDENTIALS_DIRECTORY is not set"),
    ],
)
def test_ac_a_reference_that_leads_nowhere_says_so(tmp_path, reference, text):
    with pytest.raises(ConfigurationRefused) as caught:
        read_secret(reference, tmp_path, {})
    assert text in caught.value.text
    assert caught.value.code == "SEC-01"
    assert caught.value.remedy
    assert "hunter2" not in str(caught.value)


def test_ac_bytes_that_are_no_text_are_refused_as_text(tmp_path):
    (tmp_path / "cred").write_bytes(b"\xff\xfe")
    secret = read_secret("cred:cred", tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    with pytest.raises(ConfigurationRefused, match="is not text"):
        secret.reveal_text()


def test_all_references_of_a_configuration_are_found():
    found = dict(references(understand(example()).settings))
    assert found["keys.seal.file"] == "cred:seal"
    assert found["connections.line1.opcua.password"] == "cred:line1"
    assert found["sinks.main.qms.secret"] == "cred:qms"
    assert found["archive.s3.encryption_key"] == "cred:archive"
    assert len(found) == 10
