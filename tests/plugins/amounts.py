"""How much is tried: Hypothesis examples by profile, and the seeds of the simulation."""

from __future__ import annotations

import pytest

from tests.paths import ROOT

EXAMPLES = {"fast": 50, "default": 100, "all": 300, "nightly": 5_000}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("house").addoption("--seeds", type=int, default=20, help="how many seeds the simulation runs")


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    from hypothesis import HealthCheck, settings
    from hypothesis.configuration import set_hypothesis_home_dir

    set_hypothesis_home_dir(ROOT / ".tools/cache/hypothesis")
    for name, examples in EXAMPLES.items():
        # no deadline: a shared machine is slow at times, and a timed property test tells nothing
        settings.register_profile(
            name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
        )
    settings.load_profile("default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `simulation_seed` runs once for each seed."""
    if "simulation_seed" in metafunc.fixturenames:
        metafunc.parametrize("simulation_seed", range(metafunc.config.getoption("--seeds")))
