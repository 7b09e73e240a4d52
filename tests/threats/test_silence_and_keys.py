"""Threat: publish no more; take the seal key to another box; collude with all witnesses.

Silence is heard at the witness's owner after five minutes. A stolen seal key makes heads that no witness cosigns beside the true
ones. Who has the witnesses' keys as well still has no old token: what he makes is as young as its first time stamp.
"""

from __future__ import annotations

import asyncio
import json
import zipfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from gateway.adapters.http.server import bind, serve
from gateway.adapters.keys import parse_seed
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.adapters.segment_store.store import SegmentStore
from gateway.adapters.segment_store.verify_folder import verify_folder
from gateway.adapters.witness.book import WitnessBook
from gateway.adapters.witness.caller import SILENT_AFTER_NS, Caller
from gateway.adapters.witness.server import WitnessDesk
from gateway.errors import EvidenceRefused
from gateway.ledger.authority import Authority
from gateway.ledger.bundle import BundleRequest, Subject, build_bundle
from gateway.ledger.checkpoint import parse_checkpoint
from gateway.ledger.commit import plan_commit
from gateway.ledger.crypto import cosigner, ed25519_public, verify_line
from gateway.ledger.note import COSIGNATURE, Line, VerifyKey, add_lines, format_vkey, parse_note, parse_vkey
from gateway.ledger.policy import format_policy, make_policy, parse_policy
from gateway.ledger.proof import check_consistency, prove_consistency
from gateway.ledger.verify import verify_bundle
from gateway.ledger.witness import cosigners_of, format_question
from tests.counterparts.gateway_process import GatewayProcess
from tests.counterparts.softhsm import PIN, SoftHsm
from tests.fakes.clock import StillClock
from tests.fakes.running_clock import RunningClock
from tests.threats.box import records_of, until
from tests.threats.thief import altered, seal_again, sealer_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

S = 1_000_000_000
SEED = bytes([0x80]) * 32
KEY = VerifyKey("witness.example/hq", COSIGNATURE, ed25519_public(SEED))


class Elsewhere:
    """The witness at another owner's, with a clock that the test moves, and the pager of the person on duty there."""

    def __init__(self, folder: Path, log: VerifyKey) -> None:
        self.clock = StillClock(RunningClock().now().wall_ns)
        self.calls: list[dict[str, object]] = []
        self._pager, self._wire = bind("127.0.0.1:0"), bind("127.0.0.1:0")
        self.book = WitnessBook(folder, {log.name: [log]}, KEY, SEED)
        url = f"http://127.0.0.1:{self._pager.getsockname()[1]}/call"
        self.caller = Caller(self.book, folder, str(KEY), self.clock, url, lambda _: None, retry_s=0.05)
        self.url = f"http://127.0.0.1:{self._wire.getsockname()[1]}"

    async def _take(self, request) -> Response:
        self.calls.append(json.loads(await request.body()))
        return Response(status_code=204)

    @asynccontextmanager
    async def on_duty(self) -> AsyncIterator[None]:
        desk = WitnessDesk(self.book, self.caller, self.clock, lambda _: None)
        pager = Starlette(routes=[Route("/call", self._take, methods=["POST"])])
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(serve(desk.application(), self._wire)),
                tasks.create_task(serve(pager, self._pager)),
                tasks.create_task(self.caller.run()),
            ]
            yield
            for one in running:
                one.cancel()


