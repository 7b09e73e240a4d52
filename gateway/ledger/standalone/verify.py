"""Checks this bundle with nothing but Python 3.8 or later: no network, no other package, no code of the gateway.

    python3 verify.py [BUNDLE.zip or folder] [--witness-policy FILE] [--tsa FILE] [--extract DIR] [--json]

Last line: VERIFIED, UNWITNESSED or FAILED and where. Exit 0 verified, 1 any other line, 2 usage, 69 unreadable, 78 bad policy.
Time stamps are checked by `openssl ts -verify` where openssl is installed, else a note says that they were not.
The rules are those of docs/formats/bundle.md, in the same order.
"""
# ruff: noqa: T201, UP006, UP035, UP045, B905, RUF007, D101, D102, D103, PLR2004, INP001
# mypy: disable-error-code="no-any-return"
# pyright: basic
# It prints (T201) and runs on Python 3.8 (UP, B905, RUF007); a reader in fifteen years follows plain numbers and short
# functions beside the format page (PLR2004, D); it is a program that travels, not a module (INP001).

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

LATE = 1 << 63
OWN_AUTHORITY = "keys/tsa.pem"


class Broken(Exception):
    """A member does not follow its format."""


class Key(NamedTuple):
    name: str
    type: int
    key: bytes

    def id(self) -> bytes:
        text = self.key if self.type == 2 else self.name.encode() + b"\n" + bytes([self.type]) + self.key
        return sha(text)[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id().hex()}"


class Policy(NamedTuple):
    logs: List[Key]
    publish: List[Key]
    witnesses: List[Tuple[str, Key]]
    groups: List[Tuple[str, int, List[str]]]
    quorum: str
    former: Tuple[Key, ...] = ()
    spans: Tuple[Tuple[Key, int, int], ...] = ()


class Known(NamedTuple):
    """A key and the sizes it counts for. told: a record speaks of it; trusted: the policy does, or a key it trusts."""

    key: Key
    purpose: str
    first: int
    last: int
    told: bool
    trusted: bool


class Entry(NamedTuple):
    place: int
    prefix: bytes
    entry: bytes

    def record(self) -> bytes:
        return self.entry[16:]


class Finding(NamedTuple):
    kind: str
    where: int
    text: str


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def in_file(kind: str, name: str, why: str) -> Finding:
    return Finding(kind, LATE, f"FAILED in {name}: {why}")


def at(kind: str, place: int, why: str) -> Finding:
    return Finding(kind, place, f"FAILED at record {place:,}: {why}")


def amount(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


# ---- signatures: Ed25519 (RFC 8032 5.1.7) and ECDSA P-256 (FIPS 186-5 6.4.2), in plain integers


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = Tuple[int, int, int, int]


def ed_add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def ed_multiply(n: int, p: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = ed_add(total, p)
        p, n = ed_add(p, p), n >> 1
    return total


def ed_decode(content: bytes) -> Optional[Point]:
    y = int.from_bytes(content, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def ed25519_holds(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r = ed_decode(key), ed_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    base = ed_decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if a is None or r is None or base is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = ed_multiply(s, base), ed_add(r, ed_multiply(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


EC_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
EC_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EC_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
EC_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
Flat = Optional[Tuple[int, int]]


def ec_add(p: Flat, q: Flat) -> Flat:
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0] and (p[1] + q[1]) % EC_P == 0:
        return None
    if p == q:
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], EC_P - 2, EC_P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], EC_P - 2, EC_P)
    x = (slope * slope - p[0] - q[0]) % EC_P
    return x, (slope * (p[0] - x) - p[1]) % EC_P


def ec_multiply(n: int, p: Flat) -> Flat:
    total: Flat = None
    while n:
        total = ec_add(total, p) if n & 1 else total
        p, n = ec_add(p, p), n >> 1
    return total


def der_integers(content: bytes) -> Optional[Tuple[int, int]]:
    """Return r and s of a DER signature written in the one canonical way."""
    if len(content) < 8 or content[0] != 0x30 or content[1] != len(content) - 2 or content[1] > 127:
        return None
    numbers, place = [], 2
    for _ in range(2):
        if content[place : place + 1] != b"\x02" or place + 2 > len(content):
            return None
        body = content[place + 2 : place + 2 + content[place + 1]]
        if (
            len(body) != content[place + 1]
            or not body
            or body[0] > 127
            or (len(body) > 1 and not body[0] and body[1] < 128)
        ):
            return None
        numbers.append(int.from_bytes(body, "big"))
        place += 2 + len(body)
    return (numbers[0], numbers[1]) if place == len(content) else None


def p256_holds(spki: bytes, message: bytes, signature: bytes) -> bool:
    numbers = der_integers(signature)
    if not spki.startswith(SPKI_P256) or len(spki) != len(SPKI_P256) + 64 or numbers is None:
        return False
    x, y = int.from_bytes(spki[-64:-32], "big"), int.from_bytes(spki[-32:], "big")
    r, s = numbers
    if x >= EC_P or y >= EC_P or (y * y - x * x * x + 3 * x - EC_B) % EC_P or not (0 < r < EC_N and 0 < s < EC_N):
        return False
    w = pow(s, EC_N - 2, EC_N)
    u, v = int.from_bytes(sha(message), "big") * w % EC_N, r * w % EC_N
    point = ec_add(ec_multiply(u, EC_G), ec_multiply(v, (x, y)))
    return point is not None and point[0] % EC_N == r


def line_holds(key: Key, text: bytes, signature: bytes) -> bool:
    if key.type == 1:
        return ed25519_holds(key.key, text, signature)
    if key.type == 2:
        return p256_holds(key.key, text, signature)
    if key.type == 4 and len(signature) == 72:
        header = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big")
        return ed25519_holds(key.key, header + text, signature[8:])
    return False


# ---- formats


def unbase(text: str) -> bytes:
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, UnicodeEncodeError):
        raise Broken from None
    if base64.b64encode(content).decode() != text:
        raise Broken
    return content


def is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)


def read_key(text: str) -> Key:
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_name(parts[0]):
        raise Broken
    content = unbase(parts[2])
    key = Key(parts[0], content[0], content[1:]) if len(content) > 1 else None
    if key is None or key.id().hex() != parts[1]:
        raise Broken
    return key


