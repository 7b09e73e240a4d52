"""Transport and session over asyncua without its own tasks: no publish loop, no watchdog, the pin checked on each channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.connection import MessageChunk, SecureConnection, TransportLimits
from asyncua.common.utils import Buffer

from gateway.adapters.opcua.errors import Trouble, Verdict
from gateway.adapters.opcua.foreign import ua


class PinnedConnection(SecureConnection):
    """A secure connection that compares the sender's certificate with the pin at every OpenSecureChannel."""

    def __init__(self, policy: Any, limits: TransportLimits, pin: bytes | None) -> None:
        super().__init__(policy, limits)
        self._pin = pin

    def _receive(self, msg: MessageChunk) -> Any:
        chunk: Any = msg
        if self._pin is not None and chunk.MessageHeader.MessageType == ua.MessageType.SecureOpen:
            sent = chunk.SecurityHeader.SenderCertificate or b""
            if sent[: len(self._pin)] != self._pin:
                raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)
        return super()._receive(msg)


class PinnedProtocol(UASocketProtocol):
    """The socket: requests may be posted without waiting, so that several Publish are out at once."""

    def __init__(self, timeout: float, policy: Any, pin: bytes | None) -> None:
        super().__init__(timeout, security_policy=policy)
        self._connection = PinnedConnection(policy, TransportLimits(65535, 65535, 0, 0), pin)

    def post(self, request: Any) -> asyncio.Future[Buffer]:
        """Write a request to the wire now; its answer comes by the future, in the server's good time."""
        future: asyncio.Future[Buffer] = self._send_request(request, 0)
        return future

    def abort(self) -> None:
        """Drop the socket without a word: the server keeps session and subscriptions."""
        if self.transport is not None:
            self.transport.abort()


class PumpSession(UaSession):
    """A session whose publish loop is not the library's."""

    def ensure_publish_loop(self) -> None:
        """Do nothing: the pump lives as long as the session and is ours."""

    async def ask(self, request: Any) -> bytes:
        """Send a request and return the bytes of its answer; a ServiceFault is raised as its status code."""
        return bytes(await self._send_request(request))

    def post_publish(self, acknowledgements: Sequence[tuple[int, int]]) -> asyncio.Future[Buffer]:
        """Post a Publish that carries (subscription, sequence number) pairs to acknowledge."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = [
            ua.SubscriptionAcknowledgement(subscription, number) for subscription, number in acknowledgements
        ]
        protocol: Any = self._client.protocol
        if protocol is None:
            raise Trouble(Verdict.LINK, "the connection is gone")
        future: asyncio.Future[Buffer] = protocol.post(request)
        return future

    def check_answer(self, answer: Buffer) -> bytes:
        """Return the bytes of a posted request's answer; a ServiceFault is raised as its status code."""
        protocol: Any = self._client.protocol
        if protocol is None:
            raise Trouble(Verdict.LINK, "the connection is gone")
        protocol.check_answer(answer, "")
        return bytes(answer)


class PinnedTransport(UaClient):
    """The library's transport with our socket and our session in it."""

    def __init__(self, timeout: float, pin: bytes | None, on_lost: Callable[[], None]) -> None:
        super().__init__(timeout)
        self._pin = pin
        self._on_lost = on_lost
        self.session = PumpSession(self)

    def _make_protocol(self) -> PinnedProtocol:
        self.protocol = PinnedProtocol(self._timeout, self.security_policy, self._pin)
        self.protocol.on_connection_lost = self._lost
        return self.protocol

    def _lost(self, error: Exception | None) -> None:
        self._on_transport_lost(error)
        self._on_lost()

    def abort(self) -> None:
        """Drop the socket."""
        if isinstance(self.protocol, PinnedProtocol):
            self.protocol.abort()
