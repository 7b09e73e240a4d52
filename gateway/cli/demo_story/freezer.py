"""The freezer: an OPC UA server with SignAndEncrypt, a named user, one trusted client and history, around the model."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from datetime import timedelta
from typing import Any, Final

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.uaerrors import BadCertificateUntrusted
from cryptography import x509
from msgspec import Struct

from gateway.cli.demo_story.address_space import AddressSpace
from gateway.cli.demo_story.certificates import Leaf
from gateway.cli.demo_story.pace import Pace
from gateway.cli.demo_story.thermal import Chamber

APPLICATION_URI: Final = "urn:demo.invalid:freezer"
HISTORY_VALUES: Final = 100_000


class FreezerPlace(Struct, frozen=True, kw_only=True):
    """Where and for whom the server stands: port it listens on, port it is reached by, account and client certificate."""

    port: int
    reached_by: int
    user: str
    password: str
    client_der: bytes

    @property
    def url(self) -> str:
        """Endpoint as a client writes it."""
        return f"opc.tcp://127.0.0.1:{self.reached_by}/freezer"


class _OneUser(UserManager):  # type: ignore[misc, unused-ignore]  # the library is untyped
    """Lets in one account, by name and password."""

    def __init__(self, user: str, password: str) -> None:
        self._expected = (user, password)

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """Return the account's role, None for anybody else."""
        del iserver, certificate
        given, expected = f"{username}\n{password}".encode(), "\n".join(self._expected).encode()
        return User(role=UserRole.User) if hmac.compare_digest(given, expected) else None


class Freezer:
    """The server and its chamber. ``started`` is set once it listens."""

    def __init__(self, place: FreezerPlace, leaf: Leaf, pace: Pace, seed: int) -> None:
        self.chamber = Chamber(seed)
        self.started = asyncio.Event()
        self._place = place
        self._leaf = leaf
        self.space = AddressSpace("FRZ-01")
        self._pace = pace

    async def run(self) -> None:
        """Serve and measure until cancelled."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # a cut link is part of the story, no trace of it
        server = await self._make_server()
        await self.space.build(server, self.chamber)
        async with server:
            await server.historize_node_data_change(self.space.nodes, timedelta(days=1), HISTORY_VALUES)
            self.started.set()
            before = time.monotonic()
            while True:
                await asyncio.sleep(self._pace.period_s)
                now = time.monotonic()
                self.chamber.step((now - before) * self._pace.speed)
                before = now
                await self.space.write(self.chamber)

    async def _make_server(self) -> Server:
        place = self._place
        server = Server(user_manager=_OneUser(place.user, place.password))
        await server.init()
        server.set_endpoint(place.url)
        server.socket_address = ("127.0.0.1", place.port)
        server.set_server_name("Demo freezer FRZ-01")
        await server.set_application_uri(APPLICATION_URI)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.UserNameIdentityToken])
        await server.load_certificate(self._leaf.der, "der")
        await server.load_private_key(self._leaf.key_der, format="der")
        server.set_certificate_validator(self._only_the_gateway)
        return server

    async def _only_the_gateway(self, certificate: x509.Certificate, _: ua.ApplicationDescription) -> None:
        """Refuse every client certificate but the gateway's."""
        expected = x509.load_der_x509_certificate(self._place.client_der)
        if certificate != expected:
            raise BadCertificateUntrusted
