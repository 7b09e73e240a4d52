"""One mistake, one finding: what is missing only because another file is not understood is not told again."""

from __future__ import annotations

import pytest

from tests.config.example import GATEWAY, PLANT, changed, seen


@pytest.mark.parametrize(
    ("change", "id_"),
    [
        ((GATEWAY, "site:", "site: {"), "YML-02"),
        ((PLANT, "nodes:  ", "nodes: {}\nnodes:  "), "YML-01"),
        ((PLANT, "serial: E-5521", "serial: E-5521, colour: red"), "SCH-01"),
    ],
)
def test_the_first_cause_stands_alone(change: tuple[str, str, str], id_: str) -> None:
    found = seen(changed(change))
    assert [one[0] for one in found] == [id_], found


def test_a_port_that_cannot_be_is_refused() -> None:
    found = seen(changed((GATEWAY, "listen: 0.0.0.0:8443", "listen: 0.0.0.0:99999")))
    assert [one[4] for one in found] == ["'0.0.0.0:99999' is not host:port with a port up to 65,535"]
