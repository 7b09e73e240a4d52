"""A witness in memory (port `Witness`) that decides as a witness does and fails both ways on demand."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ledger.crypto import cosigner, ed25519_public, verify_line
from gateway.ledger.note import COSIGNATURE, Line, VerifyKey, parse_note
from gateway.ledger.witness import CONFLICT, decide, format_question, parse_size
from gateway.ports import CosignAnswer
from tests.fakes.log import SEALER


class FakeWitness:
    """``fail_next``: ``silent`` (nothing happened), ``lost`` (it was kept, the answer is lost), ``foreign`` (200, not cosigned),
    or a status such as ``503``. ``asked`` are the old sizes of all questions.
    """

    def __init__(self, number: int = 0, *, logs: Sequence[VerifyKey] = (SEALER.key,)) -> None:
        self._seed = bytes([0x80 + number]) * 32
        self.key = VerifyKey(f"witness.example/{number}", COSIGNATURE, ed25519_public(self._seed))
        self.logs = {one.name: [one] for one in logs}
        self.kept: dict[str, bytes] = {}
        self.fail_next: list[str] = []
        self.down = False
        self.asked: list[int] = []
        self.sizes: list[int] = []
        self.second = 1_792_889_410

    async def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> CosignAnswer:
        self.asked.append(old)
        self.sizes.append(int(note.split(b"\n")[1]))
        how = self.fail_next.pop(0) if self.fail_next else ""
        if self.down or how == "silent":
            return CosignAnswer(status=None, cause="ConnectionRefusedError")
        if how.isdecimal():
            return CosignAnswer(status=int(how), text="as asked for")
        verdict = decide(
            format_question(old, proof, note), self.kept.get, lambda origin: self.logs.get(origin, ()), verify_line
        )
        if verdict.keep is None:
            size = parse_size(verdict.body) if verdict.status == CONFLICT else None
            return CosignAnswer(status=verdict.status, size=size, text=verdict.body.decode().strip())
        assert verdict.seen is not None
        self.kept[verdict.seen.origin] = verdict.keep
        if how == "lost":
            return CosignAnswer(status=None, cause="timeout")
        if how == "foreign":
            return CosignAnswer(status=200)
        line = cosigner(self._seed, self.second)(parse_note(note).text)
        return CosignAnswer(status=200, cosignature=Line(self.key.name, self.key.key_id, line))
