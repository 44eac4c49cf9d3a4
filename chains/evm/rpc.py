"""JSON-RPC to one chain: its endpoints, each behind the wrappers that make it safe to use, as one transport.

Inside out, per endpoint: wire (HTTP or WebSocket) - concurrency - rate - batch size - no nulls - log range - logs
at a known block - chain id - rest when rate-limited - lag and branch - measurements - circuit breaker; over all of
them: failover with hedging, and agreement of several where that is asked for. Each is a class with one ``send``.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from chains.caip import ChainId
from chains.errors import EndpointError, EndpointUnreachable
from chains.evm.adapt import Batched, LogRanges
from chains.evm.agreement import Agreement
from chains.evm.breaker import Breaker
from chains.evm.budget import Bounded, Resting, Throttled
from chains.evm.failover import Failover
from chains.evm.gathering import together
from chains.evm.guard import ChainChecked, Fresh, HeadBook, KnownLogs, NoNulls, require_chain
from chains.evm.http_wire import HttpWire, Sessions
from chains.evm.jsonrpc import Request, RpcFault, value
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName, Observed, Observer, Silent
from chains.evm.ws_wire import Feed, WsWire
from chains.protocols import Transport

__all__ = ["HttpTransport", "Request", "RpcFault", "TransportLimits", "require_chain"]


class HttpTransport:
    """JSON-RPC to one chain over one or more endpoints (http, https, ws, wss), in order of preference.

    Every endpoint proves its chain id before its first use and after every reconnect; one that serves another
    chain is never used. WrongChainId is raised where no other endpoint answers.
    """

    def __init__(
        self,
        chain: ChainId,
        urls: Sequence[str],
        *,
        session: aiohttp.ClientSession | None = None,
        limits: TransportLimits | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.chain = chain
        self.limits = limits or TransportLimits()
        if not urls:
            raise EndpointUnreachable(f"{chain}: no endpoint configured; give at least one http(s) or ws(s) URL")
        self._sessions = Sessions(chain, session)
        self._sockets: dict[int, WsWire] = {}
        self.rates: dict[str, Throttled] = {}
        """Budgets of the endpoints, each by a digest of its URL: what processes that share it call it."""
        self._book = HeadBook(self.limits)
        watcher = observer or Silent()
        endpoints = [self._endpoint(EndpointName(chain, i), url, watcher) for i, url in enumerate(urls, 1)]
        self._failover = Failover(chain, endpoints, self.limits, watcher)
        agree = self.limits.agree
        if agree > len(endpoints):
            raise EndpointUnreachable(
                f"{chain}: {agree} endpoints must agree, but only {len(endpoints)} are given"
            )
        self._top: Transport = self._failover if agree < 2 else Agreement(chain, self._failover, agree)

    def _endpoint(self, name: EndpointName, url: str, observer: Observer) -> Breaker:
        limits = self.limits
        link: HttpWire | WsWire
        if url.startswith(("ws://", "wss://")):
            link = self._sockets[name.ordinal] = WsWire(name, url, self._sessions, limits)
        elif url.startswith(("http://", "https://")):
            link = HttpWire(name, url, self._sessions, limits)
        else:
            raise EndpointUnreachable(f"{name}: expected a URL beginning with http://, https://, ws:// or wss://")
        wire = Throttled(Bounded(link, limits.concurrency), limits)
        self.rates[hashlib.blake2b(url.encode(), digest_size=16, person=b"rate").hexdigest()] = wire
        logs = KnownLogs(LogRanges(NoNulls(Batched(wire, name, limits.batch), name)))
        proved = Resting(ChainChecked(logs, link, name), name)
        return Breaker(Observed(Fresh(proved, name, self._book), name, observer), name, limits, observer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections, and the session where it is the transport's own; safe to call twice."""
        await self._failover.close()
        for socket in self._sockets.values():
            await socket.close()
        await self._sessions.close()

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Results in order as Python values; an ``RpcFault`` where a request failed.

        Raises EndpointUnreachable, EndpointLagging or RateLimited when no endpoint gave a usable answer,
        WrongChainId when none did and one serves another chain, EndpointsDisagree where they must agree and
        do not.
        """
        return [value(answer) for answer in await self.fetch(requests)]

    async def fetch(self, requests: Sequence[Request]) -> list[object]:
        """Like ``send``, results being ``msgspec.Raw``: for readers that parse into types of their own."""
        size = max(1, self.limits.batch)
        parts = [requests[i : i + size] for i in range(0, len(requests), size)]
        answers = await together([self._top.send(part) for part in parts])
        return [answer for part in answers for answer in part]

    async def prove(self) -> dict[str, EndpointError]:
        """Ask every endpoint, not only the first that works; the failures by the endpoint's name."""
        question: list[Request] = [("eth_getBlockByNumber", ["latest", False])]
        endpoints = self._failover.endpoints
        answers = await asyncio.gather(*(e.send(question) for e in endpoints), return_exceptions=True)
        failed: dict[str, EndpointError] = {}
        for endpoint, answer in zip(endpoints, answers, strict=True):
            if isinstance(answer, EndpointError):
                failed[f"{endpoint.name}"] = answer
            elif isinstance(answer, BaseException):
                raise answer
        return failed

    @property
    def endpoints(self) -> int:
        """How many endpoints there are."""
        return len(self._failover.endpoints)

    @property
    def has_sockets(self) -> bool:
        """Whether a WebSocket endpoint is configured."""
        return bool(self._sockets)

    async def subscribe(self, *params: object) -> Feed:
        """Results of an eth_subscribe at the first WebSocket endpoint that works; None: its connection ended.

        Raises EndpointError where there is none.
        """
        failures: list[EndpointError] = []
        for endpoint in self._failover.order():
            socket = self._sockets.get(endpoint.name.ordinal)
            if socket is None:
                continue
            try:
                (answer,) = await endpoint.send([("eth_subscribe", list(params))])
            except EndpointError as error:
                failures.append(error)
                continue
            if isinstance(answer, msgspec.Raw):
                return socket.feed(str(value(answer)))
            failures.append(EndpointUnreachable(f"{endpoint.name}: does not let {params[0]} be subscribed"))
        raise failures[0] if failures else EndpointUnreachable(f"{self.chain}: no WebSocket endpoint is usable")
