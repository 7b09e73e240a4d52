"""A log of 70,000 entries written, published and exported by the product's own code, and copies that someone tampered with."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.adapters.segment_store import SegmentStore
from gateway.adapters.segment_store.export import export_tiles
from gateway.adapters.segment_store.folder import LedgerFolder
from gateway.ledger.checkpoint import Checkpoint, format_checkpoint
from gateway.ledger.crypto import cosigner, seal_key, sealer
from gateway.ledger.note import ECDSA_P256, VerifyKey, parse_note, sign_note
from gateway.ledger.policy import Policy, Witness, format_policy, make_policy
from gateway.ledger.records import Anchor, format_record
from gateway.ledger.timestamp import make_request
from gateway.ledger.tlogproof import format_tlog_proof
from tests.counterparts import tsa
from tests.fakes.clock import StillClock
from tests.fakes.log import ORIGIN, SEALER, plan, reading
from tests.ledger.vector_files import SEAL_SEED, WITNESS_KEY, WITNESS_SEED

SIZE = 70_000
EARLIER = 12_000
"""An older head: the end of a frame."""
POOL = 4_000
PICKED = (0, 255, 256, 51_207, 65_535, 65_536, 69_999)
"""Entries whose single proofs are judged: the ends of tiles and of the segment, and one between."""

_PUBLISH = ec.derive_private_key(7, ec.SECP256R1())
_SPKI = _PUBLISH.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
PUBLISH_KEY = VerifyKey(ORIGIN, ECDSA_P256, _SPKI)
POLICY: Policy = make_policy([SEALER.key], [PUBLISH_KEY], [Witness("hq", WITNESS_KEY)])
OTHER_SEED = bytes(range(32, 64))
SECONDS = 1_792_960_000


class BigLog(NamedTuple):
    """Folders of the log, and its published note: lines of seal (01), publish (02) and witness (04)."""

    ledger: Path
    tiles: Path
    note: bytes
    files: int


def make(path: Path) -> BigLog:
    """Write the log below `path`."""
    store = SegmentStore(
        path / "ledger", ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    while tree.size < SIZE:
        stop = min(tree.size + POOL, SIZE)
        pool = plan(tree, [reading(n) for n in range(tree.size + 1, stop + 1)])
        store.commit(pool.frames)
        tree = pool.head
    note = signed(parse_note(store.checkpoint_of(SIZE - 1)[1]).text)
    store.publish(note, SIZE)
    store.close()
    folder = LedgerFolder(path / "ledger")
    files = export_tiles(folder.maker, note, SIZE, path / "tiles")
    return BigLog(path / "ledger", path / "tiles", note, files)


def stamp(log: BigLog, authority: tsa.Authority) -> None:
    """Have the published note time-stamped, as the product does: frozen note, answer as it came, record with its digest."""
    store = SegmentStore(
        log.ledger, ORIGIN, StillClock(), vkeys=[SEALER.vkey], check_place=lambda _: None, reserve_bytes=4096
    )
    tree = store.open().tree
    if tree.size == SIZE:
        imprint, pem = sha256(log.note), authority.ca.read_bytes()
        answer = authority.reply(make_request(imprint.digest(), 70))
        store.frozen.freeze(SIZE, log.note)
        store.frozen.save_token(SIZE, answer)
        anchor = Anchor(
            at_ns=1, boot_ns=1, clock=1, event="timestamped", size=SIZE, root=tree.root().hex(),
            note_sha256=imprint.hexdigest(), token_sha256=sha256(answer).hexdigest(),
            facts={"authority_sha256": sha256(pem).hexdigest()},
        )  # fmt: skip
        store.commit(plan(tree, [format_record(anchor)]).frames, [pem])
        store.layout.policy.write_text(format_policy(POLICY))
    store.close()


def signed(text: bytes, seed: bytes = SEAL_SEED) -> bytes:
    """The text with all three lines; another `seed` seals it with another key of the same name."""
    return sign_note(
        text,
        [
            (seal_key(ORIGIN, seed), sealer(seed)),
            (PUBLISH_KEY, lambda content: _PUBLISH.sign(content, ec.ECDSA(SHA256()))),
            (WITNESS_KEY, cosigner(WITNESS_SEED, SECONDS)),
        ],
    )


def other_root(size: int = SIZE) -> bytes:
    """A note of our keys over a root that is not this log's: only hashing finds it."""
    return signed(format_checkpoint(Checkpoint(ORIGIN, size, bytes(range(32)))))


