"""Proof of the bundle: our verifier and the bundle's own in a bare interpreter; both must refuse a copy with one byte changed."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.cli.demo_story.acts import TEMPERATURE, NotHeld
from gateway.ledger.disclosed import parse_disclosed
from gateway.ledger.merkle import hash_leaf, root_of

VERIFY_S: Final = 120.0
_DIGITS: Final = b"0123456789"
_VALUE: Final = re.compile(rb'"signal":"' + re.escape(TEMPERATURE.encode()) + rb'"[^{}]*?"value":-?[0-9]*?([0-9])[,.}]')


class Said(Struct, frozen=True):
    """What a verifier said last, and its exit code."""

    code: int
    line: str


def content_root(bundle: bytes) -> tuple[str, int]:
    """Return the content root in hex, and the count of records under it.

    The RFC 6962 tree whose leaves are the ledger's leaf hashes of all records of the batch, in the order of the ledger.
    """
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        entries, whole = parse_disclosed(archive.read("entries.bin"))
    if not whole:
        raise NotHeld("entries.bin of the bundle is cut short")
    leaves = [hash_leaf(one.entry) for one in entries]
    return root_of(leaves).hex(), len(leaves)


def change_one_byte(bundle: bytes) -> bytes:
    """Return a copy of a bundle in which one digit of one temperature in the middle is another one; all else is equal."""
    source = zipfile.ZipFile(io.BytesIO(bundle))
    target = io.BytesIO()
    with source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            content = source.read(name)
            copy.writestr(name, _changed(content) if name == "entries.bin" else content)
    return target.getvalue()


def _changed(entries: bytes) -> bytes:
    places = [match.start(1) for match in _VALUE.finditer(entries)]
    if not places:
        raise NotHeld(f"the bundle holds no reading of {TEMPERATURE}")
    place = places[len(places) // 2]
    digit = _DIGITS.index(entries[place])
    return entries[:place] + _DIGITS[(digit + 1) % 10 :][:1] + entries[place + 1 :]


async def verify_with_ours(bundle: Path) -> Said:
    """Return what `gateway verify` says of a bundle."""
    return await _run([sys.executable, "-m", "gateway", "verify", str(bundle)], bundle.parent)


async def verify_alone(bundle: Path, folder: Path) -> Said:
    """Unpack a bundle and return what its own verify.py says, in an interpreter without any installed package."""
    await asyncio.to_thread(_unpack, bundle, folder)
    bare = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or sys.executable
    return await _run([bare, "-I", "-S", "verify.py"], folder)


def _unpack(bundle: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)


async def _run(command: list[str], folder: Path) -> Said:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(VERIFY_S):
            output, _ = await process.communicate()
    except TimeoutError:
        raise NotHeld(f"{command[0]} did not end within {VERIFY_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return Said(process.returncode or 0, lines[-1] if lines else "it said nothing")
