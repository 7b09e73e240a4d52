"""One exchange with one witness about one checkpoint: prove, ask, and do what the table says (`ledger.md` 4, client)."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from gateway.domain.witness_states import (
    NEXT_STEP,
    TABLE,
    WitnessAct,
    WitnessAnswer,
    WitnessStep,
    judge,
    read_answer,
)
from gateway.errors import EvidenceRefused, LedgerDoubt
from gateway.ledger.checkpoint import Checkpoint, parse_checkpoint
from gateway.ledger.crypto import verify_line
from gateway.ledger.merkle import EMPTY_ROOT
from gateway.ledger.note import Line, VerifyKey, open_note, parse_note
from gateway.ledger.proof import check_consistency, prove_consistency, range_hash
from gateway.ports import CosignAnswer, LedgerStore, Witness

ROLLBACK_REMEDY = "bring the tail back from mirror or backup; if there is none, an approver starts a new log"
FORK_REMEDY = "bring the files back from mirror or backup; if there are none, an approver starts a new log"


class Party(NamedTuple):
    """A witness as the policy names it, and the way to it."""

    name: str
    key: VerifyKey
    witness: Witness


class Ended(NamedTuple):
    """How an exchange ended: KEEP with the line, or NOTICE, LATER, HALT with the answer and words for people."""

    act: WitnessAct
    answer: WitnessAnswer
    line: Line | None = None
    code: str = ""
    text: str = ""
    doubt: LedgerDoubt | None = None


class _Proof(NamedTuple):
    """The proof from a size, and our root there."""

    hashes: tuple[bytes, ...]
    root: bytes


async def exchange(party: Party, store: LedgerStore, note: bytes, kept: Checkpoint | None) -> Ended:
    """Offer the note of a frame's end; ``kept``: the newest checkpoint that we hold with this witness's cosignature.

    Raises `LedgerDoubt` when our own proof does not hold between our own roots.
    """
    head = parse_checkpoint(parse_note(note).text)
    step, old = WitnessStep.ASKED, 0 if kept is None else kept.size
    if old > head.size:
        return _larger(party.name, old, head.size)
    while True:
        proof = await asyncio.get_running_loop().run_in_executor(None, _prove, store, old, head)
        answer = await party.witness.add_checkpoint(old, proof.hashes, note)
        read = read_answer(
            answer.status,
            cosigned=answer.cosignature is not None,
            named_size=answer.size,
            our_size=head.size,
            old=old,
        )
        act = TABLE[step][read]
        if act is WitnessAct.PROVE:
            assert answer.size is not None, "a size was named"
            step, old = NEXT_STEP[step], answer.size
            continue
        if act is WitnessAct.JUDGE:
            act = judge(old, proof.root, None if kept is None else (kept.size, kept.root))
        return _ended(party.name, act, read, answer, old, head.size)


def check_kept(
    party: Party, store: LedgerStore, seals: tuple[VerifyKey, ...], note: bytes, size: int
) -> Checkpoint | None:
    """Return the checkpoint of a note that this witness cosigned for us; None when the note is none of ours.

    Blocking. Raises `LedgerDoubt` when our tree of ``size`` does not contain it: that alone, without a network, shows a
    rollback or a fork.
    """
    try:
        opened = open_note(note, [party.key, *seals], verify_line)
        checkpoint = parse_checkpoint(opened.text)
    except EvidenceRefused:
        return None
    found = {key for key, _ in opened.verified}
    if party.key not in found or found.isdisjoint(seals) or not checkpoint.size:
        return None
    if checkpoint.size > size:
        doubt = _larger(party.name, checkpoint.size, size).doubt
        assert doubt is not None, "a larger size is a doubt"
        raise doubt
    root = range_hash(store.nodes(size), 0, checkpoint.size)
    if root != checkpoint.root:
        raise LedgerDoubt(
            f"fork: size {checkpoint.size:,} has root {root.hex()[:8]}, witness {party.name} cosigned "
            f"{checkpoint.root.hex()[:8]}",
            remedy=FORK_REMEDY,
        )
    return checkpoint


def _prove(store: LedgerStore, old: int, head: Checkpoint) -> _Proof:
    """Return the proof from ``old`` to our head, checked as the other side will check it."""
    if not old:
        return _Proof((), EMPTY_ROOT)
    nodes = store.nodes(head.size)
    root, hashes = range_hash(nodes, 0, old), tuple(prove_consistency(nodes, old, head.size))
    try:
        check_consistency(old, head.size, root, head.root, hashes)
    except EvidenceRefused as error:
        raise LedgerDoubt(
            f"our own proof from {old:,} to {head.size:,} does not hold: {error.text}",
            remedy="keep the evidence and run gateway verify",
        ) from error
    return _Proof(hashes, root)


def _ended(name: str, act: WitnessAct, read: WitnessAnswer, answer: CosignAnswer, old: int, size: int) -> Ended:
    if act is WitnessAct.KEEP:
        return Ended(act, read, line=answer.cosignature)
    code = str(answer.status) if answer.status is not None else "silent"
    if act is WitnessAct.HALT and read is WitnessAnswer.LARGER:
        assert answer.size is not None, "a size was named"
        return _larger(name, answer.size, size)
    if act is WitnessAct.HALT:
        text = f"fork: witness {name} holds another history at size {old:,}, and nothing here shows that it saw ours"
        return Ended(act, read, code=code, text=text, doubt=LedgerDoubt(text, remedy=FORK_REMEDY))
    if read in {WitnessAnswer.DISAGREES, WitnessAnswer.SAME_SIZE}:
        text = f"witness disagrees: {name} cosigned our tree at size {old:,} and now denies it"
    elif read is WitnessAnswer.SILENT:
        text = f"witness {name} does not answer: {answer.cause or 'no cause'}"
    elif read is WitnessAnswer.UNSIGNED:
        text = f"witness {name} answered 200 without a cosignature of its configured key"
    else:
        text = f"witness {name} refused: {answer.status} {answer.text}".rstrip()
    return Ended(act, read, code=code, text=text)


def _larger(name: str, theirs: int, ours: int) -> Ended:
    text = f"rollback: ledger ends at {ours:,}, witness {name} has seen {theirs:,}"
    doubt = LedgerDoubt(text, remedy=ROLLBACK_REMEDY)
    return Ended(WitnessAct.HALT, WitnessAnswer.LARGER, code="409", text=text, doubt=doubt)