def read_policy(content: bytes) -> Policy:
    policy, quorum, names = Policy([], [], [], [], ""), "", {"none"}
    former: List[Key] = []
    spans: List[Tuple[Key, int, int]] = []
    for line in decode(content).split("\n"):
        words = line.split()
        if line.startswith("# publish "):
            policy.publish.append(read_spanned(words[2:], spans))
        elif line.startswith("# log "):
            former.append(read_spanned(words[2:], spans))
        elif not words or words[0].startswith("#"):
            pass
        elif words[0] == "log" and len(words) in (2, 3):
            policy.logs.append(read_key(words[1]))
        elif words[0] == "witness" and len(words) in (3, 4) and words[1] not in names:
            names.add(words[1])
            policy.witnesses.append((words[1], read_key(words[2])))
        elif words[0] == "group" and len(words) > 3 and words[1] not in names:
            policy.groups.append(read_group(words, names))
            names.add(words[1])
        elif words[0] == "quorum" and len(words) == 2 and not quorum and words[1] in names:
            quorum = words[1]
        else:
            raise Broken
    if not quorum:
        raise Broken
    return policy._replace(quorum=quorum, former=tuple(former), spans=tuple(spans))


def read_spanned(words: List[str], spans: List[Tuple[Key, int, int]]) -> Key:
    """Read <vkey> [from <size>] [until <size>]."""
    first, last, rest = 0, LATE - 1, words[1:]
    if rest[:1] == ["from"]:
        first, rest = read_size(rest[1:2]), rest[2:]
    if rest[:1] == ["until"]:
        last, rest = read_size(rest[1:2]), rest[2:]
    if rest or not words:
        raise Broken
    key = read_key(words[0])
    if (first, last) != (0, LATE - 1):
        spans.append((key, first, last))
    return key


def read_size(words: List[str]) -> int:
    if not words or not re.fullmatch("0|[1-9][0-9]{0,18}", words[0]) or int(words[0]) >= LATE:
        raise Broken
    return int(words[0])


class Ring:
    """Which keys count at which sizes: the policy's, and what the disclosed key records say of them and their successors."""

    def __init__(self, policy: Policy) -> None:
        self.known: Dict[str, Known] = {}
        spans = {key: (first, last) for key, first, last in policy.spans}
        for purpose, keys in (("seal", [*policy.logs, *policy.former]), ("publish", policy.publish)):
            for key in keys:
                first, last = spans.get(key, (0, LATE - 1))
                self.known[str(key)] = Known(key, purpose, first, last, False, True)

    def counting(self, purpose: str, size: int) -> List[Key]:
        found = self.known.values()
        return [one.key for one in found if one.purpose == purpose and one.trusted and one.first <= size <= one.last]

    def learn(self, origin: str, record: bytes) -> None:
        try:
            top = typed(read_json(record), dict)
            event, purpose, vkey = (typed(top.get(name), str) for name in ("event", "purpose", "key"))
            first = typed(top.get("from_size"), int)
            last = typed(top["to_size"], int) if "to_size" in top else None
            given = {}
            for one in typed(top.get("endorsed"), list):
                given[typed(typed(one, dict).get("key"), str)] = typed(one.get("sig"), str)
            key = read_key(vkey)
        except Broken:
            return
        if max(first, last or 0) >= LATE or key.type != {"seal": 1, "publish": 2}.get(purpose):
            return
        until = "-" if last is None else str(last)
        text = f"gateway-key/v1\n{origin}\n{event}\n{purpose}\n{vkey}\n{first}\n{until}\n".encode()
        asked = dict.fromkeys([key, *(one.key for one in self.known.values())])
        signers = [one for one in asked if endorses(one, text, given.get(str(one), ""))]
        known = self.known.get(str(key))
        if event in ("introduced", "rotated"):
            self.enter(Known(key, purpose, first, LATE - 1 if last is None else last, True, False), known, signers)
        elif event in ("retired", "revoked") and known is not None and last is not None and signers:
            demanded = known.purpose == "publish" and known.trusted  # a demand is taken back by its key alone
            if not demanded or key in signers:
                self.known[str(key)] = known._replace(last=min(last, known.last))

    def enter(self, new: Known, known: Optional[Known], signers: List[Key]) -> None:
        """Take a key that endorses itself and, but for the first, is endorsed by a seal key that counts."""
        seals = [one for one in self.known.values() if one.purpose == "seal"]
        vouching = [one for one in seals if one.first <= new.first <= one.last and one.key in signers]
        if new.key not in signers or not (vouching or not any(one.told for one in seals)):
            return
        if known is not None:
            new = new._replace(last=min(new.last, known.last))
        if new.purpose == "publish":
            vouching = [one for one in self.known.values() if one.purpose == "publish" and one.key in signers]
        trusted = (known is not None and known.trusted) or any(one.trusted for one in vouching)
        self.known[str(new.key)] = new._replace(trusted=trusted)


def endorses(key: Key, text: bytes, signature: str) -> bool:
    try:
        return line_holds(key, text, unbase(signature))
    except Broken:
        return False


def read_group(words: List[str], names: Any) -> Tuple[str, int, List[str]]:
    members = words[3:]
    plain = re.fullmatch("[1-9][0-9]*", words[2])
    named: Dict[str, int] = {"any": 1, "all": len(members)}
    k = named.get(words[2], int(words[2]) if plain else 0)
    if not 1 <= k <= len(members) or len(set(members)) != len(members) or len(members) > 255:
        raise Broken
    if "none" in members or not set(members) <= names:
        raise Broken
    return words[1], k, members


def judge_quorum(policy: Policy, cosigners: List[Key]) -> Tuple[bool, int]:
    """Return whether the policy's quorum has cosigned, and the fewest that could."""
    holds, needs = {"none": True}, {"none": 0}
    for name, key in policy.witnesses:
        holds[name], needs[name] = key in cosigners, 1
    for name, k, members in policy.groups:
        holds[name] = sum(holds[one] for one in members) >= k
        needs[name] = sum(sorted(needs[one] for one in members)[:k])
    return holds[policy.quorum], needs[policy.quorum]


def decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Broken from None


def read_note(content: bytes) -> Tuple[bytes, List[Tuple[str, bytes, bytes]]]:
    split = content.rfind(b"\n\n")
    text, rest = content[: split + 1], content[split + 2 :]
    if split < 0 or len(content) > 1_000_000 or not rest.endswith(b"\n") or rest.count(b"\n") > 64:
        raise Broken
    decode(text)
    if min(text.replace(b"\n", b" ")) < 32:
        raise Broken
    lines = []
    for line in rest[:-1].split(b"\n"):
        words = decode(line).split(" ")
        if len(words) != 3 or words[0] != "\u2014" or not is_name(words[1]) or len(unbase(words[2])) < 5:
            raise Broken
        lines.append((words[1], unbase(words[2])[:4], unbase(words[2])[4:]))
    return text, lines


