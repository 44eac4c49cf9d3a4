"""One HTTP endpoint. URLs hold keys: they never enter a message, and errors are raised without their cause."""

import errno
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from chains.caip import ChainId
from chains.errors import EndpointError, EndpointUnreachable, RateLimited
from chains.evm.jsonrpc import Fatal, Request, TooLarge, encode, match
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName

_HEADERS: Final = {"Content-Type": "application/json"}
_READ_BUFFER: Final = 1 << 20


class Sessions:
    """The HTTP session of a transport: opened on first use, closed by its owner only."""

    def __init__(self, chain: ChainId, given: aiohttp.ClientSession | None) -> None:
        self._chain = chain
        self._session = given
        self._owned = given is None

    def open(self) -> aiohttp.ClientSession:
        """The session; raises EndpointUnreachable where its owner closed it."""
        if self._session is None:
            if not self._owned:
                raise EndpointUnreachable(f"{self._chain}: the HTTP session is closed")
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=_READ_BUFFER)
        return self._session

    async def close(self) -> None:
        """Close it where it is the transport's own; safe to call twice."""
        if self._owned and self._session is not None:
            session, self._session = self._session, None
            await session.close()


class HttpWire:
    """Link over HTTP with keep-alive."""

    def __init__(self, name: EndpointName, url: str, sessions: Sessions, limits: TransportLimits) -> None:
        self._name = name
        self._url = url
        self._sessions = sessions
        self._timeout = aiohttp.ClientTimeout(total=limits.timeout_s, sock_connect=limits.connect_timeout_s)
        self._generation = 0

    async def ready(self) -> int:
        """Changes with every failure: whoever answers next may be another node."""
        return self._generation

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """One exchange."""
        try:
            return match(f"{self._name}", await self._post(encode(requests)), len(requests))
        except EndpointUnreachable:
            self._generation += 1
            raise

    async def _post(self, payload: bytes) -> bytes:
        session = self._sessions.open()
        try:
            async with session.post(
                self._url, data=payload, headers=_HEADERS, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise refusal(f"{self._name}", response.status, response.headers)
                return await response.read()
        except TimeoutError:
            raise EndpointUnreachable(f"{self._name}: no answer in {self._timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EndpointUnreachable(f"{self._name}: {cause(error)}") from None


def refusal(name: str, status: int, headers: Mapping[str, str]) -> EndpointError:
    """Meaning of an HTTP status other than 200."""
    if status == 413:
        return TooLarge(f"{name}: HTTP 413")
    if status == 429:
        return RateLimited(f"{name}: HTTP 429", retry_after_s(headers.get("Retry-After")))
    if status >= 500 or status == 408:
        return EndpointUnreachable(f"{name}: HTTP {status}")
    return Fatal(f"{name}: HTTP {status}; check the endpoint's path and key")


def retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None where it is neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def cause(error: Exception) -> str:
    """What went wrong without host or URL, which aiohttp puts into its messages."""
    inner = getattr(error, "os_error", error)
    if isinstance(inner, OSError) and inner.errno is not None:
        return f"connection failed ({errno.errorcode.get(inner.errno, inner.errno)})"
    return f"connection failed ({type(error).__name__})"