@pytest.mark.req("AC-03")
@pytest.mark.slow
async def test_a_gateway_that_publishes_no_more_is_called_out_after_five_minutes(tmp_path):
    gateway = GatewayProcess(tmp_path / "gw", connections={}, devices={})
    await asyncio.to_thread(gateway.set_up)
    log = parse_vkey((gateway.ledger / "keys" / "policy").read_text().split()[1])
    elsewhere = Elsewhere(tmp_path / "w", log)
    trust = gateway.config / "trust"
    trust.mkdir()
    (trust / "hq.vkey").write_text(format_vkey(KEY) + "\n")
    gateway.settings["witnesses"] = {"hq": {"url": elsewhere.url, "key": "trust/hq.vkey"}}
    gateway.write()
    async with elsewhere.on_duty():
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(until, lambda: elsewhere.book.kept(log.name), "first cosignature")
        gateway.kill()
        await asyncio.sleep(1.0)  # what was on its way is heard
        elsewhere.clock.advance(SILENT_AFTER_NS - 5 * S)
        await asyncio.sleep(1.5)
        assert elsewhere.calls == []
        elsewhere.clock.advance(10 * S)
        await asyncio.to_thread(until, lambda: elsewhere.calls, "call", 10)
        await asyncio.sleep(1.5)
    assert [one["kind"] for one in elsewhere.calls] == ["SILENT"]
    assert elsewhere.calls[0]["origin"] == log.name
    kept = elsewhere.book.checkpoint(log.name)
    assert elsewhere.calls[0]["kept"] == {"size": kept.size, "root": kept.root.hex()}, "what it saw last"


@pytest.mark.req("AC-03")
async def test_heads_made_with_the_stolen_seal_key_on_another_box_are_refused_and_called(attacked, tmp_path):
    """The true box went on after the theft; the thief goes on from his image with the very same key."""
    box, gateway = attacked.box, attacked.box.gateway
    stolen = sealer_of(gateway)
    elsewhere = Elsewhere(tmp_path / "w", stolen.key)
    true = LedgerFolder(gateway.ledger)
    head = true.head()
    assert elsewhere.book.answer(format_question(0, (), head.note), 1).status == 200
    forged = tmp_path / "thief"
    cut = [content for _, content in records_of(gateway.ledger)][:-2]
    store = SegmentStore(forged, stolen.key.name, RunningClock(), vkeys=[stolen.vkey])
    lies = [*cut, *[cut[-1]] * 6]
    made = plan_commit(store.open().tree, stolen.key.name, lies, iter([bytes(32)]), stolen.seal)
    store.commit(made.frames)
    note = made.frames[-1].note
    assert made.head.size > head.checkpoint.size
    proof = tuple(prove_consistency(store.nodes(made.head.size), head.checkpoint.size, made.head.size))
    async with elsewhere.on_duty():
        answer = elsewhere.book.answer(format_question(head.checkpoint.size, proof, note), 2)
        assert answer.status == 422
        assert answer.conflict is not None
        elsewhere.caller.conflict(answer.conflict)
        await asyncio.to_thread(until, lambda: elsewhere.calls, "call", 10)
    assert [one["kind"] for one in elsewhere.calls] == ["FORK"]
    store.publish(note, made.head.size)
    store.close()
    said = verify_folder(forged, policy=box.policy)
    found = {one.class_ for one in said.failures}
    assert found > {"split", "unwitnessed"}, "the anchors that he copied speak against him, and nobody cosigns his"


