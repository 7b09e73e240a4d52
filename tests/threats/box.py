"""A gateway's box as it stands in a plant: real processes for gateway, witness and time-stamping authority; made once, copied."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING

from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.policy import Policy, parse_policy
from gateway.ledger.records import Anchor, Record, parse_record
from tests.counterparts import tsa
from tests.counterparts.gateway_process import NODE, GatewayProcess, compiled_environment
from tests.counterparts.http import ask
from tests.counterparts.ports import accepts, free_port
from tests.counterparts.process import OwnedServer
from tests.counterparts.witness import WitnessProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITHIN_S = 30.0
"""What must happen within 10 s, on a machine that does other things as well."""


def until(true: Callable[[], object], what: str, seconds: float = WITHIN_S) -> float:
    """Wait until something is so; return the seconds it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


class Box:
    """One gateway with `witnesses` witnesses and an authority; `image` keeps the whole box as a thief would copy it."""

    def __init__(self, folder: Path, *, witnesses: int = 1) -> None:
        self.folder = folder
        self.authority = tsa.Authority(folder / "tsa", curve=True)
        self.tsa = tsa.TsaServer(self.authority)
        self.tsa.__enter__()
        self.gateway = GatewayProcess(folder / "gw", connections={}, devices={})
        self.gateway.set_up()
        log = self.policy_text.split()[1]
        trust = self.gateway.config / "trust"
        trust.mkdir()
        self.witnesses: list[WitnessProcess] = []
        for n in range(witnesses):
            one = WitnessProcess(folder / f"w{n}", log, f"witness.example/{n}").start()
            (trust / f"w{n}.vkey").write_text(one.vkey_line() + "\n")
            self.gateway.settings.setdefault("witnesses", {})[f"w{n}"] = {"url": one.url, "key": f"trust/w{n}.vkey"}
            self.witnesses.append(one)
        (trust / "tsa.pem").write_bytes(self.authority.ca.read_bytes())
        self.gateway.settings["timestamping"] = {"url": self.tsa.url, "ca": "trust/tsa.pem", "every_s": 60}
        self.gateway.write()

    @property
    def policy_text(self) -> str:
        return (self.gateway.ledger / "keys" / "policy").read_text()

    @property
    def policy(self) -> Policy:
        return parse_policy(self.policy_text)

    @property
    def state(self) -> Path:
        return self.gateway.ledger.parent / "state"

    def size(self) -> int:
        """Entries in the files."""
        return LedgerFolder(self.gateway.ledger).reader.end()

    def anchors(self, event: str) -> list[Anchor]:
        return [one for one in self.gateway.records() if isinstance(one, Anchor) and one.event == event]

    def run_a_batch(self, batch: str = "B-1") -> None:
        """A run with one batch, its end cosigned and time-stamped."""
        self.gateway.start()
        self.gateway.batch("start", batch, "--equipment", NODE)
        self.gateway.batch("end", batch)
        end = self.gateway.size()
        until(lambda: any(one.size >= end for one in self.anchors("timestamped")), "time stamp of the batch's end")
        until(lambda: self.anchors("cosigned"), "cosigned anchor")
        self.gateway.stop()

    def bundle(self, path: Path, batch: str = "B-1") -> Path:
        """The bundle of a batch as a client gets it; the gateway runs for it."""
        self.gateway.start()
        self.gateway.batch("bundle", batch, "-o", str(path))
        self.gateway.stop()
        return path

    def refuse_to_start(self) -> str:
        """Start the gateway, which must end by itself; return what it said."""
        return self.gateway.run("run", "--config", str(self.gateway.config), code=1)

    def put_back(self, image: Path) -> None:
        """The ledger and what belongs to it as it once was; keys and configuration are the box's own."""
        shutil.rmtree(self.gateway.ledger.parent)
        shutil.copytree(image, self.gateway.ledger.parent)

    def close(self) -> None:
        self.gateway.kill()
        for one in self.witnesses:
            one.kill()
        self.tsa.__exit__(None, None, None)


def records_of(ledger: Path) -> list[tuple[int, bytes]]:
    """Index and JSON of all records in the files."""
    return [(index, content) for index, _, content in LedgerFolder(ledger).reader.read(0, 1 << 40)]


def record_at(ledger: Path, index: int) -> Record:
    return parse_record(dict(records_of(ledger))[index])


class Clone(OwnedServer):
    """Another box with everything of the first one: keys, ledger, state, configuration; only its ports are its own."""

    def __init__(self, gateway: GatewayProcess, folder: Path) -> None:
        shutil.copytree(gateway.folder, folder, symlinks=True)
        super().__init__(folder, free_port(), compiled_environment())
        self.config = folder / "config"
        self.ledger = folder / gateway.ledger.relative_to(gateway.folder)
        settings = self.config / "gateway.yaml"
        text = settings.read_text().replace(f"127.0.0.1:{gateway.port}", f"127.0.0.1:{self.port}")
        settings.write_text(text.replace(f"127.0.0.1:{gateway.api}", f"127.0.0.1:{free_port()}"))

    def command(self) -> list[str]:
        return [sys.executable, "-m", "gateway", "run", "--config", str(self.config)]

    def ready(self) -> bool:
        return accepts(self.port) and ask(f"http://127.0.0.1:{self.port}/ready").status == 200


def reasons(port: int) -> list[str]:
    """Why a gateway is not ready; empty while it is."""
    answer = ask(f"http://127.0.0.1:{port}/ready")
    return [] if answer.status == 200 else list(json.loads(answer.body)["reasons"])
