"""The transport as providers of web3.py: contracts, codec and subscriptions on our rates and failover."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec
from web3._utils.encoding import FriendlyJsonSerde, Web3JsonEncoder
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.providers.persistent import PersistentConnectionProvider
from web3.types import RPCEndpoint, RPCResponse

from chains.caip import ChainId, chain_number
from chains.errors import EndpointError, EndpointUnreachable
from chains.evm.jsonrpc import Request, RpcFault
from chains.evm.subscribe import Gap, Subscribing, announcements

_CHAIN_ID: Final = "eth_chainId"
_SERVER_ERROR: Final = -32000


class ChainTransport(Protocol):
    """A Transport that knows its chain."""

    chain: ChainId

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Results in order."""
        ...


class TransportProvider(AsyncJSONBaseProvider):
    """Asynchronous provider of web3.py 8 over a transport.

    eth_chainId is answered without a request: the transport has proved it, while web3.py asks twice per call.
    Errors of endpoints are raised as they are (``chains.errors.EndpointError``), RPC errors are handed to web3.py.
    """

    def __init__(self, transport: ChainTransport) -> None:
        super().__init__()
        self._transport = transport
        self._chain_id = hex(chain_number(transport.chain))

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request."""
        return (await self.make_batch_request([(method, params)]))[0]

    async def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """Many requests in one exchange."""
        asked: list[Request] = [(method, _plain(params)) for method, params in requests if method != _CHAIN_ID]
        answers = iter(await self._transport.send(asked) if asked else ())
        return [self._response(self._chain_id if method == _CHAIN_ID else next(answers)) for method, _ in requests]

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether an endpoint answers; with ``show_traceback`` its failure is raised."""
        try:
            await self._transport.send([("eth_blockNumber", [])])
        except EndpointError:
            if show_traceback:
                raise
            return False
        return True

    def _response(self, answer: object) -> RPCResponse:
        return _response(next(self.request_counter), answer)


class SubscribingTransport(ChainTransport, Subscribing, Protocol):
    """A ChainTransport that can also subscribe."""


class SubscribingProvider(PersistentConnectionProvider):
    """Provider for subscriptions of web3.py, to be connected first: ``async with AsyncWeb3(provider) as w3``.

    A subscription keeps its id when its socket is cut: it is made again at the first endpoint that works. What
    happened in between is not announced. Failures of endpoints reach web3.py as RPC errors.
    """

    def __init__(self, transport: SubscribingTransport) -> None:
        super().__init__()
        self._transport = transport
        self._requests = TransportProvider(transport)
        self._heard: asyncio.Queue[Any] = asyncio.Queue()
        self._serving: set[asyncio.Task[None]] = set()
        self._listening: dict[str, asyncio.Task[None]] = {}
        self._ids = itertools.count(1)

    def get_endpoint_uri_or_ipc_path(self) -> str:
        """What web3.py logs for the address."""
        return f"{self._transport.chain}"

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether an endpoint answers."""
        return await self._requests.is_connected(show_traceback)

    async def _provider_specific_connect(self) -> None:
        if not self._transport.has_sockets:
            raise EndpointUnreachable(f"{self._transport.chain}: no WebSocket endpoint is configured")

    async def _provider_specific_disconnect(self) -> None:
        running = [*self._serving, *self._listening.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._listening.clear()

    async def socket_send(self, request_data: bytes) -> None:
        """Take one request or a batch; the answers come by ``socket_recv``."""
        task = asyncio.create_task(self._serve(msgspec.json.decode(request_data)))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def socket_recv(self) -> RPCResponse:
        """The next answer or announcement."""
        heard: RPCResponse = await self._heard.get()
        return heard

    async def _provider_specific_socket_reader(self) -> RPCResponse:
        return await self.socket_recv()

    async def _serve(self, asked: Any) -> None:
        batch: list[Any] = asked if isinstance(asked, list) else [asked]
        own = [self._own(one["method"], one["params"]) for one in batch]
        left: list[Request] = [
            (one["method"], one["params"]) for one, mine in zip(batch, own, strict=True) if mine is None
        ]
        try:
            answers = iter(await self._transport.send(left) if left else ())
        except EndpointError as error:
            answers = itertools.repeat(RpcFault(_SERVER_ERROR, str(error)))
        responses = [
            _response(one["id"], next(answers) if mine is None else mine)
            for one, mine in zip(batch, own, strict=True)
        ]
        self._heard.put_nowait(responses if isinstance(asked, list) else responses[0])

    def _own(self, method: str, params: Any) -> object:
        """What the provider answers itself; None where the chain is to be asked."""
        if method == _CHAIN_ID:
            return hex(chain_number(self._transport.chain))
        if method == "eth_subscribe":
            ident = hex(next(self._ids))
            self._listening[ident] = asyncio.create_task(self._listen(ident, params))
            return ident
        if method == "eth_unsubscribe":
            task = self._listening.pop(params[0], None)
            return task is not None and task.cancel()
        return None

    async def _listen(self, ident: str, params: Sequence[object]) -> None:
        async with aclosing(announcements(self._transport.chain, self._transport, *params)) as stream:
            async for item in stream:
                if not isinstance(item, Gap):
                    told = {"subscription": ident, "result": msgspec.json.decode(item)}
                    self._heard.put_nowait({"jsonrpc": "2.0", "method": "eth_subscription", "params": told})


def as_web3_provider(transport: ChainTransport) -> TransportProvider:
    """Provider for ``AsyncWeb3(as_web3_provider(transport))``."""
    return TransportProvider(transport)


def as_web3_socket_provider(transport: SubscribingTransport) -> SubscribingProvider:
    """Provider for ``async with AsyncWeb3(as_web3_socket_provider(transport)) as w3``, which can subscribe."""
    return SubscribingProvider(transport)


def _response(ident: int | str | None, answer: object) -> RPCResponse:
    if not isinstance(answer, RpcFault):
        return {"jsonrpc": "2.0", "id": ident, "result": answer}
    error: Any = {"code": answer.code, "message": answer.message}
    if answer.data is not None:
        error["data"] = answer.data
    return {"jsonrpc": "2.0", "id": ident, "error": error}


def _plain(params: Any) -> list[object]:
    """Parameters without web3.py's own types."""
    text = FriendlyJsonSerde().json_encode({"params": list(params or [])}, cls=Web3JsonEncoder)
    plain: list[object] = msgspec.json.decode(text)["params"]
    return plain
