"""Foreign judges, each brought once into .tools/foreign: environments of their own, Go programs, node modules.

Everything is pinned with its hash in a lock file beside this one. What cannot be brought (no network, no compiler) is a skip
on a laptop and a failure where CI=true.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.counterparts.missing import absent, need
from tests.paths import ROOT

HERE = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools" / "foreign"
CACHE = ROOT / ".tools" / "cache"
DEBIAN_GO = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev lays its sources."""
BRING_SECONDS = 300


def environment(name: str) -> Path:
    """Folder `bin` of an environment that holds `locks/<name>.txt` and nothing else."""
    lock = (HERE / "locks" / f"{name}.txt").read_bytes()
    folder = TOOLS / name
    mark = folder / "lock.sha256"
    if not mark.is_file() or mark.read_text() != sha256(lock).hexdigest():
        _make_environment(folder, HERE / "locks" / f"{name}.txt")
        mark.write_text(sha256(lock).hexdigest())
    return folder / "bin"


def _make_environment(folder: Path, lock: Path) -> None:
    uv = shutil.which("uv", path=f"{ROOT / '.tools' / 'uv' / 'bin'}:{os.environ.get('PATH', '')}")
    if uv is None:
        absent("uv is not on this machine, ./run brings it")
    cache = {"UV_CACHE_DIR": str(CACHE / "uv"), "UV_PYTHON_DOWNLOADS": "never"}
    strict = ["--require-hashes", "--only-binary", ":all:"]
    python = str(folder / "bin" / "python")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", python, *strict, "-r", str(lock)],
    ):
        _bring(command, f"{lock.stem} cannot be installed here", env={**os.environ, **cache})


def node_modules() -> Path:
    """Folder with @sigstore/verify in node_modules."""
    need("node")
    lock = (HERE / "node" / "package-lock.json").read_bytes()
    folder = TOOLS / "node"
    mark = folder / "lock.sha256"
    if not mark.is_file() or mark.read_text() != sha256(lock).hexdigest():
        npm = need("npm")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / "node" / name, folder / name)
        _bring([npm, "ci"], "@sigstore/verify cannot be installed here", cwd=folder)
        mark.write_text(sha256(lock).hexdigest())
    return folder


def sumdb() -> Path:
    """Program of tests/foreign/sumdb, with the Go team's module, or with Debian's copy of it where there are no modules."""
    target = TOOLS / "sumdb"
    done = _go_build(["build", "-o", str(target), "."], HERE / "sumdb", {})
    if done.returncode and (DEBIAN_GO / "src/golang.org/x/mod/sumdb").is_dir():
        debian = {"GO111MODULE": "off", "GOPATH": str(DEBIAN_GO)}
        done = _go_build(["build", "-o", str(target), "main.go"], HERE / "sumdb", debian)
    if done.returncode:
        absent(f"x/mod is not to be had here (apt-get install golang-golang-x-mod-dev): {done.stderr[-500:]}")
    return target


def tessera_fsck() -> Path:
    """Tessera's own fsck. It comes as Go modules only: where none are to be had, a skip, also in CI."""
    target = TOOLS / "fsck"
    module = "github.com/transparency-dev/tessera/cmd/fsck"
    done = _go_build(["build", "-o", str(target), module], HERE / "fsck", {})
    if done.returncode and not _go_build(["mod", "download"], HERE / "sumdb", {}).returncode:
        absent(f"Tessera's fsck cannot be built although Go modules are to be had: {done.stderr[-500:]}")
    if done.returncode:
        pytest.skip(f"Go modules are not to be had here: {done.stderr[-500:]}")
    return target


def _go_build(arguments: list[str], folder: Path, extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
    go = shutil.which("go") or str(environment("go") / "go")
    TOOLS.mkdir(parents=True, exist_ok=True)
    places = {
        "GOPATH": str(CACHE / "go"),
        "GOCACHE": str(CACHE / "go-build"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
    }
    off = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    env = {**os.environ, **places, **off, **extra}
    if "GO111MODULE" in extra:
        env["GOFLAGS"] = ""
    return subprocess.run(
        [go, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=BRING_SECONDS
    )


def _bring(command: list[str], why: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, timeout=BRING_SECONDS, check=False, env=env, cwd=cwd)
    if done.returncode:
        absent(f"{why}: {done.stderr.decode(errors='replace')[-500:]}")
