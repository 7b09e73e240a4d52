"""Past configurations out of the ledger: whatever bytes stand there, understanding them never stops the fold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.load import understand
from tests.config.example import LIMITS, PLANT, example

WHOLE = example()


def test_the_same_files_give_the_same_configuration_hash_out_of_the_ledger():
    """`effective` keeps the signed files; understood again they must bear the hash that its records name."""
    loaded = understand(WHOLE)
    again = understand(loaded.files, change_set="CS-0007")
    assert again.plan.config_sha256 == loaded.plan.config_sha256
    assert again.plan.change_set == "CS-0007"
    assert again.limit_sets == loaded.limit_sets
    assert again.plan.signals == loaded.plan.signals


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"format: plant/99\n",
        b"a: [",
        b"- 1\n",
        b"&a [*a]",
        b"!!python/object:os.system x",
        b"\x00",
    ],
)
@pytest.mark.parametrize("name", [PLANT, LIMITS, "config/gateway.yaml"])
def test_a_file_that_is_not_understood_is_no_plan_and_no_fault(name, content):
    assert understand({**WHOLE, name: content}).plan is None


def test_no_file_at_all_is_no_plan_and_no_fault():
    assert understand({}).plan is None


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_any_damage_to_a_file_is_no_fault(name, data):
    content = WHOLE[name]
    place = data.draw(st.integers(0, max(0, len(content) - 1)))
    piece = data.draw(st.binary(max_size=6))
    understand({**WHOLE, name: content[:place] + piece + content[place + data.draw(st.integers(0, 20)) :]})
