"""A web3 provider for one local chain: one kept-alive connection, without the costs of ``requests``."""

import http.client
import threading
import weakref
from typing import Any
from urllib.parse import urlsplit

from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

TIMEOUT_S = 60
_DROPPED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class LocalProvider(JSONBaseProvider):
    """JSON-RPC over one connection; threads take turns."""

    def __init__(self, http_url: str) -> None:
        super().__init__()
        self._host = urlsplit(http_url).netloc
        self._turn = threading.Lock()
        self._open: list[http.client.HTTPConnection] = []
        weakref.finalize(self, _close, self._open)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request; raises OSError where the chain is gone."""
        body = self.encode_rpc_request(method, params)
        with self._turn:
            return self.decode_rpc_response(self._exchange(body))

    def _exchange(self, body: bytes) -> bytes:
        reused = bool(self._open)
        try:
            return self._once(body)
        except _DROPPED:
            _close(self._open)
            if not reused:
                raise
        # The chain had dropped the idle connection before it read anything, so nothing is sent twice.
        return self._once(body)

    def _once(self, body: bytes) -> bytes:
        if not self._open:
            self._open.append(http.client.HTTPConnection(self._host, timeout=TIMEOUT_S))
        self._open[0].request("POST", "/", body, {"Content-Type": "application/json"})
        return self._open[0].getresponse().read()


def _close(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()