def read_checkpoint(text: bytes) -> Tuple[str, int, bytes]:
    lines = decode(text).split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise Broken
    root = unbase(lines[2])
    if len(root) != 32 or int(lines[1]) >= LATE:
        raise Broken
    return lines[0], int(lines[1]), root


def read_json(content: bytes) -> Any:
    """Return what RFC 8259 allows: no NaN, no number beyond a double, no half of a surrogate pair."""
    text = decode(content)
    try:
        value = json.loads(text, parse_float=finite, parse_constant=finite)
        if re.search(r"\\u[dD]", text):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Broken from None
    return value


def finite(text: str) -> float:
    if not abs(float(text)) < float("inf"):
        raise Broken
    return float(text)


def typed(value: Any, kind: type) -> Any:
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise Broken
    return value


class Manifest:
    """The members of manifest.json that are checked."""

    def __init__(self, content: bytes) -> None:
        top = typed(read_json(content), dict)
        if top.get("format") != "gateway-bundle/1" or not re.fullmatch("[0-9a-f]{64}", typed(top.get("root"), str)):
            raise Broken
        subject = typed(top.get("subject"), dict)
        self.kind, self.id = typed(subject.get("kind"), str), typed(subject.get("id"), str)
        self.root, self.origin = top["root"], typed(top.get("origin"), str)
        self.size, self.count = typed(top.get("size"), int), typed(top.get("count"), int)
        self.files = {name: typed(value, str) for name, value in typed(top.get("files"), dict).items()}
        self.spans: Dict[str, Tuple[int, int, List[Tuple[int, int]]]] = {}
        for one in typed(top.get("signals"), list):
            pairs = [typed(pair, list) for pair in typed(typed(one, dict).get("withheld"), list)]
            if any(len(pair) != 2 for pair in pairs):
                raise Broken
            hidden = sorted((typed(a, int), typed(b, int)) for a, b in pairs)
            first, last = typed(one.get("n_first"), int), typed(one.get("n_last"), int)
            self.spans[typed(one.get("signal"), str)] = (first, last, hidden)


def read_entries(content: bytes) -> Tuple[List[Entry], bool]:
    entries, place = [], 0
    while place + 14 <= len(content):
        stop = place + 14 + int.from_bytes(content[place + 12 : place + 14], "big")
        if stop > len(content):
            break
        index = int.from_bytes(content[place : place + 8], "big")
        entries.append(Entry(index, content[place + 8 : place + 12], content[place + 14 : stop]))
        place = stop
    return entries, place == len(content)


