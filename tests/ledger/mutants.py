"""Damaged copies of a bundle, the same ones in every run: members changed, cut, doubled, lost, added, and entries forged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from random import Random

from gateway.ledger.disclosed import Disclosed, parse_disclosed
from gateway.ledger.merkle import hash_leaf
from tests.ledger.damage import flip

Members = dict[str, bytes]
Way = Callable[[Members, Random], Members]


def mutants(members: Members, count: int, seed: int, ways: Sequence[Way] = ()) -> Iterator[Members]:
    """`count` copies, each with one thing done to it; a third of them with `manifest.json` made to fit."""
    random = Random(seed)
    chosen = ways or (_bit, *ANYWHERE, _lost, _added, _entry, _entry, _line)
    for number in range(count):
        changed = chosen[number % len(chosen)](dict(members), random)
        yield listed(changed) if number % 3 == 0 else changed


def listed(members: Members) -> Members:
    """The members with a manifest that lists them as they are, where it can be read at all."""
    try:
        manifest = json.loads(members["manifest.json"])
        manifest["files"] = {n: sha256(c).hexdigest() for n, c in sorted(members.items()) if n != "manifest.json"}
    except (ValueError, KeyError, TypeError):
        return members
    return members | {"manifest.json": json.dumps(manifest).encode()}


def _name(members: Members, random: Random) -> str:
    return random.choice([name for name in sorted(members) if members[name]])


def _bit(members: Members, random: Random) -> Members:
    name = _name(members, random)
    place = random.randrange(len(members[name]) * 8)
    return members | {name: flip(members[name], place // 8, place % 8)}


def _byte(members: Members, random: Random) -> Members:
    name = _name(members, random)
    content, place = members[name], random.randrange(len(members[name]))
    return members | {
        name: content[:place] + random.choice(b'0",{}[]-.e \n\xff\x00').to_bytes(1) + content[place + 1 :]
    }


def _cut(members: Members, random: Random) -> Members:
    name = _name(members, random)
    return members | {name: members[name][: random.randrange(len(members[name]))]}


def _double(members: Members, random: Random) -> Members:
    name = _name(members, random)
    content = members[name]
    first, stop = sorted(random.sample(range(len(content) + 1), 2))
    return members | {name: content[:stop] + content[first:]}


def _lost(members: Members, random: Random) -> Members:
    members.pop(_name(members, random))
    return members


def _added(members: Members, random: Random) -> Members:
    name = random.choice(
        ["readings.csv.bak", "blob/00/ab", "samples/7.tlog-proof", "names.jsonl", "ä.txt", "brackets/5"]
    )
    return members | {name: random.randbytes(20)}


def _line(members: Members, random: Random) -> Members:
    """Exchange or drop lines of a text member."""
    name = random.choice(["checkpoint", "keys/policy", "readings.csv", "batch.json"])
    lines = members[name].split(b"\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    if one == other:
        del lines[one]
    else:
        lines[one], lines[other] = lines[other], lines[one]
    return members | {name: b"\n".join(lines)}


def _entry(members: Members, random: Random) -> Members:
    """Do to one entry what someone would who wants to deceive: with or without its 4-byte hash made to fit."""
    entries, _ = parse_disclosed(members["entries.bin"])
    one = random.randrange(len(entries))
    other = random.randrange(len(entries))
    found = entries[one]
    how = random.choice(["edit", "drop", "twice", "exchange", "bodies", "renumber"])
    if how == "edit":
        digit = random.choice([i for i, c in enumerate(found.entry) if i >= 16 and chr(c).isdigit()])
        content = found.entry[:digit] + random.choice(b"0123456789").to_bytes(1) + found.entry[digit + 1 :]
        prefix = random.choice([found.prefix, hash_leaf(content)[:4]])
        entries[one] = Disclosed(found.index, prefix, content)
    elif how == "drop":
        del entries[one : one + random.randrange(1, 4)]
    elif how == "twice":
        entries.insert(one, found)
    elif how == "exchange":
        entries[one], entries[other] = entries[other], found
    elif how == "bodies":
        entries[one] = Disclosed(found.index, found.prefix, entries[other].entry)
        entries[other] = Disclosed(entries[other].index, entries[other].prefix, found.entry)
    else:
        entries[one] = Disclosed(random.choice([0, found.index + 1, 2**63 + 5]), found.prefix, found.entry)
    return members | {"entries.bin": b"".join(map(_bytes, entries))}


def _bytes(one: Disclosed) -> bytes:
    return one.index.to_bytes(8, "big") + one.prefix + len(one.entry).to_bytes(2, "big") + one.entry


ANYWHERE: tuple[Way, ...] = (_bit, _cut, _double, _byte)
"""What can be done to the bytes of any member."""
