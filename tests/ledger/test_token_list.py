"""The list of all time stamps: its one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EvidenceRefused
from gateway.ledger.token_list import Token, format_tokens, is_list, parse_tokens

ORIGIN = "acme.example/basel/gw-01"
TOKENS = st.lists(st.builds(Token, st.integers(0, 10**18), st.text("0123456789abcdef", min_size=64, max_size=64)))


@given(TOKENS)
def test_what_is_written_is_read(tokens):
    content = format_tokens(ORIGIN, tokens)
    assert parse_tokens(content) == (ORIGIN, tokens)
    assert content.startswith(b"gateway-tokens/1\nacme.example/basel/gw-01\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"gateway-tokens/1",
        b"gateway-tokens/2\no\n",
        b"gateway-tokens/1\no\n7 " + b"a" * 64,
        b"gateway-tokens/1\no\n07 " + b"a" * 64 + b"\n",
        b"gateway-tokens/1\no\n7 " + b"A" * 64 + b"\n",
        b"gateway-tokens/1\no\n7  " + b"a" * 64 + b"\n",
        b"gateway-tokens/1\no\n\n",
        b"gateway-tokens/1\n\xff\n",
    ],
)
def test_any_other_spelling_is_refused(content):
    with pytest.raises(EvidenceRefused):
        parse_tokens(content)


def test_a_list_is_told_by_its_facts():
    assert is_list({"list_sha256": "00"})
    assert not is_list({"authority_sha256": "00"})
    assert not is_list(None)
