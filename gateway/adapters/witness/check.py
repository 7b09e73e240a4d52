"""Question to each configured witness, for `gateway check`: is it there, and does it know our log.

The checkpoint that is sent bears no seal, so that it changes nothing there and can conflict with nothing: a witness that knows the log
answers 403, one that does not 404 (C2SP tlog-witness). Sizes are compared at every start of the gateway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.adapters.webhook.sender import make_tls
from gateway.adapters.witness.client import WitnessClient
from gateway.config.environment import Answer, EnvironmentCheck
from gateway.config.load import Loaded
from gateway.errors import EvidenceRefused
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.note import COSIGNATURE, COSIGNATURE_ML_DSA_44, VerifyKey, parse_vkey, sign_note
from gateway.ledger.witness import FORBIDDEN, UNKNOWN

NOBODY: Final = VerifyKey("gateway-check", 1, bytes(32))


@dataclass(frozen=True)
class WitnessCheck:
    """One witness by its id in the configuration."""

    target: str
    url: str
    key: Path
    origin: str
    ca: Path | None = None
    id: str = "witness"

    async def ask(self) -> Answer:
        """Read its key, then ask it about an unsealed checkpoint of our log."""
        try:
            key = parse_vkey(self.key.read_text().strip())
        except OSError as error:
            return Answer("failed", f"{self.key}: {error.strerror}. Next: put the line there that the witness prints")
        except EvidenceRefused as error:
            return Answer("failed", f"{self.key}: {error.text}. Next: {error.remedy}")
        if key.type not in {COSIGNATURE, COSIGNATURE_ML_DSA_44}:
            return Answer("failed", f"{self.key} holds the key of a log. Next: ask for the witness's own line")
        text = format_checkpoint(Checkpoint(self.origin, 0, EMPTY_ROOT))
        tls = None if self.ca is None else make_tls(self.ca, who=f"witnesses.{self.target}")
        async with WitnessClient(self.url, key, tls) as client:
            answer = await client.add_checkpoint(0, (), sign_note(text, [(NOBODY, lambda _: bytes(64))]))
        if answer.status == FORBIDDEN:
            return Answer("ok", f"{key} answers and knows {self.origin}")
        if answer.status == UNKNOWN:
            return Answer("failed", f"does not know {self.origin}. Next: give its owner our verifier key")
        if answer.status is None:
            return Answer("failed", f"{answer.cause}. Next: check address, network and certificate")
        return Answer("failed", f"answers {answer.status} {answer.text}. Next: ask its owner".replace("  ", " "))


def witness_checks(loaded: Loaded, folder: Path) -> Iterator[EnvironmentCheck]:
    """Yield a question for each witness of the configuration; ``folder`` is the configuration's."""
    settings = loaded.settings
    for name, block in settings.witnesses.items() if settings is not None else ():
        assert settings is not None, "there are witnesses"
        ca = None if block.ca is None else folder / block.ca
        yield WitnessCheck(name, block.url, folder / block.key, settings.ledger.origin, ca)
