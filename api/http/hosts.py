"""Under which name and from which address a request comes."""

import contextlib
import ipaddress
import re

from aiohttp import web

from aggregator.access.settings import AccessSettings
from api.errors import Problem


def known_host(request: web.Request, access: AccessSettings) -> None:
    """Raise Problem 421 where a stranger asks a public service under a name that is not its own.

    A page that points a name of its own at this machine (DNS rebinding) would otherwise read what is open here.
    """
    name = _name(request.host)
    if name == "localhost" or {name, request.host} & set(access.domains) or _address(name) is not None:
        return
    raise unknown_host(request)


def unknown_host(request: web.Request) -> Problem:
    """The service does not go by the name that the request gives."""
    name = _name(request.host)[:80]
    return Problem(421, "unknown_host", f"this service is not {name!r}; access.domains may name it")


def is_own_address(request: web.Request) -> bool:
    """Whether the request names this machine itself, or the address at which its connection came in."""
    name = _name(request.host)
    address = _address(name)
    if name == "localhost" or (address is not None and address.is_loopback):
        return True
    transport = request.transport
    own = None if transport is None else transport.get_extra_info("sockname")
    return address is not None and isinstance(own, tuple) and _address(str(own[0])) == address


def caller_address(request: web.Request, access: AccessSettings) -> str:
    """The address that a request comes from."""
    forwarded = request.headers.get("X-Forwarded-For") if access.trust_forwarded else None
    return forwarded.rpartition(",")[2].strip() if forwarded else (request.remote or "")


def _name(host: str) -> str:
    """Without the port."""
    return host.rpartition(":")[0] if re.search(r":\d+$", host) else host


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name.strip("[]"))
    return None
