"""Contract of the ports `KeyPlace` and `Signer`: one suite on the fake, on a file, and on a token of SoftHSM."""

from __future__ import annotations

import subprocess
from itertools import count

import pytest

from gateway.adapters.entropy import os_entropy
from gateway.adapters.key_files import KeyFile
from gateway.adapters.token_keys import Token, TokenKeys
from gateway.errors import ConfigurationRefused, Unavailable
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import ECDSA_P256, ED25519, VerifyKey
from tests.counterparts.missing import need
from tests.counterparts.softhsm import PIN, SoftHsm
from tests.fakes.keys import FakePlace

ORIGIN = "acme.example/basel/gw-01"
TEXT = b"acme.example/basel/gw-01\n18\n0dHWjePL1SBpMK7uaiuHE4ZJQ2OqXPNWm1D7Vra/PFI=\n"
TYPES = {"seal": ED25519, "publish": ECDSA_P256}
LABELS = (f"gw-{number:02}" for number in count(1))
"""A token of its own for each test: SoftHSM knows one configuration a process."""


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory):
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in made.environment.items():
            patched.setenv(name, value)
        yield made


def file_of(path, purpose: str) -> KeyFile:
    return KeyFile(purpose, ORIGIN, str(path), lambda: path.read_bytes() if path.exists() else None, path, os_entropy)


def token_of(softhsm, label: str, pin: str = PIN) -> TokenKeys:
    return TokenKeys(Token(softhsm.module, label, lambda: pin), ORIGIN, os_entropy)


@pytest.fixture(params=["fake seal", "fake publish", "file seal", "file publish", "token publish"])
def opened(request, tmp_path):
    """(purpose, what opens the place anew as another start would)."""
    kind, purpose = request.param.split()
    if kind == "token":
        softhsm = request.getfixturevalue("softhsm")
        label, before = next(LABELS), []
        softhsm.init_token(label)

        def again():
            for one in before:
                one.close()
            before.append(token_of(softhsm, label))
            return before[-1]

        yield purpose, again
        again().close()
        return
    fake = FakePlace(purpose, ORIGIN)
    yield (
        purpose,
        (lambda: fake) if kind == "fake" else (lambda: file_of(tmp_path / "keys" / f"{purpose}.pem", purpose)),
    )


def test_a_new_place_is_empty_and_takes_a_key_that_is_there_at_the_next_start(opened):
    purpose, again = opened
    place = again()
    assert list(place.signers()) == []
    made = place.create()
    assert (made.key.name, made.key.type) == (ORIGIN, TYPES[purpose])
    assert [one.key for one in again().signers()] == [made.key]
    assert place.where


def test_us_01_what_a_key_signs_holds_under_its_public_half_alone(opened):
    _, again = opened
    first, second = again().create(), again().create()
    for signer in (first, second, *again().signers()):
        signature = signer.sign(TEXT)
        assert verify_line(signer.key, TEXT, signature)
        assert not verify_line(signer.key, TEXT + b"x", signature)
    assert not verify_line(first.key, TEXT, second.sign(TEXT))


def test_one_more_key_leaves_those_that_were_there(opened):
    _, again = opened
    made = {again().create().key for _ in range(3)}
    assert {one.key for one in again().signers()} == made
    assert len(made) == 3


