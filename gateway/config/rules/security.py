"""Security rules: nothing weak, nothing in the open, and a ledger that stays what it was born as (SEC-03, LCY-03)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from gateway.config.findings import finding
from gateway.config.models.connections import Mqtt, Opcua
from gateway.config.models.gateway import GatewayFile
from gateway.config.project import GATEWAY, Project
from gateway.config.tree import as_block
from gateway.config.yaml_file import Path, dotted

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_WEAK_POLICIES = frozenset(("None", "Basic128Rsa15", "Basic256"))
_REFUSED = "is refused (with approval off: on loopback)"


def check_security(project: Project) -> None:
    """Run the family."""
    settings = project.gateway
    if settings is None:
        return
    development = settings.gateway.approval == "off"
    for name, connection in settings.connections.items():
        path: Path = ("connections", name, connection.kind)
        if connection.opcua is not None:
            _opcua(project, path, connection.opcua, loose=development and on_loopback(connection.opcua.url))
        if connection.mqtt is not None:
            _mqtt(project, path, connection.mqtt, loose=development and on_loopback(connection.mqtt.url))
    for path, url in _urls(settings, ()):
        if url.startswith("http:") and not (development and on_loopback(url)):
            _add(project, "SEC-03", path, f"http: {_REFUSED}")
    _mode(project, settings, development=development)


def on_loopback(url: str) -> bool:
    """Tell whether a URL stays on this machine."""
    return urlsplit(url).hostname in LOOPBACK


def _add(project: Project, id_: str, path: Path, message: str) -> None:
    file = project.file(GATEWAY)
    place = file.place(path) if path in file.values else file.key_place(path[:-1])
    project.add(finding(id_, place, dotted(path), message))


def _opcua(project: Project, path: Path, block: Opcua, *, loose: bool) -> None:
    if block.policy in _WEAK_POLICIES or block.mode == "None":
        allowed = loose and block.policy == "None" and block.mode == "None"
        if not allowed:
            key = "policy" if block.policy in _WEAK_POLICIES else "mode"
            _add(project, "SEC-03", (*path, key), f"{getattr(block, key)} {_REFUSED}")
    if block.user is None and block.user_certificate is None and not loose:
        _add(project, "SEC-03", path, f"anonymous {_REFUSED}")
    pairs = (("user", "password"), ("user_certificate", "user_key"))
    for one, other in pairs:
        for key, beside in ((one, other), (other, one)):
            if getattr(block, key) is None and getattr(block, beside) is not None:
                _add(project, "SCH-02", (*path, key), f"missing key '{key}': it goes with {beside}")
    if block.server_certificate is None and block.policy != "None":
        _add(
            project,
            "SCH-02",
            (*path, "server_certificate"),
            "missing key 'server_certificate': the server's certificate, pinned",
        )


def _mqtt(project: Project, path: Path, block: Mqtt, *, loose: bool) -> None:
    if block.url.startswith("mqtt:"):
        if not loose:
            _add(project, "SEC-03", (*path, "url"), f"mqtt: {_REFUSED}")
        return
    for key, why in (
        ("ca", "authority of the broker"),
        ("certificate", "our client certificate"),
        ("key", "private key of certificate"),
    ):
        if getattr(block, key) is None:
            _add(project, "SCH-02", (*path, key), f"missing key '{key}': {why}")


def _urls(block: BaseModel, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every value of a key named url or endpoint, with its path."""
    for name, field in type(block).model_fields.items():
        key = field.alias or name
        yield from _urls_in(getattr(block, name), (*path, key))


def _urls_in(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, BaseModel):
        yield from _urls(value, path)
    elif (block := as_block(value)) is not None:
        for key, item in block.items():
            yield from _urls_in(item, (*path, key))
    elif isinstance(value, str) and path[-1] in {"url", "endpoint", "issuer"} and path != ("http", "url"):
        yield path, value


def _mode(project: Project, settings: GatewayFile, *, development: bool) -> None:
    """Approval off belongs to a ledger born with it, and such a ledger keeps it."""
    born = settings.ledger.origin.endswith("-dev")
    if development != born:
        path: Path = ("gateway", "approval") if development else ("ledger", "origin")
        _add(project, "LCY-03", path, "approval off needs a ledger born with it (origin ends in -dev)")
    if not development:
        for key in ("security_contact", "qa_contact"):
            if getattr(settings.accounts, key) is None:
                _add(project, "SCH-02", ("accounts", key), f"missing key '{key}': needed unless approval is off")
