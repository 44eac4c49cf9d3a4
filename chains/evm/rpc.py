"""JSON-RPC over HTTP: batches, rate, concurrency, retries and failover of one chain's endpoints.

web3.py sends three requests and opens a connection for each eth_call, hence a client of our own. URLs hold keys:
they never enter a message, and transport errors are raised without their cause for the same reason.
"""

import asyncio
import errno
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec
from asyncio_throttle.throttler import Throttler

from chains.caip import ChainId, chain_number
from chains.errors import BadAnswer, EndpointError, EndpointUnreachable, RateLimited, WrongChainId

Request = tuple[str, list[object]]
"""Method and parameters."""

_URL = re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE)
_RANGE = re.compile(r"range|results|response size|more than", re.IGNORECASE)
_RATE = re.compile(
    r"rate limit|too many requests|limit exceeded|compute units|request rate|capacity", re.IGNORECASE
)
_RETRY_AFTER_CAP_S: Final = 30.0


class RpcFault(NamedTuple):
    """Error of one request inside an exchange that worked."""

    code: int
    message: str
    data: object = None

    @property
    def rate_limited(self) -> bool:
        """True where the endpoint asks for fewer requests; a log query that is too wide is not that."""
        if self.code not in (429, -32005, -32016, -32029, -32097):
            return False
        return self.code == 429 or (_RATE.search(self.message) is not None and not _RANGE.search(self.message))


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """How one endpoint may be used."""

    rate_per_s: int = 200
    """Requests per second, every element of a batch counted."""
    concurrency: int = 8
    """HTTP exchanges under way at once."""
    batch: int = 100
    """Requests per HTTP exchange."""
    timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    rounds: int = 3
    """Passes over all endpoints before a send gives up."""
    backoff_s: float = 0.1
    backoff_cap_s: float = 5.0


@dataclass(slots=True)
class _Endpoint:
    """One URL with its budget. ``name`` is what messages may say."""

    name: str
    url: str = field(repr=False)
    throttler: Throttler = field(repr=False)
    slots: asyncio.Semaphore = field(repr=False)
    # Throttler wakes every waiter each 10 ms; behind a lock only the first one polls, and the order is kept.
    gate: asyncio.Lock = field(repr=False, default_factory=asyncio.Lock)
    checked: bool = False

    async def admit(self, weight: int) -> None:
        async with self.gate:
            for _ in range(weight):
                await self.throttler.acquire()  # type: ignore[no-untyped-call]


class _Fatal(EndpointUnreachable):
    """An answer that another try at the same endpoint will not change."""


class _TooLarge(EndpointError):
    """The endpoint refuses a batch of this size."""


