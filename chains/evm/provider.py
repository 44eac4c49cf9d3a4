"""The transport as a provider of web3.py: its contracts, codec and filters on our rates and failover."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec
from web3._utils.encoding import FriendlyJsonSerde, Web3JsonEncoder
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from chains.caip import ChainId, chain_number
from chains.errors import EndpointError
from chains.evm.jsonrpc import Request, RpcFault

_CHAIN_ID: Final = "eth_chainId"


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
        ident = next(self.request_counter)
        if not isinstance(answer, RpcFault):
            return {"jsonrpc": "2.0", "id": ident, "result": answer}
        error: Any = {"code": answer.code, "message": answer.message}
        if answer.data is not None:
            error["data"] = answer.data
        return {"jsonrpc": "2.0", "id": ident, "error": error}


def as_web3_provider(transport: ChainTransport) -> TransportProvider:
    """Provider for ``AsyncWeb3(as_web3_provider(transport))``."""
    return TransportProvider(transport)


def _plain(params: Any) -> list[object]:
    """Parameters without web3.py's own types."""
    text = FriendlyJsonSerde().json_encode({"params": list(params or [])}, cls=Web3JsonEncoder)
    plain: list[object] = msgspec.json.decode(text)["params"]
    return plain
