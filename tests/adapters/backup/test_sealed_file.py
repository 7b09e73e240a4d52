"""Files of a backup: what was sealed opens to the same bytes; no piece can be turned, swapped, repeated, cut or added."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.backup import sealed_file
from gateway.adapters.backup.sealed_file import PIECE, TAG, open_pieces, seal_pieces
from gateway.errors import EvidenceRefused

KEY = bytes(range(32))


def sealed(content: bytes, key: bytes = KEY) -> bytes:
    out = BytesIO()
    made = seal_pieces(key, BytesIO(content).read, out.write)
    assert (made.plain_bytes, made.sealed_bytes) == (len(content), len(out.getvalue()))
    return out.getvalue()


def opened(content: bytes, size: int, key: bytes = KEY) -> bytes:
    return b"".join(open_pieces(key, BytesIO(content).read, size))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17])
def test_sizes_around_a_piece_come_back(size):
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    made = sealed(content)
    assert opened(made, size) == content
    assert len(made) == size + TAG * max(1, -(-size // PIECE))


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(sealed_file, "PIECE", 16)


@pytest.mark.usefixtures("small_pieces")
class TestPieces:
    """With pieces of 16 bytes, so that a file has many."""

    def test_any_turned_bit_is_refused(self):
        content = bytes(range(50))
        made = sealed(content)
        for place in range(len(made)):
            bent = made[:place] + bytes([made[place] ^ 0x40]) + made[place + 1 :]
            with pytest.raises(EvidenceRefused):
                opened(bent, len(content))

    def test_pieces_swapped_repeated_left_out_cut_or_added_are_refused(self):
        content = bytes(range(64))
        made = sealed(content)
        pieces = [made[at : at + 32] for at in range(0, len(made), 32)]
        assert len(pieces) == 4
        for order in ([1, 0, 2, 3], [0, 0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2, 3, 3], [3, 2, 1, 0]):
            bent = b"".join(pieces[n] for n in order)
            for size in (len(content), 16 * len(order)):
                with pytest.raises(EvidenceRefused):
                    opened(bent, size)
        for size in (0, 16, 48, 63, 65, 80):
            with pytest.raises(EvidenceRefused):
                opened(made, size)

    def test_another_key_opens_nothing(self):
        with pytest.raises(EvidenceRefused):
            opened(sealed(b"abc"), 3, bytes(32))

    @given(st.binary(max_size=100))
    def test_round_trip(self, content):
        assert opened(sealed(content), len(content)) == content