class HttpTransport:
    """JSON-RPC to one chain over one or more endpoints, the first that works being kept.

    Every endpoint proves its chain id before its first use: WrongChainId is a mistake of configuration and is
    raised at once, never failed over.
    """

    def __init__(
        self,
        chain: ChainId,
        urls: Sequence[str],
        *,
        session: aiohttp.ClientSession | None = None,
        limits: TransportLimits | None = None,
    ) -> None:
        self.chain = chain
        self.limits = limits or TransportLimits()
        if not urls:
            raise EndpointUnreachable(f"{chain}: no endpoint configured; give at least one http(s) URL")
        self._endpoints = [self._endpoint(ordinal, url) for ordinal, url in enumerate(urls, 1)]
        self._preferred = 0
        self._session = session
        self._owns_session = session is None

    def _endpoint(self, ordinal: int, url: str) -> _Endpoint:
        name = f"{self.chain} endpoint {ordinal}"
        if not url.startswith(("http://", "https://")):
            raise EndpointUnreachable(f"{name}: expected a URL beginning with http:// or https://")
        throttler = Throttler(rate_limit=self.limits.rate_per_s, period=1.0)
        return _Endpoint(name, url, throttler, asyncio.Semaphore(self.limits.concurrency))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session where it is the transport's own; safe to call twice."""
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            if not self._owns_session:
                raise EndpointUnreachable(f"{self.chain}: the HTTP session is closed")
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Results in order; an ``RpcFault`` where a request failed.

        Raises EndpointUnreachable or RateLimited when no endpoint gave a usable answer, WrongChainId when one
        serves another chain.
        """
        size = max(1, self.limits.batch)
        parts = [requests[i : i + size] for i in range(0, len(requests), size)]
        answers = await _gather([self._send_part(part) for part in parts])
        return [answer for part in answers for answer in part]

    async def _send_part(self, part: Sequence[Request]) -> list[object]:
        """One batch through rounds over all endpoints; what an endpoint rate-limits is asked again."""
        answers: dict[int, object] = {}
        usable = self._endpoints[self._preferred :] + self._endpoints[: self._preferred]
        failures: dict[str, EndpointError] = {}
        for attempt in range(self.limits.rounds):
            for endpoint in tuple(usable):
                pending = [i for i in range(len(part)) if i not in answers or _again(answers[i])]
                try:
                    await self._prove_chain(endpoint)
                    got = await self._ask(endpoint, [part[i] for i in pending])
                except WrongChainId:
                    raise
                except EndpointError as error:
                    failures[endpoint.name] = error
                    if isinstance(error, _Fatal):
                        usable.remove(endpoint)
                    continue
                answers.update(zip(pending, got, strict=True))
                if not any(_again(answer) for answer in got):
                    self._preferred = self._endpoints.index(endpoint)
                    return [answers[i] for i in range(len(part))]
                failures[endpoint.name] = RateLimited(f"{endpoint.name}: rate limited")
            if not usable or attempt + 1 == self.limits.rounds:
                break
            await asyncio.sleep(self._pause_s(attempt, failures))
        raise _summary(failures)

    def _pause_s(self, attempt: int, failures: Mapping[str, EndpointError]) -> float:
        asked = [e.retry_after_s for e in failures.values() if isinstance(e, RateLimited) and e.retry_after_s]
        if asked:
            return min(*asked, _RETRY_AFTER_CAP_S)
        ceiling = min(self.limits.backoff_cap_s, self.limits.backoff_s * 2.0**attempt)
        return ceiling * (0.5 + random.random() / 2)

    async def _prove_chain(self, endpoint: _Endpoint) -> None:
        if endpoint.checked:
            return
        (answer,) = await self._exchange(endpoint, [("eth_chainId", [])])
        if isinstance(answer, RpcFault):
            raise EndpointUnreachable(f"{endpoint.name}: eth_chainId failed with code {answer.code}")
        require_chain(endpoint.name, self.chain, answer)
        endpoint.checked = True

    async def _ask(self, endpoint: _Endpoint, part: Sequence[Request]) -> list[object]:
        """One exchange, in halves where the endpoint finds the batch too large."""
        try:
            return await self._exchange(endpoint, part)
        except _TooLarge:
            if len(part) == 1:
                raise _Fatal(f"{endpoint.name}: one {part[0][0]} request is too large for it") from None
        middle = len(part) // 2
        return await self._ask(endpoint, part[:middle]) + await self._ask(endpoint, part[middle:])

    async def _exchange(self, endpoint: _Endpoint, part: Sequence[Request]) -> list[object]:
        bodies = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in enumerate(part)
        ]
        # A lone request goes without the array: some endpoints know no batches.
        payload = msgspec.json.encode(bodies if len(bodies) > 1 else bodies[0])
        await endpoint.admit(len(part))
        async with endpoint.slots:
            body = await self._post(endpoint, payload)
        return _match(endpoint.name, body, len(part))

    async def _post(self, endpoint: _Endpoint, payload: bytes) -> bytes:
        limits = self.limits
        timeout = aiohttp.ClientTimeout(total=limits.timeout_s, sock_connect=limits.connect_timeout_s)
        try:
            async with self._open_session().post(
                endpoint.url,
                data=payload,
                headers={"Content-Type": "application/json"},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                _check_status(endpoint.name, response.status, response.headers)
                return await response.read()
        except TimeoutError:
            raise EndpointUnreachable(f"{endpoint.name}: no answer in {limits.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EndpointUnreachable(f"{endpoint.name}: {_cause(error)}") from None


async def _gather(parts: list[Any]) -> list[list[object]]:
    """Run at once; the first failure cancels the rest and is raised as itself, not as a group."""
    if len(parts) == 1:
        return [await parts[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _summary(failures: Mapping[str, EndpointError]) -> EndpointError:
    """The one failure, or one error that tells every endpoint's."""
    errors = list(failures.values())
    if len(errors) == 1:
        return errors[0]
    kind = RateLimited if all(isinstance(error, RateLimited) for error in errors) else EndpointUnreachable
    return kind("; ".join(map(str, errors)))


