"""Keys in memory that can be out of reach, or broken: the ports `Signer` and `KeyPlace` without a file or a token."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.adapters.key_files import EcdsaSigner
from gateway.adapters.keys import Ed25519Sealer
from gateway.errors import ConfigurationRefused, LedgerDoubt, Unavailable
from gateway.ledger.crypto import verify_line


class FakeSigner:
    """A key whose `mode` is "there", "away" or "broken"."""

    def __init__(self, inner) -> None:
        self._inner = inner
        self.key = inner.key
        self.mode = "there"
        self.asked = 0

    def sign(self, text: bytes) -> bytes:
        self.asked += 1
        if self.mode == "away":
            raise Unavailable("token gw-01: DeviceRemoved", remedy="plug it in")
        signature = self._inner.sign(text if self.mode == "there" else text + b"x")
        if not verify_line(self.key, text, signature):
            raise LedgerDoubt(f"a signature of {self.key} does not hold", remedy="look at the token")
        return signature


class FakePlace:
    """A place of keys that takes more of them while `open`."""

    def __init__(self, purpose: str, origin: str) -> None:
        self.where = f"keys.{purpose} (memory)"
        self._purpose = purpose
        self._origin = origin
        self.found: list[FakeSigner] = []
        self.open = True

    def signers(self):
        return list(self.found)

    def create(self):
        if not self.open:
            raise ConfigurationRefused(f"{self.where}: no key can be made there", remedy="make it yourself")
        number = len(self.found) + 1
        inner = (
            Ed25519Sealer(self._origin, bytes([number]) * 32)
            if self._purpose == "seal"
            else EcdsaSigner(self._origin, ec.derive_private_key(number, ec.SECP256R1()))
        )
        self.found.append(FakeSigner(inner))
        return self.found[-1]