@pytest.mark.req("AC-03")
def test_who_has_the_keys_of_all_witnesses_too_makes_nothing_older_than_its_first_token(attacked, tmp_path):
    box, gateway = attacked.box, attacked.box.gateway
    tsa = Authority(box.authority.ca.read_bytes())
    with zipfile.ZipFile(attacked.bundle) as archive:
        true = {name: archive.read(name) for name in archive.namelist()}
    honest = verify_bundle(true, policy=attacked.policy, authority=tsa)
    assert honest.exit_code == 0

    old = parse_checkpoint(parse_note(true["checkpoint"]).text)
    records = altered(gateway.ledger)[: old.size]
    records += [records[-1]] * (old.size - len(records))
    assert len(records) == old.size, "a second tree of the very same size"
    seal_again(gateway, records)
    witness = box.witnesses[0]
    seed = parse_seed((witness.state / "witness.pem").read_bytes(), "witness key")
    ledger = LedgerFolder(gateway.ledger)
    head = ledger.published()
    text = parse_note(head.note).text
    assert honest.bracket is not None
    back_dated = (honest.bracket[1] or 0) // S - 86_400
    note = add_lines(head.note, [Line(witness.key.name, witness.key.key_id, cosigner(seed, back_dated)(text))])
    assert cosigners_of(note, attacked.policy, verify_line) == {witness.key}, "the collusion is complete"
    forged = forge(gateway, note)
    said = verify_bundle(forged, policy=attacked.policy, authority=tsa)
    assert said.last_line.startswith("VERIFIED"), "signatures alone do not show it"

    # Tokens do: the true bundle has one, the forged one cannot have any that is not younger than the forgery.
    assert (honest.counts.time_stamps, said.counts.time_stamps) == (1, 0)
    assert said.bracket == (None, back_dated * S), "what it says of its age is what the colluding witness says"
    token = next(content for name, content in sorted(true.items()) if name.endswith(".tsr"))
    stolen = {"checkpoint.tsr": token, "keys/tsa.pem": true["keys/tsa.pem"]}
    assert verify_bundle(forged | stolen).exit_code == 1, "a token of another tree fits none of his"

    # And the two owners' notes beside each other are the proof of the collusion: one size, two roots, all signatures hold.
    assert (old.size, old.origin) == (head.checkpoint.size, head.checkpoint.origin)
    with pytest.raises(EvidenceRefused, match="two roots of size"):
        check_consistency(old.size, head.checkpoint.size, old.root, head.checkpoint.root, ())


def forge(gateway: GatewayProcess, note: bytes) -> dict[str, bytes]:
    """A bundle of the rewritten ledger, as the thief would hand it over."""
    folder = LedgerFolder(gateway.ledger)
    size = parse_checkpoint(parse_note(note).text).size
    store = SegmentStore(gateway.ledger, sealer_of(gateway).key.name, RunningClock())
    entries = [(index, salt + content) for index, salt, content in folder.reader.read(0, size)]
    request = BundleRequest(
        subject=Subject(kind="batch", id="B-9"),
        scope="site",
        made_ns=1,
        entries=entries,
        note=note,
        policy=parse_policy((gateway.ledger / "keys" / "policy").read_text()),
    )
    return build_bundle(request, store.nodes(size))


@pytest.mark.fault
@pytest.mark.req("AC-03")
def test_what_the_stolen_seal_key_publishes_lacks_the_line_of_the_key_that_cannot_be_taken(tmp_path):
    """The publish key lives in a token; the thief has all files, also the policy, from which he strikes it."""
    gateway = GatewayProcess(tmp_path / "gw", connections={}, devices={})
    token = SoftHsm(tmp_path / "hsm")
    token.init_token("gw-01")
    gateway.env.update(token.environment)
    gateway.keep_secret("pin", PIN + "\n")
    gateway.settings["keys"]["publish"] = {"pkcs11": str(token.module), "label": "gw-01", "pin": "file:../secrets/pin"}
    gateway.write()
    gateway.set_up()
    gateway.start()
    gateway.stop()
    trusted = parse_policy((gateway.ledger / "keys" / "policy").read_text())
    [publish] = trusted.publish
    assert verify_folder(gateway.ledger, policy=trusted).exit_code == 0

    stolen = sealer_of(gateway)
    store = SegmentStore(gateway.ledger, stolen.key.name, RunningClock(), vkeys=[stolen.vkey])
    lie = records_of(gateway.ledger)[-1][1]
    made = plan_commit(store.open().tree, stolen.key.name, [lie], iter([bytes(32)]), stolen.seal)
    store.commit(made.frames)
    store.publish(made.frames[-1].note, made.head.size)
    store.save_policy(format_policy(make_policy([stolen.key], [], [])))
    store.close()
    assert verify_folder(gateway.ledger, policy=trusted).last_line == (
        f"FAILED at size {made.head.size:,}: signature of {publish} does not verify"
    )
