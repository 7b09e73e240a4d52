"""Publish keys on a PKCS#11 token (HSM, TPM, SoftHSM): P-256, made there, never exported (port `KeyPlace`; `ledger.md` 4).

The one door to `python-pkcs11`, the extra ``hsm``. A token that fails is opened anew once for each call; a PIN is tried once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.errors import ConfigurationRefused, LedgerDoubt, Unavailable
from gateway.ledger.crypto import verify_line
from gateway.ledger.note import ECDSA_P256, VerifyKey
from gateway.ports import Entropy
from gateway.ports.keys import Signer

P256: Final = bytes.fromhex("06082a8648ce3d030107")
"""EC_PARAMS of the one curve: the DER of its object identifier."""
_SPKI: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
_OCTETS: Final = bytes.fromhex("0441")
_POINT_SIZE: Final = 65
_ID_BYTES: Final = 16
_AGAIN: Final = "is the token there and unlocked? p11tool or pkcs11-tool --list-token-slots shows what the module sees"
Answer = TypeVar("Answer")


class Token:
    """One session on one token. ``label`` names the token and the keys on it; a token of another name serves if it is the only one."""

    def __init__(self, module: Path, label: str, pin: Callable[[], str]) -> None:
        self.where = f"token {label} ({module.name})"
        self.label = label
        self._module = module
        self._pin = pin
        self._pin_refused = False
        self._session: Any = None
        self._one = Lock()

    def ask(self, question: Callable[[Any, Any], Answer]) -> Answer:
        """Return ``question(pkcs11, session)``, asked again once in a new session when the token fails.

        Raises `ConfigurationRefused` for a module, token or PIN that is not the configured one, `Unavailable` otherwise.
        """
        pkcs11 = _library()
        with self._one:
            again = self._session is not None
            while True:
                try:
                    if self._session is None:
                        self._session = self._open(pkcs11)
                    _feel(pkcs11, self._session)
                    return question(pkcs11, self._session)
                except pkcs11.PKCS11Error as error:
                    self._session = None
                    if not again:
                        raise Unavailable(f"{self.where}: {_named(error)}", remedy=_AGAIN) from error
                    again = False
                    _forget(pkcs11, self._module)

    def close(self) -> None:
        """End the session; the next question opens another."""
        with self._one:
            session, self._session = self._session, None
            if session is not None:
                with suppress(_library().PKCS11Error):
                    session.close()

    def _open(self, pkcs11: Any) -> Any:
        if self._pin_refused:
            raise Unavailable(f"{self.where}: its PIN was refused", remedy="mend keys.publish.pin, then start again")
        try:
            found = _tokens(pkcs11, self._module)
            if self.label not in found:  # plugged in, or made, since the module looked
                _forget(pkcs11, self._module)
                found = _tokens(pkcs11, self._module)
        except (pkcs11.PKCS11Error, RuntimeError) as error:
            raise ConfigurationRefused(
                f"keys.publish.pkcs11: {self._module} cannot be loaded: {_named(error)}",
                remedy="name the module of the token: SoftHSM /usr/lib/softhsm/libsofthsm2.so, a TPM libtpm2_pkcs11.so",
            ) from error
        token = self._choose(found)
        try:
            return token.open(rw=True, user_pin=self._pin())
        except pkcs11.UserAlreadyLoggedIn:  # the login is of the whole program
            return token.open(rw=True)
        except (
            pkcs11.PinIncorrect,
            pkcs11.PinLocked,
            pkcs11.PinExpired,
            pkcs11.PinLenRange,
            pkcs11.PinInvalid,
        ) as error:
            self._pin_refused = True  # never a second time by itself: tokens lock
            raise ConfigurationRefused(
                f"{self.where} refuses the PIN: {_named(error)}",
                remedy="mend keys.publish.pin; a token locks after a few",
            ) from error

    def _choose(self, found: Mapping[str, Any]) -> Any:
        if self.label in found:
            return found[self.label]
        if len(found) == 1:
            return next(iter(found.values()))
        names = ", ".join(sorted(found)) or "none"
        raise ConfigurationRefused(
            f"keys.publish: no token {self.label} in {self._module} (there are: {names})",
            remedy="plug it in, or give it this label: softhsm2-util --init-token --free --label LABEL",
        )


class TokenSigner:
    """One key on a token: asked by its id, its answer checked before anybody sees it."""

    def __init__(self, token: Token, key: VerifyKey, key_id: bytes) -> None:
        self.key = key
        self._token = token
        self._id = key_id

    def sign(self, text: bytes) -> bytes:
        """Return the DER signature over SHA-256 of the text."""
        raw = self._token.ask(lambda pkcs11, session: self._sign(pkcs11, session, text))
        half = len(raw) // 2
        signature = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        if not verify_line(self.key, text, signature):
            raise LedgerDoubt(
                f"{self._token.where}: a signature of {self.key} does not hold",
                remedy="keep the evidence; the token or its driver is broken, or the key was exchanged",
            )
        return signature

    def _sign(self, pkcs11: Any, session: Any, text: bytes) -> bytes:
        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.ID: self._id}
        for private in list(session.get_objects(wanted)):  # to its end: a search left open forbids to sign
            signed: bytes = private.sign(sha256(text).digest(), mechanism=pkcs11.Mechanism.ECDSA)
            return signed
        raise Unavailable(f"{self._token.where}: the key {self.key} is not there any more", remedy=_AGAIN)


class TokenKeys:
    """All P-256 keys of one label on a token."""

    def __init__(self, token: Token, origin: str, entropy: Entropy) -> None:
        self.where = token.where
        self._token = token
        self._origin = origin
        self._entropy = entropy

    def signers(self) -> Sequence[Signer]:
        """Return the keys by their C2SP key id: a token keeps no order."""
        found = self._token.ask(self._find)
        return sorted((self._signer(key_id, point) for key_id, point in found), key=lambda one: one.key.key_id)

    def create(self) -> Signer:
        """Make a key on the token and see that it cannot leave it."""
        key_id = self._entropy(_ID_BYTES)
        point = self._token.ask(lambda pkcs11, session: self._make(pkcs11, session, key_id))
        return self._signer(key_id, point)

    def close(self) -> None:
        """Let the token go; the next question takes it again."""
        self._token.close()

    def _signer(self, key_id: bytes, point: bytes) -> TokenSigner:
        return TokenSigner(self._token, VerifyKey(self._origin, ECDSA_P256, _SPKI + point), key_id)

    def _find(self, pkcs11: Any, session: Any) -> list[tuple[bytes, bytes]]:
        kind, attribute = pkcs11.ObjectClass, pkcs11.Attribute
        named = {attribute.LABEL: self._token.label, attribute.KEY_TYPE: pkcs11.KeyType.EC}
        found: list[tuple[bytes, bytes]] = []
        for private in list(session.get_objects({**named, attribute.CLASS: kind.PRIVATE_KEY})):
            key_id = bytes(private[attribute.ID])
            public = list(session.get_objects({attribute.CLASS: kind.PUBLIC_KEY, attribute.ID: key_id}))
            if public and public[0][attribute.EC_PARAMS] == P256:
                found.append((key_id, self._point(public[0][attribute.EC_POINT])))
        return found

    def _make(self, pkcs11: Any, session: Any, key_id: bytes) -> bytes:
        attribute = pkcs11.Attribute
        curve = session.create_domain_parameters(pkcs11.KeyType.EC, {attribute.EC_PARAMS: P256}, local=True)
        public, private = curve.generate_keypair(
            store=True,
            label=self._token.label,
            id=key_id,
            capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            private_template={attribute.SENSITIVE: True, attribute.EXTRACTABLE: False},
        )
        if not private[attribute.SENSITIVE] or private[attribute.EXTRACTABLE]:
            private.destroy()
            public.destroy()
            raise ConfigurationRefused(
                f"{self.where} makes keys that can be exported", remedy="use a token that keeps its keys"
            )
        return self._point(public[attribute.EC_POINT])

    def _point(self, told: bytes) -> bytes:
        point = told.removeprefix(_OCTETS) if len(told) == _POINT_SIZE + len(_OCTETS) else told
        if len(point) != _POINT_SIZE:
            raise ConfigurationRefused(
                f"{self.where}: a public key of {len(point)} bytes", remedy="give an uncompressed P-256 key"
            )
        return bytes(point)


def _library() -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - an extra, loaded only where a token is configured
    except ImportError as error:
        raise ConfigurationRefused(
            "keys.publish.pkcs11: this installation has no PKCS#11", remedy="install the extra: shopfloor-gateway[hsm]"
        ) from error
    return pkcs11


def _feel(pkcs11: Any, session: Any) -> None:
    """Raise the library's error where a session is void: a search in one cannot be ended in order."""
    with suppress(pkcs11.RandomNoRNG, pkcs11.FunctionNotSupported):
        session.generate_random(8)


def _forget(pkcs11: Any, module: Path) -> None:
    """Load the module anew: after a token was taken out, its old sessions and slots are void."""
    try:
        pkcs11.lib(str(module)).reinitialize()
    except (pkcs11.PKCS11Error, RuntimeError):  # the next question says it with its remedy
        pkcs11.unload(str(module))


def _tokens(pkcs11: Any, module: Path) -> dict[str, Any]:
    """Return the tokens that the module sees, by label; one without a label was never initialized."""
    seen = [slot.get_token() for slot in pkcs11.lib(str(module)).get_slots(token_present=True)]
    return {token.label.strip(): token for token in seen if token.label.strip()}


def _named(error: Exception) -> str:
    return str(error) or type(error).__name__
