"""Connections into the open internet only: a webhook's address must not reach into the service's own network.

The check is on the very address that a socket is made for, after the name was resolved, so a name that answers
differently the second time gains nothing. Nothing is cached and no proxy of the environment is used.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that is reached."""


class PrivateAddress(OSError):
    """The address is not one of the open internet."""


def is_public(text: str) -> bool:
    """Whether an address is a global unicast one. IPv4 in IPv6 clothes (mapped, 6to4, Teredo) is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(str(IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address.ipv4_mapped or address.sixtofour or address.teredo or address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that have any address that is not public."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of a name; raises PrivateAddress."""
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(item["host"]) for item in found):
            raise PrivateAddress("the name resolves to a private address")
        return found

    async def close(self) -> None:
        """Release the resolver inside."""
        await self._inner.close()


def public_socket(info: Any) -> socket.socket:
    """A socket for one address (``socket_factory`` of aiohttp), also a literal one; raises PrivateAddress."""
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddress("a private address")
    return socket.socket(family=family, type=kind, proto=protocol)


def connector(*, allow_private: bool, resolver: AbstractResolver | None = None) -> aiohttp.TCPConnector:
    """A connector that reaches public addresses only, or all where the receiver's settings allow that.

    Every attempt connects anew: a kept connection that the receiver has closed would fail the alert after it.
    """
    inner = resolver or ThreadedResolver()
    if allow_private:
        return aiohttp.TCPConnector(resolver=inner, use_dns_cache=False, force_close=True)
    return aiohttp.TCPConnector(
        resolver=PublicResolver(inner), use_dns_cache=False, force_close=True, socket_factory=public_socket
    )
