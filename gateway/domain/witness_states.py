"""What a witness's answer means for us: one total table of step x answer → act (`ledger.md` 4, client).

A question is one checkpoint with the proof that it grew from an older size. At first we prove from the newest size that this
witness cosigned for us (0 when there is none); when it names another size, from that one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class WitnessStep(StrEnum):
    """Where the conversation about one checkpoint stands."""

    ASKED = "asked"
    PROVED = "proved from the size it named"
    PROVED_AGAIN = "proved once more"


class WitnessAnswer(StrEnum):
    """What came back."""

    COSIGNED = "200, its cosignature holds"
    UNSIGNED = "200 without a cosignature of its key"
    LARGER = "409, it has seen a larger size than ours"
    OTHER_SIZE = "409, a size of ours, not the one proved from"
    SAME_SIZE = "409, the very size proved from"
    NO_SIZE = "409 without a size"
    DISAGREES = "422, the proof does not hold for it"
    REFUSED = "any other status"
    SILENT = "no answer"


class WitnessAct(StrEnum):
    """What we do next."""

    KEEP = "keep the cosignature"
    PROVE = "prove from the size it named, at once"
    HALT = "halt: it has seen what we do not have"
    JUDGE = "halt, unless its own cosignature shows our history"
    NOTICE = "say it once, ask again with the next checkpoint"
    LATER = "ask again with the newest checkpoint"


_S, _E, _A = WitnessStep, WitnessAnswer, WitnessAct

_ALWAYS: Final[dict[WitnessAnswer, WitnessAct]] = {
    _E.COSIGNED: _A.KEEP,
    _E.UNSIGNED: _A.NOTICE,
    _E.LARGER: _A.HALT,
    _E.SAME_SIZE: _A.JUDGE,  # our size there has another root for it
    _E.NO_SIZE: _A.NOTICE,
    _E.DISAGREES: _A.JUDGE,
    _E.REFUSED: _A.NOTICE,
    _E.SILENT: _A.LATER,
}

TABLE: Final[dict[WitnessStep, dict[WitnessAnswer, WitnessAct]]] = {
    _S.ASKED: _ALWAYS | {_E.OTHER_SIZE: _A.PROVE},
    _S.PROVED: _ALWAYS | {_E.OTHER_SIZE: _A.PROVE},  # a late question of ours was taken in between
    _S.PROVED_AGAIN: _ALWAYS | {_E.OTHER_SIZE: _A.NOTICE},  # it moves under us: no third time
}

NEXT_STEP: Final[dict[WitnessStep, WitnessStep]] = {
    _S.ASKED: _S.PROVED,
    _S.PROVED: _S.PROVED_AGAIN,
    _S.PROVED_AGAIN: _S.PROVED_AGAIN,
}

OK: Final = 200
CONFLICT: Final = 409
DISAGREES: Final = 422


def read_answer(
    status: int | None, *, cosigned: bool, named_size: int | None, our_size: int, old: int
) -> WitnessAnswer:
    """Return what an answer is. ``named_size`` stood in a 409; ``old`` is the size we proved from, ``our_size`` our head's."""
    if status is None:
        return WitnessAnswer.SILENT
    if status == OK:
        return WitnessAnswer.COSIGNED if cosigned else WitnessAnswer.UNSIGNED
    if status == DISAGREES:
        return WitnessAnswer.DISAGREES
    if status != CONFLICT:
        return WitnessAnswer.REFUSED
    if named_size is None:
        return WitnessAnswer.NO_SIZE
    if named_size > our_size:
        return WitnessAnswer.LARGER
    return WitnessAnswer.SAME_SIZE if named_size == old else WitnessAnswer.OTHER_SIZE


def judge(old: int, our_root: bytes, cosigned: tuple[int, bytes] | None) -> WitnessAct:
    """Return NOTICE or HALT when a witness holds another history at size ``old``, of which our tree has ``our_root``.

    ``cosigned``: size and root of the newest checkpoint that we hold with this witness's own cosignature. If that is our tree
    at this very size, the witness contradicts itself and our proof stands on its own word. Anything else we cannot prove: then
    our history is in doubt, and doubt halts. About the empty tree nobody can disagree.
    """
    return WitnessAct.NOTICE if old == 0 or cosigned == (old, our_root) else WitnessAct.HALT
