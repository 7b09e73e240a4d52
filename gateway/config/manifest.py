"""Manifest: the exact files of a configuration and its hash, the epoch that readings name (`profiles.md` 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from gateway.config.project import CONFIG, PROFILES

PROFILE_FILES = ("capture.jsonl", "expected.jsonl", "profile.yaml")
_NOT_SIGNED = (f"{CONFIG}/schema/",)


def signed_files(contents: Mapping[str, bytes], profile_ids: Iterable[str]) -> dict[str, bytes]:
    """Return what is signed: all of ``config/`` but the generated schemas, and the files of the profiles in use."""
    used = {f"{PROFILES}/{profile}/{name}" for profile in profile_ids for name in PROFILE_FILES}
    return {
        name: content
        for name, content in sorted(contents.items())
        if name in used or (name.startswith(f"{CONFIG}/") and not name.startswith(_NOT_SIGNED))
    }


def format_manifest(files: Mapping[str, bytes]) -> bytes:
    """Return a line per file, ``<sha256>  <path>``, sorted by path, as ``sha256sum`` writes and checks it."""
    lines = (f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return "".join(lines).encode()


def configuration_hash(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of the manifest, lower-case hex."""
    return sha256(format_manifest(files)).hexdigest()
