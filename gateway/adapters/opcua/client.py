"""One connection to one server: socket, channel, session, what the server says of itself. Used once, then dropped.

A subclass of the library's client that never calls its `connect()` or `disconnect()`: those start a supervisor, a watchdog
and a renewal task, and end session and subscription on the server. Renewal is ours and watched.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from msgspec import Struct
from msgspec.structs import replace

from gateway.adapters.opcua.errors import Trouble, Verdict, judge
from gateway.adapters.opcua.foreign import NodeId, binary, ua
from gateway.adapters.opcua.link import OpcuaLink
from gateway.adapters.opcua.security import as_der, check_server_certificate, load_certificate, load_key, make_policy
from gateway.adapters.opcua.session_file import Kept, TokenPolicy
from gateway.adapters.opcua.transport import PinnedTransport, PumpSession
from gateway.adapters.opcua.wire import Reader, WireValue

REQUEST_S = 10.0
"""A request that is not Publish; a server that answers after 2 s is slow, not lost."""

SESSION_MS = 3_600_000
RENEW_AT = 0.75
LIMIT_DEFAULT = 200

_IDS = ua.ObjectIds
_LIMITS = {
    "read": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "items": _IDS.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "browse": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "translate": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
}
_STATE, _START, _LEVEL = _IDS.Server_ServerStatus_State, _IDS.Server_ServerStatus_StartTime, _IDS.Server_ServiceLevel
_BUILD = {
    "product": _IDS.Server_ServerStatus_BuildInfo_ProductName,
    "maker": _IDS.Server_ServerStatus_BuildInfo_ManufacturerName,
    "software": _IDS.Server_ServerStatus_BuildInfo_SoftwareVersion,
}


class ServerFacts(Struct, frozen=True, kw_only=True):
    """What the server says of itself at connect; ``limits`` are operations a call, never 0."""

    namespaces: tuple[str, ...]
    start_ticks: int
    state: int
    service_level: int
    limits: dict[str, int]
    build: dict[str, str]


class OpcuaClient(Client):
    """The library's codec, channel and session; every task and every decision is ours."""

    def __init__(self, link: OpcuaLink) -> None:
        super().__init__(link.url, timeout=REQUEST_S)
        if link.server_certificate is not None:
            link = replace(link, server_certificate=as_der(link.server_certificate))
        logging.getLogger("asyncua").setLevel(logging.ERROR)  # else payloads at INFO, a traceback a second
        self.link = link
        self.lost = asyncio.Event()
        self.uaclient = PinnedTransport(
            REQUEST_S, link.server_certificate if link.policy != "None" else None, self.lost.set
        )
        self.application_uri = link.application_uri
        self.name = self.description = "shopfloor gateway"
        self.session_timeout = SESSION_MS
        policy = make_policy(link)
        if policy is not None:
            self.security_policy = policy
            self.uaclient.set_security(policy)
        self._user_certificate = load_certificate(link.user_certificate) if link.user_certificate else None
        if link.user_key:
            self.user_private_key = load_key(link.user_key)

    @property
    def session(self) -> PumpSession:
        """The session of this connection."""
        session = self.uaclient.session
        assert isinstance(session, PumpSession)
        return session

    async def open_channel(self) -> None:
        """Open socket and secure channel; raise `Trouble`."""
        await self._foreign(self.connect_socket())
        await self._foreign(self.send_hello())
        await self._foreign(self.open_secure_channel())

    async def begin_session(self, wall_ns: int) -> None:
        """Create and activate a session; the server proves the pinned key and its certificate must hold at ``wall_ns``."""
        result = await self._foreign(self.create_session())
        if self.link.policy != "None":
            endpoint: Any = self.find_endpoint(
                result.ServerEndpoints, self.security_policy.Mode, self.security_policy.URI
            )
            self._check_pin(wall_ns, endpoint.Server.ApplicationUri)
        await self._activate()

    async def resume_session(self, kept: Kept, wall_ns: int) -> None:
        """Activate a kept session on this new channel (step 1); raise `Trouble` with verdict SESSION if it is gone."""
        if self.link.policy != "None":
            self._check_pin(wall_ns, None)
        self.session.restore_authentication_token(binary.nodeid_from_binary(Buffer(kept.token)))
        nonce: Any = kept.nonce
        self._server_nonce = nonce
        self.session_timeout = int(kept.timeout_ms)
        self._policy_ids = [
            ua.UserTokenPolicy(
                PolicyId=p.policy_id, TokenType=ua.UserTokenType(p.token_type), SecurityPolicyUri=p.policy_uri
            )
            for p in kept.policies
        ]
        try:
            await self._activate()
        except Trouble:
            self.session.reset_authentication_token()
            raise

    def keep(self) -> Kept:
        """Return what step 1 needs to find this session again; after every activation it is another one."""
        policies: list[Any] = self._policy_ids
        return Kept(
            token=binary.nodeid_to_binary(self.session.authentication_token),
            nonce=self._server_nonce,
            policies=tuple(TokenPolicy(p.PolicyId, int(p.TokenType), p.SecurityPolicyUri or None) for p in policies),
            timeout_ms=self.session_timeout,
        )

    async def renew(self) -> None:
        """Renew the channel's token at 75 % of its revised life, for ever; a failure is the link's."""
        while True:
            revised: Any = self
            await asyncio.sleep(revised.secure_channel_timeout / 1000 * RENEW_AT)
            await self._foreign(self.open_secure_channel(renew=True))
            self.uaclient.revolve_security_token()

    async def watch(self) -> None:
        """Wait for the loss of the socket and raise it."""
        await self.lost.wait()
        raise Trouble(Verdict.LINK, "the server or the network closed the connection")

    def drop(self) -> None:
        """Drop the socket; nothing is closed on the other side."""
        transport = self.uaclient
        assert isinstance(transport, PinnedTransport)
        transport.abort()

    async def ask(self, request: Any) -> bytes:
        """Send one request, return its answer's bytes; raise `Trouble`."""
        return bytes(await self._foreign(self.session.ask(request)))

    async def read_nodes(self, nodes: list[NodeId], attribute: int = ua.AttributeIds.Value) -> list[WireValue]:
        """Read one attribute of nodes (at most the server's limit a call); raise `Trouble`."""
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in nodes]
        reader = Reader(await self.ask(request))
        reader.response_header()
        return [reader.data_value() for _ in range(reader.length())]

    async def read_facts(self) -> ServerFacts:
        """Read namespaces, start time, state, limits and build; raise `Trouble`."""
        (names,) = await self.read_nodes([ua.NodeId(_IDS.Server_NamespaceArray)])
        ids = [_START, _STATE, _LEVEL, *_LIMITS.values(), *_BUILD.values()]
        try:
            values = await self.read_nodes([ua.NodeId(one) for one in ids])
        except Trouble as trouble:
            if trouble.verdict is not Verdict.TOO_LARGE:
                raise
            values = [(await self.read_nodes([ua.NodeId(one)]))[0] for one in ids]
        start, state, level = (_number(value) for value in values[:3])
        limits = dict(zip(_LIMITS, (_number(v) or LIMIT_DEFAULT for v in values[3:7]), strict=True))
        build = {key: str(v.raw.value) for key, v in zip(_BUILD, values[7:], strict=True) if v.raw.type == "str"}
        namespaces = tuple(str(one.value) for one in names.raw.value) if isinstance(names.raw.value, list) else ()
        return ServerFacts(
            namespaces=namespaces,
            start_ticks=start or 0,
            state=state or 0,
            service_level=255 if level is None else level,
            limits=limits,
            build=build,
        )

    async def _activate(self) -> None:
        link = self.link
        if link.password and self.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            policy: Any = self.server_policy(ua.UserTokenType.UserName)
            uri = policy.SecurityPolicyUri
            if not uri or uri.endswith("#None"):
                raise Trouble(Verdict.SECURITY, "the server would take the password in clear: it is not sent")
        await self._foreign(
            self.activate_session(username=link.user, password=link.password, certificate=self._user_certificate)
        )

    def _check_pin(self, wall_ns: int, application_uri: str | None) -> None:
        assert self.link.server_certificate is not None
        host = str(self.server_url.hostname)
        check_server_certificate(
            self.link.server_certificate, host=host, application_uri=application_uri, wall_ns=wall_ns
        )

    @staticmethod
    async def _foreign(work: Any) -> Any:
        """Await the library and give its failures their verdict."""
        try:
            return await work
        except (ua.UaError, OSError, TimeoutError, EOFError) as error:
            trouble = judge(error)
            assert trouble is not None
            raise trouble from error


def _number(value: WireValue) -> int | None:
    if value.status >> 30 or not isinstance(value.raw.value, str) or value.raw.type in {"null", "str"}:
        return None
    return int(value.raw.value)
