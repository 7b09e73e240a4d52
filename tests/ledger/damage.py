"""Ways to damage a log on disk as someone with all rights would: CRCs and 4-byte hashes made to match where wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.ledger.entry import SALT_SIZE
from gateway.ledger.frame import Frame, _join, format_body, parse_frame, strip_frame
from gateway.ledger.merkle import hash_leaf
from gateway.ledger.segment import format_file_header, iterate_frames, parse_file_header
from tests.ledger.logs import Log

Items = list[bytes]


def flip(content: bytes, offset: int, bit: int = 0) -> bytes:
    changed = bytearray(content)
    changed[offset] ^= 1 << bit
    return bytes(changed)


def rewrite(
    log: Log,
    number: int,
    change: Callable[[Items], Items],
    *,
    n: int | None = None,
    prefixes: Callable[[Items], Items] | None = None,
) -> None:
    """Change the entries of one frame and close it again with valid lengths and CRCs."""
    name, offset, length = log.frames[number]
    content = log.files[name]
    frame = parse_frame(content, offset)
    items = change(split(frame))
    kept = [frame.prefixes[i : i + 4] for i in range(0, len(frame.prefixes), 4)]
    kept = kept if prefixes is None else prefixes(kept)
    made = bytes(
        _join(int(frame.stripped), frame.first, frame.seed, format_body(items), b"".join(kept), frame.checkpoint),
    )
    replace_frame(log, number, made)
    assert n is None or n == len(items)
    assert length


def split(frame: Frame) -> Items:
    items, position = [], 0
    while position < len(frame.body):
        size = int.from_bytes(frame.body[position : position + 2], "big")
        items.append(frame.body[position + 2 : position + 2 + size])
        position += 2 + size
    return items


def replace_frame(log: Log, number: int, made: bytes) -> None:
    """Put other bytes in the place of a frame; the offsets of the later ones move."""
    name, offset, length = log.frames[number]
    content = log.files[name]
    log.files[name] = content[:offset] + made + content[offset + length :]
    moved = len(made) - length
    log.frames = [
        (file, at + moved if file == name and at > offset else at, len(made) if i == number else size)
        for i, (file, at, size) in enumerate(log.frames)
    ]


def forged(items: Sequence[bytes], seed_salts: bool = True) -> Items:
    """4-byte hashes that fit entries with salts."""
    assert seed_salts
    return [hash_leaf(item)[:4] for item in items]


def strip_log(log: Log) -> Log:
    """The same log with every file in its sealed form."""
    for name, content in list(log.files.items()):
        head = format_file_header(parse_file_header(content)._replace(stripped=True))
        frames = [strip_frame(found.frame) for found in iterate_frames(content)]
        log.files[name] = head + b"".join(frames)
    places, at = [], dict.fromkeys(log.files, 128)
    for name, _, _ in log.frames:
        frame = next(f for f in iterate_frames(log.files[name], at[name]))
        places.append((name, at[name], frame.length))
        at[name] += frame.length
    log.frames = places
    return log


def edit_value(item: bytes, old: bytes, new: bytes) -> bytes:
    assert old in item
    assert len(old) == len(new)
    return item.replace(old, new, 1)


def without_salt(item: bytes) -> bytes:
    return item[SALT_SIZE:]
