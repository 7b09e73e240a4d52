"""Which addresses a sink may be reached at: every resolved one is judged, and the judged one is connected to."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.errors import ConfigurationRefused, Refused

_METADATA: Final = frozenset(
    {ip_address("169.254.169.254"), ip_address("fd00:ec2::254"), ip_address("100.100.100.200")}
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressRule:
    """What approved configuration allows: hosts, networks (CIDR) for what is not public, ports."""

    def __init__(self, hosts: Iterable[str], networks: Iterable[str] = (), ports: Iterable[int] = (443,)) -> None:
        self.hosts = frozenset(host.lower().rstrip(".") for host in hosts)
        self.networks: tuple[Network, ...] = tuple(ip_network(network) for network in networks)
        self.ports = frozenset(ports)

    def allows(self, address: Address) -> bool:
        """Say whether an address may be connected to: public, or inside a listed network."""
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        address = address if mapped is None else mapped
        if any(address in network for network in self.networks if network.version == address.version):
            return True
        return address.is_global and not address.is_multicast and address not in _METADATA

    def check_url(self, text: str, *, approval: bool) -> URL:
        """Return the parsed URL of a sink; raise `ConfigurationRefused` where section 7 forbids it.

        ``http:`` is for loopback in development (``approval`` False) only.
        """
        url = URL(text)
        host = (url.host or "").lower().rstrip(".")
        if url.user is not None or url.password is not None:
            raise ConfigurationRefused(
                "the URL of a sink holds a user", remedy="give secrets by reference, never in a URL"
            )
        if url.scheme == "http" and (approval or not _is_loopback(host)):
            raise ConfigurationRefused(
                f"sink {host} is plain HTTP",
                remedy="use https; http serves loopback with approval off only",
            )
        if url.scheme not in {"https", "http"} or not host:
            raise ConfigurationRefused(f"'{text}' is no https URL", remedy="give https://host/path")
        if host not in self.hosts:
            raise ConfigurationRefused(f"host {host} is not in allow_hosts", remedy="add it to allow_hosts of the sink")
        if url.port not in self.ports and url.scheme == "https":
            raise ConfigurationRefused(f"port {url.port} is not in ports", remedy="add it to ports of the sink")
        return url


class CheckedResolver(AbstractResolver):
    """Resolves through ``inner`` and refuses the whole answer if one address in it is not allowed (HOOK-01)."""

    def __init__(self, rule: AddressRule, inner: AbstractResolver) -> None:
        self._rule = rule
        self._inner = inner

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return the addresses of a host that may be connected to; raise `Refused` HOOK-01 for a forbidden one."""
        found = await self._inner.resolve(host, port, family)
        for one in found:
            self.check(host, one["host"])
        return found

    def check(self, host: str, text: str) -> None:
        """Raise `Refused` HOOK-01 if an address is not allowed."""
        address = ip_address(text.partition("%")[0])
        if not self._rule.allows(address):
            raise Refused(
                f"{host} resolves to {address}, outside allow_networks",
                code="HOOK-01",
                remedy="list its network in allow_networks of the sink, if it is meant",
            )

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