def leaf_hash(entry: bytes) -> bytes:
    return sha(b"\0" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha(b"\1" + left + right)


def root_from_proof(leaves: Dict[int, bytes], size: int, proof: bytes) -> bytes:
    """Walk [0, size) left first: no disclosed leaf, the next 32 bytes; one leaf, itself; else both halves."""
    places, taken = sorted(leaves), 0

    def walk(start: int, stop: int, low: int, high: int) -> bytes:
        nonlocal taken
        if low == high:
            taken += 32
            return proof[taken - 32 : taken]
        if stop - start == 1:
            return leaves[start]
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        cut = low
        step = high - low
        while step:
            if cut + step <= high and places[cut + step - 1] < middle:
                cut += step
            else:
                step //= 2
        left = walk(start, middle, low, cut)
        return node_hash(left, walk(middle, stop, cut, high))

    if any(not 0 <= place < size for place in places):
        return b""
    root = walk(0, size, 0, len(places)) if size else sha(b"")
    return root if taken == len(proof) else b""


def read_tlog_proof(content: bytes) -> Tuple[int, List[bytes], bytes]:
    head, empty, note = content.partition(b"\n\n")
    header, *lines = decode(head).split("\n")
    if not empty or header != "c2sp.org/tlog-proof@v1" or not lines:
        raise Broken
    if lines[0].startswith("extra "):
        unbase(lines.pop(0)[6:])
    if not lines or not re.fullmatch("index (0|[1-9][0-9]{0,18})", lines[0]) or len(lines) > 64:
        raise Broken
    hashes = [unbase(line) for line in lines[1:]]
    if any(len(one) != 32 for one in hashes):
        raise Broken
    return int(lines[0][6:]), hashes, note


def root_from_path(place: int, size: int, leaf: bytes, path: List[bytes]) -> bytes:
    """RFC 9162 2.1.3.2."""
    node, last, root = place, size - 1, leaf
    if not 0 <= place < size:
        raise Broken
    for sibling in path:
        if not last:
            raise Broken
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Broken
    return root


def growth_holds(first: int, second: int, root1: bytes, root2: bytes, path: List[bytes]) -> bool:
    """RFC 9162 2.1.4.2, for a size before the end."""
    if not 0 < first < second or not path:
        return False
    hashes = [root1, *path] if first & first - 1 == 0 else list(path)
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    small = large = hashes[0]
    for one in hashes[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            small, large = node_hash(one, small), node_hash(one, large)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            large = node_hash(large, one)
        node, last = node >> 1, last >> 1
    return not last and small == root1 and large == root2


def read_consistency(content: bytes) -> List[bytes]:
    lines = content.split(b"\n")
    hashes = [unbase(decode(line)) for line in lines[:-1]]
    if lines[-1] or any(len(one) != 32 for one in hashes):
        raise Broken
    return hashes


# ---- time stamps (RFC 3161, RFC 5652): what an answer says is read here, strictly; who signed it is asked of openssl


class Der(NamedTuple):
    tag: int
    content: bytes
    whole: bytes


class Parts:
    """Takes the elements inside another in their order: one-byte tags, shortest lengths, nothing left over."""

    def __init__(self, element: Der, tag: int) -> None:
        if element.tag != tag:
            raise Broken
        self.left = der_all(element.content)

    def next(self, tag: int = 0) -> Der:
        if not self.left or tag not in (0, self.left[0].tag):
            raise Broken
        return self.left.pop(0)

    def optional(self, tag: int) -> Optional[Der]:
        return self.left.pop(0) if self.left and self.left[0].tag == tag else None

    def end(self) -> None:
        if self.left:
            raise Broken


def der_all(content: bytes) -> List[Der]:
    found, place = [], 0
    while place < len(content):
        if place + 2 > len(content) or content[place] & 31 == 31:
            raise Broken
        size, start = content[place + 1], place + 2
        if size >= 128:
            start += size - 128
            size = int.from_bytes(content[place + 2 : start], "big")
            if not 0 < start - place - 2 <= 4 or size < 128 or size.bit_length() <= 8 * (start - place - 3):
                raise Broken
        if start + size > len(content):
            raise Broken
        found.append(Der(content[place], content[start : start + size], content[place : start + size]))
        place = start + size
    return found


def der_one(content: bytes, tag: int) -> Der:
    found = der_all(content)
    if len(found) != 1 or found[0].tag != tag:
        raise Broken
    return found[0]


def der_integer(element: Der) -> int:
    content = element.content
    if element.tag not in (0x02, 0x80, 0x81) or not content:
        raise Broken
    if len(content) > 1 and content[0] in (0, 255) and (content[0] ^ content[1]) < 128:
        raise Broken
    return int.from_bytes(content, "big", signed=True)


def der_name(element: Der) -> str:
    """Return an object identifier as hex."""
    content = element.content
    if element.tag != 6 or not content or content[-1] > 127 or content[0] == 128:
        raise Broken
    if any(a < 128 and b == 128 for a, b in zip(content, content[1:])):
        raise Broken
    return content.hex()


def der_second(element: Der) -> int:
    """Return a GeneralizedTime in UTC as seconds since 1970."""
    found = re.fullmatch(rb"(\d{14})(\.\d{0,8}[1-9])?Z", element.content)
    if element.tag != 0x18 or found is None:
        raise Broken
    digits = found[1].decode()
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    hour, minute, second = int(digits[8:10]), int(digits[10:12]), int(digits[12:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if year < 1970 or not 1 <= month <= 12 or not 1 <= day <= lengths[month - 1]:
        raise Broken
    if hour > 23 or minute > 59 or second > 59:
        raise Broken
    before = year - 1
    leaps = before // 4 - before // 100 + before // 400 - 477
    days = (year - 1970) * 365 + leaps + sum(lengths[: month - 1]) + day - 1
    return days * 86400 + hour * 3600 + minute * 60 + second


def algorithm(element: Der) -> str:
    """Return an algorithm's name; it may have no parameters but NULL."""
    parts = Parts(element, 0x30)
    name = der_name(parts.next())
    parts.optional(5)
    parts.end()
    return name


SIGNED_DATA, TST_INFO = "2a864886f70d010702", "2a864886f70d0109100104"
CONTENT_TYPE, MESSAGE_DIGEST = "2a864886f70d010903", "2a864886f70d010904"
NAMES_SHA1, NAMES_SHA2 = "2a864886f70d010910020c", "2a864886f70d010910022f"
SHA_2 = {"608648016503040201": "sha256", "608648016503040202": "sha384", "608648016503040203": "sha512"}
RSA, EC = "2a864886f70d010101", "2a8648ce3d0201"
SIGNED_BY = {"sha256": ("0b", "02"), "sha384": ("0c", "03"), "sha512": ("0d", "04")}


def stamp_second(answer: bytes, note: Optional[bytes] = None, others: Tuple[bytes, ...] = ()) -> int:
    """Return the time in a granted answer, seconds since 1970; `note`: the bytes that it must be about."""
    if len(answer) > 262144:
        raise Broken
    top = Parts(der_one(answer, 0x30), 0x30)
    if der_integer(Parts(top.next(0x30), 0x30).next(2)) not in (0, 1):
        raise Broken
    outer = Parts(top.next(0x30), 0x30)
    top.end()
    if der_name(outer.next()) != SIGNED_DATA:
        raise Broken
    envelope = Parts(outer.next(0xA0), 0xA0)
    data = Parts(envelope.next(0x30), 0x30)
    outer.end()
    der_integer(data.next(2))
    digests = [algorithm(one) for one in Parts(data.next(0x31), 0x31).left]
    content = Parts(data.next(0x30), 0x30)
    if der_name(content.next()) != TST_INFO:
        raise Broken
    inner = Parts(content.next(0xA0), 0xA0)
    info = inner.next(4).content
    inner.end()
    content.end()
    bundled = data.optional(0xA0)
    certificates = [] if bundled is None else [one.whole for one in Parts(bundled, 0xA0).left]
    data.optional(0xA1)
    signers = Parts(data.next(0x31), 0x31).left
    data.end()
    imprint, second = read_info(der_one(info, 0x30))
    if note is not None:
        if imprint != sha(note) or len(signers) != 1:
            raise Broken
        read_signer(signers[0], digests, info, [*certificates, *others])
    return second


def is_stamp(answer: bytes) -> bool:
    try:
        return stamp_second(answer) >= 0
    except Broken:
        return False


def read_info(element: Der) -> Tuple[bytes, int]:
    """Return imprint and time of a TSTInfo; the imprint is a SHA-256, no extension may be critical."""
    parts = Parts(element, 0x30)
    if der_integer(parts.next(2)) != 1:
        raise Broken
    der_name(parts.next())
    hashed = Parts(parts.next(0x30), 0x30)
    if SHA_2.get(algorithm(hashed.next())) != "sha256":
        raise Broken
    imprint = hashed.next(4).content
    hashed.end()
    der_integer(parts.next(2))
    second = der_second(parts.next())
    accuracy = parts.optional(0x30)
    if accuracy is not None:
        spread = Parts(accuracy, 0x30)
        for tag in (0x02, 0x80, 0x81):
            one = spread.optional(tag)
            if one is not None:
                der_integer(one)
        spread.end()
    parts.optional(1)
    nonce = parts.optional(2)
    if nonce is not None:
        der_integer(nonce)
    parts.optional(0xA0)
    extensions = parts.optional(0xA1)
    parts.end()
    for one in [] if extensions is None else Parts(extensions, 0xA1).left:
        extension = Parts(one, 0x30)
        der_name(extension.next())
        critical = extension.optional(1)
        if critical is not None and critical.content != b"\0":
            raise Broken
    return imprint, second


def read_signer(element: Der, digests: List[str], info: bytes, certificates: List[bytes]) -> None:
    """Check all of a SignerInfo but its signature: that it is about this content, and names its certificate."""
    parts = Parts(element, 0x30)
    version, sid = der_integer(parts.next(2)), parts.next()
    digest = algorithm(parts.next())
    attributes: Dict[str, Der] = {}
    for one in Parts(parts.next(0xA0), 0xA0).left:
        pair = Parts(one, 0x30)
        name, values = der_name(pair.next()), pair.next(0x31)
        pair.end()
        if name in attributes:
            raise Broken
        attributes[name] = values
    method = algorithm(parts.next())
    parts.next(4)
    parts.optional(0xA1)
    parts.end()
    kind = SHA_2.get(digest)
    if version != (1 if sid.tag == 0x30 else 3) or kind is None or digest not in digests:
        raise Broken
    if CONTENT_TYPE not in attributes or MESSAGE_DIGEST not in attributes:
        raise Broken
    if der_name(der_one(attributes[CONTENT_TYPE].content, 6)) != TST_INFO:
        raise Broken
    if der_one(attributes[MESSAGE_DIGEST].content, 4).content != hashlib.new(kind, info).digest():
        raise Broken
    named = [der for der, told in [(der, read_certificate(der)) for der in certificates] if told.is_named_by(sid)]
    if not named or not names_certificate(attributes, named[0]):
        raise Broken
    rsa, ecdsa = SIGNED_BY[kind]
    allowed = {RSA: (RSA, RSA[:-2] + rsa), EC: ("2a8648ce3d0403" + ecdsa,)}
    if method not in allowed.get(read_certificate(named[0]).key_kind, ()):
        raise Broken


class Certificate(NamedTuple):
    serial: Der
    issuer: Der
    subject: Der
    key_kind: str
    key_id: Optional[bytes]

    def is_named_by(self, sid: Der) -> bool:
        if sid.tag == 0x80:
            return self.key_id == sid.content
        return sid.tag == 0x30 and sid.content == self.issuer.whole + self.serial.whole


def read_certificate(content: bytes) -> Certificate:
    whole = Parts(der_one(content, 0x30), 0x30)
    parts = Parts(whole.next(0x30), 0x30)
    parts.optional(0xA0)
    serial = parts.next(2)
    if der_integer(serial) < 1:
        raise Broken
    parts.next(0x30)
    issuer = parts.next(0x30)
    parts.next(0x30)
    subject = parts.next(0x30)
    key = Parts(Parts(parts.next(0x30), 0x30).next(0x30), 0x30)
    extensions = [one for one in parts.left if one.tag == 0xA3]
    key_id = None
    for one in Parts(Parts(extensions[0], 0xA3).next(0x30), 0x30).left if extensions else []:
        extension = Parts(one, 0x30)
        if der_name(extension.next()) == "551d0e":
            extension.optional(1)
            key_id = der_one(extension.next(4).content, 4).content
    return Certificate(serial, issuer, subject, der_name(key.next()), key_id)


def names_certificate(attributes: Dict[str, Der], certificate: bytes) -> bool:
    """Say whether the signed attributes name this certificate by its hash (RFC 2634 ESSCertID, RFC 5816 ESSCertIDv2)."""
    judged = []
    for name, usual in ((NAMES_SHA1, "sha1"), (NAMES_SHA2, "sha256")):
        if name not in attributes:
            continue
        many = Parts(der_one(attributes[name].content, 0x30), 0x30).next(0x30)
        first = Parts(Parts(many, 0x30).next(0x30), 0x30)
        written = first.optional(0x30) if usual == "sha256" else None
        kind = usual if written is None else SHA_2.get(der_name(Parts(written, 0x30).next()), "")
        judged.append(bool(kind) and first.next(4).content == hashlib.new(kind, certificate).digest())
    return bool(judged) and all(judged)


PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\t-\r ]*)-----END CERTIFICATE-----")


def pem_certificates(pem: bytes) -> Tuple[bytes, ...]:
    found = tuple(unbase(re.sub(r"\s", "", decode(one))) for one in PEM.findall(pem))
    if not found or len(found) != pem.count(b"-----BEGIN CERTIFICATE-----"):
        raise Broken
    return found


def usable_openssl(path: Optional[str]) -> Optional[str]:
    """Return openssl if it knows `ts -verify -attime`: OpenSSL from 1.1 on, no LibreSSL, which would fail every time stamp."""
    if path is None:
        return None
    try:
        said = subprocess.run([path, "version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout  # noqa: S603 - a program of this machine
    except OSError:
        return None
    found = re.match(rb"OpenSSL (\d+)\.(\d+)\.", said)
    return path if found and (int(found[1]), int(found[2])) >= (1, 1) else None


def stamp_holds(openssl: str, note: bytes, answer: bytes, roots: bytes) -> bool:
    """Ask openssl, at the time in the token: the authority's certificate may have ended since."""
    try:
        certificates = pem_certificates(roots)
        second = stamp_second(answer, note, certificates)
    except Broken:
        return False
    shown = b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(one) + b"-----END CERTIFICATE-----\n"
        for one in certificates
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in (("checkpoint", note), ("checkpoint.tsr", answer), ("tsa.pem", shown)):
            (folder / file).write_bytes(content)
        words = ["ts", "-verify", "-data", "checkpoint", "-in", "checkpoint.tsr", "-CAfile", "tsa.pem"]
        done = subprocess.run(  # noqa: S603 - the words are fixed, the files are ours
            [openssl, *words, "-check_ss_sig", "-attime", str(second)],
            cwd=name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    return done.returncode == 0


# ---- what is shown again


def is_reading(record: bytes) -> bool:
    return record.startswith(b'{"v":1,"kind":"reading",')


def literal(record: bytes, member: str) -> Any:
    """Return a member of a record with its numbers as they stand there, and None written as null."""

    class Number(str):
        __slots__ = ()

    top = json.loads(decode(record), parse_float=Number, parse_int=Number)
    return top.get(member, "")


def value_text(record: bytes) -> str:
    """Return the JSON text of the value, a string without its quotes."""
    value = literal(record, "value")
    if isinstance(value, str):
        return str(value)
    start = record.index(b'"value":') + 8
    _, stop = json.JSONDecoder().raw_decode(decode(record[start:]))
    return decode(record[start:])[:stop]


def cell(top: Any, member: str, kind: type, *, optional: bool = False) -> str:
    if optional and member not in top:
        return ""
    if type(top[member]) is not kind:
        raise Broken
    return str(top[member])


def csv_row(one: Entry) -> str:
    record = one.record()
    top = read_json(record)
    cells = [str(one.place), cell(top, "signal", str), cell(top, "n", int), cell(top, "source_ns", int, optional=True)]
    cells += [cell(top, "received_ns", int), value_text(record), cell(top, "quality", str)]
    cells += [" ".join(typed(top.get("reason", []), list)), cell(top, "status", int, optional=True)]
    cells.append(cell(top, "provenance", str))
    quoted = ['"' + c.replace('"', '""') + '"' if any(x in c for x in ',"\r\n') else c for c in cells]
    return ",".join(quoted) + "\n"


def readings_csv(entries: List[Entry]) -> bytes:
    head = "index,signal,n,source_ns,received_ns,value,quality,reason,status,provenance\n"
    return (head + "".join(csv_row(one) for one in entries if is_reading(one.record()))).encode()


def batch_json(manifest: Manifest, entries: List[Entry]) -> bytes:
    subject = json.dumps({"kind": manifest.kind, "id": manifest.id}, separators=(",", ":"), ensure_ascii=False)
    records = [b'{"index":%d,"record":%b}' % (e.place, e.record()) for e in entries if not is_reading(e.record())]
    return b'{"format":"gateway-batch/1","subject":%b,"records":[%b]}\n' % (subject.encode(), b",\n".join(records))


def describe(record: bytes) -> str:
    """Return `` (time signal)`` of a record that can be read."""
    try:
        if min(record, default=0) < 32:
            return ""
        top = typed(read_json(record), dict)
    except Broken:
        return ""
    ns, name = top.get("received_ns", top.get("at_ns")), top.get("signal", top.get("kind"))
    if type(ns) is not int or not isinstance(name, str) or not 0 <= ns < LATE:
        return ""
    return f" ({utc(ns)} {name})"


def utc(ns: int) -> str:
    days, rest = divmod(ns // 1000000000, 86400)
    year = 1970
    while days >= (366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365):
        days -= 366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365
        year += 1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    month = 1
    for length in (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30):
        if days < length:
            break
        days, month = days - length, month + 1
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}.{ns % 1000000000 // 1000000:03d}Z"
    return f"{year:04d}-{month:02d}-{days + 1:02d}T{clock}"


# ---- the checks, in the order of the format page


class Verifier:
    """Collects findings about one bundle; ``policy`` is the one from outside, None to believe the bundle's own."""

    def __init__(self, members: Dict[str, bytes], policy: Optional[Policy], authority: Optional[bytes] = None) -> None:
        self.members, self.policy, self.authority = members, policy, authority
        stamped = any(name.endswith(".tsr") for name in members)
        self.openssl = usable_openssl(shutil.which("openssl")) if stamped else None
        self.stamps = 0
        self.found: List[Finding] = []
        self.notes: List[str] = []
        self.records = self.heads = self.witnesses = 0
        self.subject = ""
        self.manifest: Optional[Manifest] = None

    def run(self) -> None:
        try:
            manifest = self.manifest = Manifest(self.members.get("manifest.json", b""))
        except Broken:
            self.found.append(in_file("altered", "manifest.json", "cannot be read"))
            return
        if self.policy is None:
            self.notes.append("note: keys are the bundle's own: consistent with itself")
            try:
                self.policy = read_policy(self.members.get("keys/policy", b""))
            except Broken:
                self.found.append(in_file("altered", "keys/policy", "cannot be read"))
                return
        elif self.authority is None and any(name.endswith(".tsr") for name in self.members):
            self.notes.append("note: the authority of time stamps is the bundle's own")
        self.subject = f"{manifest.kind} {manifest.id}"
        entries, whole = read_entries(self.members.get("entries.bin", b""))
        ring = Ring(self.policy)
        for one in sorted(entries, key=lambda one: one.place):
            if one.record().startswith(b'{"v":1,"kind":"key",'):
                ring.learn(manifest.origin, one.record())
        self.check_head(manifest, self.policy, ring)
        self.check_stamps(manifest, ring)
        self.records = len(entries)
        if not whole:
            self.found.append(in_file("altered", "entries.bin", "ends inside a record"))
        proved = self.check_entries(manifest, entries)
        entries.sort(key=lambda one: one.place)
        self.check_samples({one.place: one.entry for one in entries})
        if proved:
            self.check_made_again(manifest, entries)
        self.check_openings()
        self.check_files(manifest)

    def check_head(self, manifest: Manifest, policy: Policy, ring: Ring) -> None:
        try:
            text, lines = read_note(self.members.get("checkpoint", b""))
            origin, size, root = read_checkpoint(text)
        except Broken:
            self.found.append(in_file("altered", "checkpoint", "cannot be read"))
            return
        logs, publish = ring.counting("seal", size), ring.counting("publish", size)
        witnesses = [key for _, key in policy.witnesses]
        if any(key.type == 6 for key in witnesses):
            self.notes.append("note: cosignatures of type 06 (ML-DSA-44) are not checked here, use `gateway verify`")
        witnesses = [key for key in witnesses if key.type != 6]
        known = {(key.name, key.id()): key for key in [*logs, *publish, *witnesses]}
        held: List[Key] = []
        failed: List[Key] = []
        for name, key_id, signature in lines:
            key = known.pop((name, key_id), None)
            if key is not None:
                (held if line_holds(key, text, signature) else failed).append(key)
        bad = [str(key) for key in failed]
        if not any(key in held or key in failed for key in logs):
            own = [key_id for name, key_id, _ in lines if name == origin]
            bad.append(f"{origin}+{own[0].hex()}" if own else origin)
        bad += [str(key) for key in publish if key not in held and key not in failed]
        for name in bad:
            text_ = f"FAILED at size {size:,}: signature of {name} does not verify"
            self.found.append(Finding("signature", size, text_))
        self.heads = int(any(key in held for key in logs))
        if (origin, size, root.hex()) != (manifest.origin, manifest.size, manifest.root):
            self.found.append(in_file("altered", "manifest.json", "is not about the tree in checkpoint"))
        cosigners = [key for key in witnesses if key in held]
        self.witnesses = len(set(cosigners))
        enough, needed = judge_quorum(policy, cosigners)
        if not enough:
            line = f"UNWITNESSED at size {size:,}: {len(cosigners)} of {needed} cosignatures"
            self.found.append(Finding("unwitnessed", size, line))

    def check_stamps(self, manifest: Manifest, ring: Ring) -> None:
        """Frozen notes inside the interval with the way to the checkpoint, then each token."""
        names = (re.fullmatch(r"brackets/([1-9][0-9]{0,18})(\.tsr|\.consistency)?", name) for name in self.members)
        for size in sorted({int(match[1]) for match in names if match is not None}):
            name = f"brackets/{size}"
            root = sealed_root(self.members.get(name, b""), manifest.origin, size, ring.counting("seal", size))
            if root is None:
                self.found.append(in_file("altered", name, "is no sealed head of this log"))
                continue
            try:
                path = read_consistency(self.members.get(f"{name}.consistency", b""))
            except Broken:
                path = []
            if not growth_holds(size, manifest.size, root, bytes.fromhex(manifest.root), path):
                self.found.append(in_file("altered", f"{name}.consistency", "proof does not hold"))
            if f"{name}.tsr" in self.members:
                self.check_token(name)
        if "checkpoint.tsr" in self.members:
            self.check_token("checkpoint")
        if self.openssl is None and any(name.endswith(".tsr") for name in self.members):
            self.notes.append("note: time stamps not checked")

    def check_token(self, name: str) -> None:
        own = [] if self.authority else [OWN_AUTHORITY]
        if self.openssl is None or not all(self.is_listed(one) for one in [f"{name}.tsr", *own]):
            return  # a changed file is named with the files
        roots = self.authority or self.members.get(OWN_AUTHORITY, b"")
        if stamp_holds(self.openssl, self.members.get(name, b""), self.members[f"{name}.tsr"], roots):
            self.stamps += 1
        else:
            self.found.append(in_file("signature", f"{name}.tsr", "time stamp does not verify"))

    def is_listed(self, name: str) -> bool:
        """Say whether a member is the one that the manifest lists; what is neither listed nor there is too."""
        listed = self.manifest.files.get(name) if self.manifest else None
        return listed == (sha(self.members[name]).hex() if name in self.members else None)

    def check_entries(self, manifest: Manifest, entries: List[Entry]) -> bool:
        """Order, 4-byte hashes, `n`, proof."""
        due = sorted(entries, key=lambda one: one.place)
        leaves = [leaf_hash(one.entry) for one in due]
        moved = [(a.place, b.place) for a, b in zip(due, entries) if a.place != b.place]
        found = [at("reordered", a, f"out of order, belongs at {b:,}") for a, b in moved[:1]]
        if not moved:
            twice = [b.place for a, b in zip(due, due[1:]) if a.place == b.place]
            found = [at("inserted", place, "record was never sealed") for place in twice]
        misfits = [(one, leaf[:4]) for one, leaf in zip(due, leaves) if leaf[:4] != one.prefix]
        belongs = {one.prefix: one.place for one, _ in misfits}
        for one, leaf in misfits:
            if leaf in belongs:
                found.append(at("reordered", one.place, f"out of order, belongs at {belongs[leaf]:,}"))
            else:
                text = f"FAILED at record {one.place:,}{describe(one.record())}: content hash differs"
                found.append(Finding("altered", one.place, text))
        if not found:
            found = self.check_runs(manifest, due)
        pairs = {one.place: leaf for one, leaf in zip(due, leaves)}
        root = root_from_proof(pairs, manifest.size, self.members.get("proof.bin", b""))
        proved = len(pairs) == len(due) and root.hex() == manifest.root
        if not proved and not found:
            found.append(self.unproved(manifest, due))
        if proved and len(due) != manifest.count:
            found.append(in_file("altered", "manifest.json", "counts other records"))
        self.found += found
        return proved

    def check_runs(self, manifest: Manifest, entries: List[Entry]) -> List[Finding]:
        found = []
        due = {signal: after(span, span[0]) for signal, span in manifest.spans.items()}
        last: Dict[str, int] = {}
        for one in entries:
            if not is_reading(one.record()):
                continue
            try:
                top = typed(read_json(one.record()), dict)
            except Broken:
                continue
            signal, n = top.get("signal"), top.get("n")
            if not isinstance(signal, str) or type(n) is not int:
                continue
            span = manifest.spans.get(signal)
            if span is None or n < due[signal] or n > span[1]:
                found.append(at("inserted", one.place, "record was never sealed"))
                continue
            if n > due[signal]:
                lost = between(span, due[signal], n - 1)
                found.append(at("missing", one.place, f"{amount(lost, 'record')} missing"))
            due[signal], last[signal] = after(span, n + 1), one.place
        for signal, span in manifest.spans.items():
            lost = between(span, due[signal], span[1])
            if lost:
                found.append(at("missing", last.get(signal, -1) + 1, f"{amount(lost, 'record')} missing"))
        return found

    def unproved(self, manifest: Manifest, entries: List[Entry]) -> Finding:
        if not entries:
            return in_file("altered", "proof.bin", "does not lead to the root")
        first, last = entries[0].place, entries[-1].place
        where = f"at record {first:,}" if first == last else f"in records {first:,}..{last:,}"
        more = len(entries) - manifest.count
        if more < 0:
            return Finding("missing", first, f"FAILED {where}: {amount(-more, 'record')} missing")
        if more > 0:
            return Finding("inserted", first, f"FAILED {where}: record was never sealed")
        return Finding("altered", first, f"FAILED {where}: content hash differs")

    def check_samples(self, disclosed: Dict[int, bytes]) -> None:
        checkpoint = self.members.get("checkpoint")
        for name in sorted(self.members):
            if not name.startswith("samples/") or not name.endswith(".tlog-proof"):
                continue
            entry = self.members.get(name[: -len(".tlog-proof")] + ".entry", b"")
            try:
                place, path, note = read_tlog_proof(self.members[name])
                _, size, root = read_checkpoint(read_note(note)[0])
                holds = root_from_path(place, size, leaf_hash(entry), path) == root
                holds = holds and note == checkpoint and disclosed.get(place) == entry
            except Broken:
                holds = False
            if not holds:
                self.found.append(in_file("altered", name, "proof does not hold"))

    def check_made_again(self, manifest: Manifest, entries: List[Entry]) -> None:
        try:
            readings: Optional[bytes] = readings_csv(entries)
        except (Broken, ValueError, KeyError, TypeError, RecursionError):
            readings = None
        for name, made in (("readings.csv", readings), ("batch.json", batch_json(manifest, entries))):
            if name in self.members and self.members[name] != made:
                self.found.append(in_file("altered", name, "differs from the records"))

    def check_openings(self) -> None:
        for line in self.members.get("names.jsonl", b"").split(b"\n"):
            if line and not opens(line):
                self.found.append(in_file("altered", "names.jsonl", "a name does not open its commitment"))
        for name in sorted(self.members):
            digest = sha(self.members[name]).hex()
            if name.startswith("blob/") and name != f"blob/{digest[:2]}/{digest}":
                self.found.append(in_file("altered", name, "content hash differs from its name"))

    def check_files(self, manifest: Manifest) -> None:
        for name, digest in sorted(manifest.files.items()):
            if name not in self.members:
                self.found.append(in_file("missing", name, "file is missing"))
            elif sha(self.members[name]).hex() != digest:
                self.found.append(in_file("altered", name, "content hash differs"))
        for name in sorted(self.members):
            if name != "manifest.json" and name not in manifest.files:
                self.found.append(in_file("inserted", name, "file was never listed"))

    def lines(self) -> List[str]:
        failures = [one.text for one in self.ordered()]
        shown = failures[:20] if len(failures) > 1 else []
        more = [f"and {len(failures) - 20:,} more"] if len(failures) > 20 else []
        return [*self.notes, *shown, *more, failures[0] if failures else self.verified()]

    def ordered(self) -> List[Finding]:
        return sorted(self.found, key=lambda one: (one.kind == "unwitnessed", one.where))

    def verified(self) -> str:
        parts = [amount(self.records, "record")]
        parts += [amount(self.heads, "head")] if self.heads else []
        parts += [amount(self.witnesses, "witness", "witnesses")] if self.witnesses else []
        parts += [amount(self.stamps, "time stamp")] if self.stamps else []
        return f"VERIFIED  {', '.join(parts)}, {self.subject}"

    def as_json(self) -> str:
        failures = self.ordered()
        result = "verified" if not failures else "unwitnessed" if failures[0].kind == "unwitnessed" else "failed"
        counts = {"records": self.records, "heads": self.heads, "witnesses": self.witnesses}
        counts["time_stamps"] = self.stamps
        findings = [{"class": one.kind, "text": one.text} for one in failures]
        return json.dumps({"format": "verify/1", "result": result, "counts": counts, "findings": findings})


def sealed_root(content: bytes, origin: str, size: int, logs: List[Key]) -> Optional[bytes]:
    """Return the root of a note of this log and size that a log key has sealed and no known one fails, else None."""
    try:
        text, lines = read_note(content)
        named, stated, root = read_checkpoint(text)
    except Broken:
        return None
    known = {(key.name, key.id()): key for key in logs}
    judged = []
    for name, key_id, signature in lines:
        key = known.pop((name, key_id), None)
        if key is not None:
            judged.append(line_holds(key, text, signature))
    return root if judged and all(judged) and (named, stated) == (origin, size) else None


def after(span: Tuple[int, int, List[Tuple[int, int]]], n: int) -> int:
    for first, last in span[2]:
        n = last + 1 if first <= n <= last else n
    return n


def between(span: Tuple[int, int, List[Tuple[int, int]]], first: int, last: int) -> int:
    hidden = sum(max(min(b, last) - max(a, first) + 1, 0) for a, b in span[2])
    return max(last - first + 1 - hidden, 0)


def opens(line: bytes) -> bool:
    try:
        top = typed(read_json(line), dict)
        name, salt, text = (typed(top.get(key), str) for key in ("name", "salt", "text"))
        return sha(bytes.fromhex(salt) + text.encode()).hex() == name
    except (Broken, ValueError):
        return False


# ---- the command


def load(path: Path) -> Dict[str, bytes]:
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            return {one.filename: archive.read(one) for one in archive.infolist() if not one.is_dir()}
    if not path.is_dir():
        raise FileNotFoundError(path)
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def extract(members: Dict[str, bytes], policy: Policy, folder: Path) -> None:
    """Write what openssl and other tools take: the note's text, each signature, each key as PEM, the samples."""
    text, lines = read_note(members.get("checkpoint", b""))
    files = {"cp.txt": text, "checkpoint": members["checkpoint"]}
    for key, stem in [(key, "seal") for key in policy.logs] + [(key, "publish") for key in policy.publish]:
        der = key.key if key.type == 2 else bytes.fromhex("302a300506032b6570032100") + key.key
        body = base64.encodebytes(der)
        for name, key_id, signature in lines:
            if (name, key_id) == (key.name, key.id()):
                files[f"{stem}.sig"] = signature
                files[f"{stem}.pem"] = b"-----BEGIN PUBLIC KEY-----\n" + body + b"-----END PUBLIC KEY-----\n"
    files.update({Path(name).name: members[name] for name in members if name.startswith("samples/")})
    if "checkpoint.tsr" in members and is_stamp(members["checkpoint.tsr"]):
        files["checkpoint.tsr"], files["tsa.pem"] = members["checkpoint.tsr"], members.get("keys/tsa.pem", b"")
        if "keys/tsa.crl" in members:
            files["tsa-crl.pem"] = files["tsa.pem"] + members["keys/tsa.crl"]
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    print("openssl pkeyutl -verify -pubin -inkey seal.pem -rawin -in cp.txt -sigfile seal.sig")
    if "checkpoint.tsr" in files:
        words = "openssl ts -verify -data checkpoint -in checkpoint.tsr -CAfile tsa.pem -attime"
        print(f"{words} {stamp_second(files['checkpoint.tsr'])}")
    if "tsa-crl.pem" in files:
        words = "openssl ts -verify -data checkpoint -in checkpoint.tsr -CAfile tsa-crl.pem -crl_check -attime"
        print(f"{words} {stamp_second(files['checkpoint.tsr'])}")
    if "publish.sig" in files:
        print("openssl dgst -sha256 -verify publish.pem -signature publish.sig cp.txt")


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a bundle.")
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument(
        "--witness-policy", type=Path, metavar="FILE", help="log and witness keys that came by another way"
    )
    parser.add_argument("--tsa", type=Path, metavar="FILE", help="root of the time stamp authority, from another way")
    parser.add_argument("--extract", type=Path, metavar="DIR", help="write files for openssl and other tools")
    parser.add_argument("--json", action="store_true", help="print the result as verify/1")
    options = parser.parse_args()
    policy = None
    try:
        members = load(options.bundle)
        if options.witness_policy:
            policy = read_policy(options.witness_policy.read_bytes())
        authority = options.tsa.read_bytes() if options.tsa else None
    except Broken:
        print(f"{options.witness_policy}: not a policy", file=sys.stderr)
        return 78
    except (OSError, zipfile.BadZipFile) as error:
        print(f"{options.bundle}: {error}", file=sys.stderr)
        return 69
    verifier = Verifier(members, policy, authority)
    verifier.run()
    if options.extract and verifier.policy is not None and "checkpoint" in members:
        extract(members, verifier.policy, options.extract)
    print(verifier.as_json() if options.json else "\n".join(verifier.lines()))
    return int(bool(verifier.found))


if __name__ == "__main__":
    sys.exit(main())
