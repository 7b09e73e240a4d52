"""Interrupts: what a test starts hears Ctrl-C, also where the test run itself was started in the background.

A shell without job control starts `… &` with SIGINT and SIGQUIT ignored, and every child inherits that.
"""

from __future__ import annotations

import signal

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