def require_chain(where: str, chain: ChainId, answer: object) -> None:
    """Compare an eth_chainId answer with the configured chain; raises WrongChainId naming both, or BadAnswer."""
    try:
        number = int(str(answer), 16)
    except ValueError:
        raise BadAnswer(f"{where}: eth_chainId answered {str(answer)[:40]!r}, expected a hex number") from None
    if number != chain_number(chain):
        raise WrongChainId(f"{where}: configured as {chain} but serves eip155:{number}; correct one of them")


def _again(answer: object) -> bool:
    return isinstance(answer, RpcFault) and answer.rate_limited


def _check_status(name: str, status: int, headers: Mapping[str, str]) -> None:
    if status == 200:
        return
    if status == 413:
        raise _TooLarge(f"{name}: HTTP 413")
    if status == 429:
        raise RateLimited(f"{name}: HTTP 429", _retry_after_s(headers.get("Retry-After")))
    if status >= 500 or status == 408:
        raise EndpointUnreachable(f"{name}: HTTP {status}")
    raise _Fatal(f"{name}: HTTP {status}; check the endpoint's path and key")


def _retry_after_s(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _cause(error: Exception) -> str:
    """What went wrong without host or URL, which aiohttp puts into its messages."""
    inner = getattr(error, "os_error", error)
    if isinstance(inner, OSError) and inner.errno is not None:
        return f"connection failed ({errno.errorcode.get(inner.errno, inner.errno)})"
    return f"connection failed ({type(error).__name__})"


def _match(name: str, body: bytes, count: int) -> list[object]:
    """Results in the order of the requests.

    Raises EndpointUnreachable where the body is no JSON-RPC or leaves requests unanswered, _TooLarge where the
    endpoint answers a batch with one error.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise EndpointUnreachable(f"{name}: answer of {len(body)} bytes is not JSON") from None
    if count == 1 and isinstance(content, dict):
        return [_value(name, content)]
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        fault = _fault(content["error"])
        if fault.rate_limited:
            raise RateLimited(f"{name}: rate limited, code {fault.code}")
        raise _TooLarge(f"{name}: batch of {count} refused with code {fault.code}")
    if not isinstance(content, list):
        raise EndpointUnreachable(f"{name}: answer is not a JSON-RPC response")
    by_id = {item["id"]: item for item in content if isinstance(item, dict) and isinstance(item.get("id"), int)}
    missing = count - sum(i in by_id for i in range(count))
    if missing:
        raise EndpointUnreachable(f"{name}: {missing} of {count} requests were left unanswered")
    return [_value(name, by_id[i]) for i in range(count)]


def _value(name: str, item: dict[str, Any]) -> object:
    if isinstance(item.get("error"), dict):
        return _fault(item["error"])
    if "result" not in item:
        raise EndpointUnreachable(f"{name}: a response has neither result nor error")
    return item["result"]


def _fault(error: dict[str, Any]) -> RpcFault:
    code = error.get("code")
    message = _URL.sub("<url>", str(error.get("message", "")))[:300]
    return RpcFault(code if isinstance(code, int) else 0, message, error.get("data"))
