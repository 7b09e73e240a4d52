"""Sender (port `Webhook`): one POST to one approved address with aiohttp; every foreign failure becomes an answer."""

from __future__ import annotations

import ssl
from email.utils import parsedate_to_datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

import aiohttp
import msgspec
from aiohttp.connector import Connection
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from gateway.adapters.webhook.address_check import AddressRule, CheckedResolver
from gateway.errors import ConfigurationRefused, Refused
from gateway.ports import SystemClock, WebAnswer, WebRequest

CONNECT_S: Final = 5.0
TOTAL_S: Final = 20.0
ANSWER_BYTES_MAX: Final = 4_096
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

CAUSES: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorCertificateError, "certificate"),
    (aiohttp.ServerFingerprintMismatch, "certificate"),
    (aiohttp.ClientSSLError, "tls"),
    (ssl.SSLError, "tls"),
    (aiohttp.ClientConnectorDNSError, "name"),
    (TimeoutError, "timeout"),
    (aiohttp.TooManyRedirects, "redirect"),
    (aiohttp.RedirectClientError, "redirect"),
    (aiohttp.InvalidURL, "url"),
    (aiohttp.NonHttpUrlClientError, "url"),
    (aiohttp.ClientPayloadError, "cut"),
    (aiohttp.ServerDisconnectedError, "cut"),
    (aiohttp.UploadAbortedError, "cut"),
    (aiohttp.ClientConnectionError, "network"),
    (aiohttp.ClientResponseError, "protocol"),
    (OSError, "network"),
)
"""Foreign exception → cause in the record; the first that fits. A test walks aiohttp's classes against it."""

FOREIGN: Final = (aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError)


def cause_of(error: BaseException) -> str:
    """Return the cause word of a foreign exception."""
    return next((cause for kind, cause in CAUSES if isinstance(error, kind)), "network")


def make_tls(
    ca: Path | None = None, certificate: Path | None = None, key: Path | None = None, *, who: str = "the sink"
) -> ssl.SSLContext:
    """Return a client context: TLS 1.2 or newer, name check, own CA instead of the system's, client certificate.

    Raises `ConfigurationRefused`, which names ``who`` the files are of.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(str(certificate), None if key is None else str(key))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationRefused(
            f"a certificate or key of {who} cannot be read: {error}",
            remedy="check ca, client_certificate and client_key",
        ) from error
    return context


class _Response(aiohttp.ClientResponse):
    """A response that remembers whom it came from: a short answer lets go of its connection before we can ask."""

    peer: str | None = None
    certificate_sha256: str | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Note address and certificate of the connection, then read the head of the answer."""
        transport = connection.transport
        if transport is not None:
            name = transport.get_extra_info("peername")
            tls = transport.get_extra_info("ssl_object")
            certificate = None if tls is None else tls.getpeercert(binary_form=True)
            self.peer = name[0] if name else None
            self.certificate_sha256 = None if certificate is None else sha256(certificate).hexdigest()
        return await super().start(connection)


class WebhookSender:
    """Posts to one sink. `async with` it: the session is opened and closed with the run."""

    def __init__(
        self,
        url: str,
        rule: AddressRule,
        clock: SystemClock,
        *,
        tls: ssl.SSLContext | None = None,
        approval: bool = True,
        connect_s: float = CONNECT_S,
        total_s: float = TOTAL_S,
        get_headers: dict[str, str] | None = None,
    ) -> None:
        self._get_headers = get_headers or {}
        self._url = rule.check_url(url, approval=approval)
        self._clock = clock
        self._tls = make_tls() if tls is None else tls
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=connect_s)
        self._rule = rule
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver = CheckedResolver(self._rule, ThreadedResolver())
        connector = aiohttp.TCPConnector(ssl=self._tls, resolver=resolver, use_dns_cache=False, force_close=True)
        self._resolver = resolver
        self._session = aiohttp.ClientSession(
            connector=connector,
            response_class=_Response,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, request: WebRequest) -> WebAnswer:
        """Send once, at most 20 s in all; answer bodies are cut at 4 kB. Never raises for the world."""
        url = URL(request.url)
        assert url == self._url, "a sender serves the URL of its sink only"
        return await self._ask("POST", url, request.body, request.headers)

    async def get(self, url: str) -> WebAnswer:
        """Ask once with the headers given at the start; same bounds. The origin is that of the sender's URL."""
        asked = URL(url)
        assert asked.origin() == self._url.origin(), "a sender serves the origin of its sink only"
        return await self._ask("GET", asked, None, self._get_headers)

    async def _ask(self, method: str, url: URL, body: bytes | None, headers: dict[str, str]) -> WebAnswer:
        began = self._clock.now().monotonic_ns
        try:
            answer = await self._send(method, url, body, headers)
        except Refused as refused:
            return WebAnswer(status=None, cause=str(refused), duration_ms=self._since(began))
        except FOREIGN as error:
            return WebAnswer(status=None, cause=_describe(error), duration_ms=self._since(began))
        return msgspec.structs.replace(answer, duration_ms=self._since(began))

    async def _send(self, method: str, url: URL, body: bytes | None, headers: dict[str, str]) -> WebAnswer:
        assert self._session is not None, "the sender is used inside `async with`"
        if _is_literal(url.host or ""):
            self._resolver.check(url.host or "", url.host or "")
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            assert isinstance(response, _Response)
            return WebAnswer(
                status=response.status,
                body=await _read_start(response),
                retry_after_s=self._retry_after(response.headers.get("Retry-After")),
                location=response.headers.get("Location"),
                address=response.peer,
                certificate_sha256=response.certificate_sha256,
            )

    def _retry_after(self, text: str | None) -> float | None:
        """Return the seconds of a `Retry-After`, given as seconds or as a date; None if it says nothing we can read."""
        if text is None:
            return None
        if text.strip().isdecimal():
            return float(text)
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(0.0, date.timestamp() - self._clock.now().wall_ns / _NS_PER_S)

    def _since(self, began_ns: int) -> int:
        return (self._clock.now().monotonic_ns - began_ns) // _NS_PER_MS


async def _read_start(response: aiohttp.ClientResponse) -> bytes:
    """Return at most 4 kB of a body; a body cut short is no failure, the status has been said."""
    body = b""
    try:
        while len(body) < ANSWER_BYTES_MAX:
            part = await response.content.read(ANSWER_BYTES_MAX - len(body))
            if not part:
                break
            body += part
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
        return body
    return body


def _describe(error: BaseException) -> str:
    """Return cause word and, where one is known, the problem in words (HOOK-02 for certificates)."""
    cause = cause_of(error)
    if cause == "certificate":
        return f"HOOK-02: certificate: {error}"[:200]
    return cause


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
