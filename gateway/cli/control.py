"""Control: a command's way to the running gateway, over its control socket or over `--url` (`interface.md` 3)."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import ssl
import urllib.parse
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError, Refused, Unavailable

TIMEOUT_S = 120.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


class Control:
    """One account's conversation with one gateway; answers are JSON or bytes, problems become errors."""

    def __init__(self, *, token: str, socket_path: Path | None = None, url: str | None = None) -> None:
        self._token = token
        self._socket_path = socket_path
        self._url = url

    def get(self, path: str) -> Any:
        """Return the JSON of a GET."""
        return json.loads(self._ask("GET", path))

    def get_bytes(self, path: str) -> bytes:
        """Return the bytes of a GET."""
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Any:
        """Post JSON under an idempotency key, a fresh one unless given; return the answer's JSON."""
        return json.loads(self._ask("POST", path, json.dumps(body).encode(), key or secrets.token_hex(16)))

    def _ask(self, method: str, path: str, body: bytes | None = None, key: str | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            headers["Idempotency-Key"] = key or ""
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise Unavailable(
                f"the gateway does not answer at {self._url or os.path.normpath(self._socket_path or '')}: {why}",
                remedy="is it running? gateway run --config DIR, or name another one with --url",
            ) from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise _problem(answer.status, content)
        return content

    def _connection(self) -> http.client.HTTPConnection:
        if self._url is None:
            assert self._socket_path is not None
            return _UnixConnection(self._socket_path)
        parts = urllib.parse.urlsplit(self._url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_S, context=ssl.create_default_context())
        if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
            return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
        raise Refused(f"{self._url}: plain http only to this machine", remedy="use https://")


def _problem(status: int, content: bytes) -> GatewayError:
    try:
        told = json.loads(content)
    except ValueError:
        return Unavailable(f"the gateway answered {status}", remedy="see its log")
    kind = told.get("type", "")
    code = kind.removeprefix("/problems/") if kind.startswith("/problems/") else ""
    return Refused(told.get("detail", f"status {status}"), code=code, remedy=told.get("remedy", ""))


def read_token(token_file: Path | None) -> str:
    """Return the token of a file or of GATEWAY_TOKEN_FILE; a token itself is never an argument or a variable."""
    named = token_file or (Path(os.environ["GATEWAY_TOKEN_FILE"]) if "GATEWAY_TOKEN_FILE" in os.environ else None)
    if named is None:
        raise Refused(
            "no account named",
            code="ACC-001",
            remedy="give --token-file FILE (gateway user add --machine --scope batch.start,… makes one)",
        )
    try:
        return named.read_text().strip()
    except OSError as error:
        raise Refused(f"{named}: {error.strerror}", code="ACC-001", remedy="name a readable token file") from error
