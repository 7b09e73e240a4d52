"""The witness of the demo: `gateway witness serve` as another owner runs it, with a folder and a key of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.adapters.entropy import os_entropy
from gateway.adapters.witness.server import witness_key
from gateway.cli.demo_story.child import Child
from gateway.ledger.note import format_vkey
from gateway.ledger.policy import parse_policy

NAME: Final = "witness.demo.invalid/1"
START_S: Final = 30.0
"""How long it may take to listen."""


class WitnessPlace(Struct, frozen=True, kw_only=True):
    """Where it stands: its folder, its port on loopback, its TLS certificate and that one's key."""

    folder: Path
    port: int
    certificate: Path
    tls_key: Path

    @property
    def url(self) -> str:
        """Where the gateway asks it."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def key(self) -> Path:
        """The key it cosigns with."""
        return self.folder / "witness.pem"

    @property
    def log(self) -> Path:
        """File with the seal key of the log it cosigns, as the plant hands it over."""
        return self.folder / "gateway.vkey"


def make_witness_key(place: WitnessPlace) -> str:
    """Make the witness's key; return the line its owner would hand to the plant."""
    vkey, _ = witness_key(place.key, NAME, os_entropy)
    return format_vkey(vkey)


def hand_over_log_key(place: WitnessPlace, ledger: Path) -> None:
    """Give the witness the seal key of a ledger that was set up: whose log it cosigns."""
    (seal,) = parse_policy((ledger / "keys" / "policy").read_text()).logs
    place.log.write_text(f"{format_vkey(seal)}\n")


def witness_words(place: WitnessPlace) -> list[str]:
    """Return the words behind `gateway` by which its owner starts it, now and again."""
    options = {
        "--listen": f"127.0.0.1:{place.port}",
        "--state": str(place.folder),
        "--log": str(place.log),
        "--key": str(place.key),
        "--name": NAME,
        "--certificate": str(place.certificate),
        "--tls-key": str(place.tls_key),
    }
    return ["witness", "serve", *(one for pair in options.items() for one in pair)]


def witness_child(place: WitnessPlace, said: Path) -> Child:
    """Return the process, not started; ``said`` is the file of what it says."""
    return Child("the witness", [sys.executable, "-m", "gateway", *witness_words(place)], said)
