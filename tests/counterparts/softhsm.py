"""SoftHSM: a PKCS#11 token in a folder of the test, as an HSM or a TPM would be one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.counterparts.missing import absent, need

MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
)
PIN, SO_PIN = "4711", "47114711"


class SoftHsm:
    """Tokens below a folder. A process sees them with `environment`, or by this process's own SOFTHSM2_CONF."""

    def __init__(self, folder: Path) -> None:
        self._util = need("softhsm2-util")
        found = [one for one in MODULES if one.is_file()]
        if not found:
            absent("libsofthsm2.so is not on this machine: sudo apt-get install softhsm2")
        self.module = found[0]
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        conf = folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(conf)}

    def init_token(self, label: str) -> None:
        """Initialize one more token of this label."""
        words = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]
        subprocess.run([self._util, *words], check=True, capture_output=True, env=self.environment, timeout=30)
