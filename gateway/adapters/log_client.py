"""Client of a log over HTTP: the routes `/log` of a gateway, or any folder of tlog-tiles that a web server shows.

Blocking, one connection, bounded in time and bytes. What it returns proves nothing: the caller checks it.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import ssl
import urllib.parse
from pathlib import Path
from typing import Final

from gateway.errors import EvidenceRefused, Refused, Unavailable
from gateway.ledger.frame import FRAME_BYTES_MAX
from gateway.ledger.tile import Tile, format_path

TIMEOUT_S: Final = 15.0
BODY_BYTES_MAX: Final = 2 * FRAME_BYTES_MAX
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
FOREIGN: Final = (OSError, http.client.HTTPException)


class LogClient:
    """Reads one log. ``token``: a machine account's; ``ca``: the authority of its certificate, None: those of the system.

    A URL without a path is a gateway's: its log stands below `/log`. Every method raises `Unavailable` when there is no
    answer, `Refused` when the account may not; None: there is no such thing.
    """

    def __init__(self, url: str, token: str = "", ca: Path | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.hostname is None or parts.scheme not in {"http", "https"} or parts.query or parts.username:
            raise Refused(f"{url[:80]!r} is no address of a log", remedy="name it like https://gw:8443")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise Refused(f"{url}: plain http only on this machine", remedy="use https://")
        self.url = url
        self._place = parts.netloc
        self._base = parts.path.rstrip("/") or "/log"
        self._tls = None if parts.scheme == "http" else _tls(ca)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def checkpoint(self) -> bytes | None:
        """Return the published note."""
        return self.get("/checkpoint")

    def policy(self) -> bytes | None:
        """Return the policy that the log shows of itself."""
        return self.get("/policy")

    def tile(self, tile: Tile) -> bytes | None:
        """Return a tile or an entry bundle."""
        return self.get(f"/{format_path(tile)}")

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """Return the proof between two sizes as the log tells it; `EvidenceRefused` when it is none."""
        content = self.get(f"/consistency?from={first}&to={second}") or b""
        try:
            return tuple(base64.b64decode(line, validate=True) for line in content.splitlines())
        except binascii.Error as error:
            raise EvidenceRefused(f"{self.url}: the consistency proof is not base64") from error

    def segment(self, first: int, offset: int) -> bytes | None:
        """Return the file that begins at ``first`` from an offset on, as far as one answer goes."""
        return self.get(f"/segments/{first}?offset={offset}")

    def blob(self, digest: str) -> bytes | None:
        """Return a side object."""
        return self.get(f"/blob/{digest}")

    def note(self, size: int) -> bytes | None:
        """Return the frozen note of a size."""
        return self.get(f"/cp/{size}")

    def token(self, size: int) -> bytes | None:
        """Return the time stamp over the note of a size."""
        return self.get(f"/cp/{size}.tsr")

    def get(self, path: str) -> bytes | None:
        """Return the body of a 200; a kept connection that has died meanwhile is opened once more."""
        kept = self._connection is not None
        try:
            status, content = self._ask(path)
        except FOREIGN as error:
            self.close()
            if not kept or isinstance(error, TimeoutError):
                raise self._silent(error) from error
            try:
                status, content = self._ask(path)
            except FOREIGN as again:
                self.close()
                raise self._silent(again) from again
        if status == http.client.OK:
            return content
        if status == http.client.NOT_FOUND:
            return None
        if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            raise Refused(
                f"{self.url}{path}: {status}, the account may not read this",
                remedy="name the token of an account with bundle.export",
            )
        raise Unavailable(f"{self.url}{path} answers {status}", remedy="look into the log of that gateway")

    def _ask(self, path: str) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connected()
        self._connection.request("GET", self._base + path, headers=self._headers)
        answer = self._connection.getresponse()
        content = answer.read(BODY_BYTES_MAX + 1)
        if len(content) > BODY_BYTES_MAX or not answer.isclosed():
            raise http.client.HTTPException(f"more than {BODY_BYTES_MAX:,} bytes")
        return answer.status, content

    def _connected(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._place, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(self._place, timeout=TIMEOUT_S, context=self._tls)

    def _silent(self, error: BaseException) -> Unavailable:
        return Unavailable(f"{self.url} does not answer: {error}", remedy="check address, network and certificate")


def is_url(text: str) -> bool:
    """Say whether a command's argument is an address rather than a file."""
    return text.startswith(("http://", "https://"))


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise Refused(f"{ca} is no certificate authority: {error}", remedy="name a PEM file") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