def test_openssl_accepts_the_publish_line(opened, tmp_path):
    purpose, again = opened
    if purpose != "publish":
        return
    signer = again().create()
    (tmp_path / "cp.txt").write_bytes(TEXT)
    (tmp_path / "publish.sig").write_bytes(signer.sign(TEXT))
    (tmp_path / "publish.der").write_bytes(signer.key.key)
    openssl = [need("openssl"), "dgst", "-sha256", "-keyform", "DER", "-verify", "publish.der"]
    done = subprocess.run(
        [*openssl, "-signature", "publish.sig", "cp.txt"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "Verified OK", done.stderr


def test_ac_03_a_key_on_a_token_is_sensitive_and_cannot_be_exported(softhsm):
    import pkcs11

    label = next(LABELS)
    softhsm.init_token(label)
    place = token_of(softhsm, label)
    made = place.create()
    place.close()
    token = pkcs11.lib(str(softhsm.module)).get_token(token_label=label)
    with token.open(user_pin=PIN, rw=True) as session:
        (private,) = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        assert private[pkcs11.Attribute.SENSITIVE]
        assert not private[pkcs11.Attribute.EXTRACTABLE]
        assert private[pkcs11.Attribute.NEVER_EXTRACTABLE]
        with pytest.raises(pkcs11.AttributeSensitive):
            private[pkcs11.Attribute.VALUE]
        private.destroy()
    with pytest.raises(Unavailable, match="is not there any more"):
        made.sign(TEXT)
    place.close()


def test_a_session_that_was_lost_is_opened_again(softhsm):
    import pkcs11

    label = next(LABELS)
    softhsm.init_token(label)
    place = token_of(softhsm, label)
    signer = place.create()
    pkcs11.lib(str(softhsm.module)).reinitialize()  # every session and handle is void
    assert verify_line(signer.key, TEXT, signer.sign(TEXT))
    place.close()


def test_a_wrong_pin_is_tried_once(softhsm):
    label = next(LABELS)
    softhsm.init_token(label)
    place = token_of(softhsm, label, "0000")
    with pytest.raises(ConfigurationRefused, match="refuses the PIN: PinIncorrect") as refused:
        place.signers()
    assert "keys.publish.pin" in refused.value.remedy
    with pytest.raises(Unavailable, match="its PIN was refused"):
        place.signers()


def test_a_token_that_is_not_there_is_named_with_those_that_are(softhsm):
    for label in (next(LABELS), next(LABELS)):
        softhsm.init_token(label)
    with pytest.raises(ConfigurationRefused, match=r"no token elsewhere in .*there are: .*gw-") as refused:
        token_of(softhsm, "elsewhere").signers()
    assert refused.value.remedy


def test_a_module_that_cannot_be_loaded_is_named(tmp_path):
    place = TokenKeys(Token(tmp_path / "none.so", "gw-01", lambda: PIN), ORIGIN, os_entropy)
    with pytest.raises(ConfigurationRefused, match=r"none\.so cannot be loaded") as refused:
        place.signers()
    assert (refused.value.exit_code, "libsofthsm2.so" in refused.value.remedy) == (78, True)


def test_an_answer_that_does_not_hold_is_a_doubt(softhsm):
    from gateway.adapters.token_keys import TokenSigner
    from gateway.errors import LedgerDoubt

    label = next(LABELS)
    softhsm.init_token(label)
    place = token_of(softhsm, label)
    first, second = place.create(), place.create()
    crossed = TokenSigner(first._token, second.key, first._id)
    with pytest.raises(LedgerDoubt, match="does not hold"):
        crossed.sign(TEXT)
    place.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"rubbish", "no readable PEM key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no readable PEM key"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_with_the_command_that_makes_one(tmp_path, content, says):
    path = tmp_path / "publish.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigurationRefused, match=says) as refused:
        file_of(path, "publish").signers()
    assert "openssl genpkey" in refused.value.remedy


def test_a_key_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "keys.pem"
    file_of(path, "seal").create()
    with pytest.raises(ConfigurationRefused, match="is not P-256"):
        file_of(path, "publish").signers()


def test_a_place_that_somebody_else_provides_takes_no_key(tmp_path):
    place = KeyFile("publish", ORIGIN, "keys.publish (env:KEY)", lambda: None, None, os_entropy)
    with pytest.raises(ConfigurationRefused, match="no key can be made there") as refused:
        place.create()
    assert "PEM block" in refused.value.remedy


def test_a_bare_seed_takes_no_second_key_beside_it(tmp_path):
    path = tmp_path / "seal.key"
    path.write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    place = file_of(path, "seal")
    assert isinstance(place.signers()[0].key, VerifyKey)
    with pytest.raises(ConfigurationRefused, match="bare seed"):
        place.create()


def test_a_key_file_is_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "seal.pem"
    file_of(path, "seal").create()
    assert path.stat().st_mode & 0o777 == 0o600