def bent_seal(note: bytes) -> bytes:
    """The note with one bit of the seal's signature turned."""
    text, _, lines = note.partition(b"\n\n")
    first, _, rest = lines.partition(b"\n")
    head, _, encoded = first.rpartition(b" ")
    signature = bytearray(base64.b64decode(encoded))
    signature[20] ^= 1
    return text + b"\n\n" + head + b" " + base64.b64encode(signature) + b"\n" + rest


def tampered_logs(log: BigLog, folder: Path) -> dict[str, Path]:
    """Copies of the tiles, each with one thing changed. Files that do not change are shared."""
    entries, tail = "tile/entries/200", "tile/entries/273.p/112"
    bundle = (log.tiles / entries).read_bytes()
    items = split(bundle)
    swapped = [items[1], items[0], *items[2:]]
    last = (log.tiles / tail).read_bytes()
    hashes = bytearray((log.tiles / "tile/0/200").read_bytes())
    hashes[33] ^= 1
    upper = bytearray((log.tiles / "tile/1/000").read_bytes())
    upper[700] ^= 1
    seal_text = parse_note(log.note).text
    changes = {
        "altered entry": {entries: bundle.replace(b'"value":37.0', b'"value":36.0', 1)},
        "truncated": {tail: last[: -len(split(last)[-1]) - 2]},
        "cut inside an entry": {tail: last[:-1]},
        "reordered": {entries: b"".join(len(one).to_bytes(2, "big") + one for one in swapped)},
        "altered leaf hash": {"tile/0/200": bytes(hashes)},
        "altered node": {"tile/1/000": bytes(upper)},
        "wrong root": {"checkpoint": other_root()},
        "wrong signature": {"checkpoint": bent_seal(log.note)},
        "other key": {"checkpoint": signed(seal_text, OTHER_SEED)},
    }
    return {name: _copy(log.tiles, folder / name.replace(" ", "-"), files) for name, files in changes.items()}


def _copy(source: Path, target: Path, changed: dict[str, bytes]) -> Path:
    for path in source.rglob("*"):
        part = path.relative_to(source)
        if path.is_dir():
            (target / part).mkdir(parents=True)
        elif str(part) not in changed:
            os.link(path, target / part)
    for name, content in changed.items():
        assert content != (source / name).read_bytes(), name
        (target / name).write_bytes(content)
    return target


def split(bundle: bytes) -> list[bytes]:
    """The entries of a bundle."""
    items, place = [], 0
    while place < len(bundle):
        size = int.from_bytes(bundle[place : place + 2], "big")
        items.append(bundle[place + 2 : place + 2 + size])
        place += 2 + size
    return items


def proofs(log: BigLog, folder: Path) -> dict[str, Path]:
    """Single proofs as the product prints them, each in a folder: entry, tlog-proof."""
    ledger = LedgerFolder(log.ledger)
    return {
        f"record {index}": _lay(folder / str(index), ledger.entry(index), format_tlog_proof(ledger.prove(index)))
        for index in PICKED
    }


def tampered_proofs(log: BigLog, folder: Path) -> dict[str, Path]:
    """The proof of one entry, each time with one thing changed."""
    ledger = LedgerFolder(log.ledger)
    index = 51_207
    entry, proof = ledger.entry(index), ledger.prove(index)
    text = parse_note(log.note).text
    path = proof.hashes
    cases = {
        "altered entry": (entry.replace(b'"n":51208', b'"n":51209'), proof),
        "wrong root": (entry, replace(proof, note=other_root())),
        "wrong size": (entry, replace(proof, note=other_root(SIZE - 40_000))),
        "wrong signature": (entry, replace(proof, note=bent_seal(log.note))),
        "truncated": (entry, replace(proof, hashes=path[:-1])),
        "longer": (entry, replace(proof, hashes=(*path, path[0]))),
        "reordered": (entry, replace(proof, hashes=(path[1], path[0], *path[2:]))),
        "other place": (entry, replace(proof, index=index + 1)),
        "other key": (entry, replace(proof, note=signed(text, OTHER_SEED))),
    }
    assert cases["altered entry"][0] != entry
    return {
        name: _lay(folder / name.replace(" ", "-"), content, format_tlog_proof(one))
        for name, (content, one) in cases.items()
    }


def _lay(folder: Path, entry: bytes, proof: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "entry").write_bytes(entry)
    (folder / "tlog-proof").write_bytes(proof)
    return folder
