"""JSON-RPC envelopes: requests to bytes, bodies to answers, and what an error means.

Results stay ``msgspec.Raw`` (the bytes of the JSON value) until someone wants them, so that a megabyte of logs or
call data is parsed once, into the types its reader chose.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from chains.errors import EndpointError, EndpointUnreachable, RateLimited
from chains.protocols import Transport

Request = tuple[str, list[object]]
"""Method and parameters."""

_NULL: Final = b"null"
_URL = re.compile(r"\b(?:https?|wss?)://\S+", re.IGNORECASE)
_RANGE = re.compile(r"range|results|response size|more than", re.IGNORECASE)
_RATE = re.compile(
    r"rate limit|too many requests|limit exceeded|compute units|request rate|capacity", re.IGNORECASE
)
_TOO_MANY_LOGS = re.compile(r"range|results|limit|more than|too large|too many|size", re.IGNORECASE)
_UNKNOWN_BLOCK = re.compile(
    r"resource not found|header (?:for hash )?not found|block not found|unknown block|not currently canonical"
    r"|missing trie node|block is out of range|blockoutofrange|state .*not available|finalized block|safe block",
    re.IGNORECASE,
)
_SAFE = re.compile(
    r"eth_(?:call|get(?!Filter|Work)\w+|blockNumber|chainId|gasPrice|feeHistory|estimateGas|syncing|blobBaseFee"
    r"|maxPriorityFeePerGas|createAccessList|simulateV1|accounts)|(?:net|web3)_\w+|(?:debug_trace|trace_)\w+"
)
_NEVER_NULL: Final = frozenset(
    {"eth_call", "eth_getLogs", "eth_blockNumber", "eth_chainId", "eth_getCode", "eth_getBalance"}
    | {"eth_getStorageAt", "eth_getTransactionCount", "eth_gasPrice", "eth_estimateGas", "eth_subscribe"}
)


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

    @property
    def unknown_block(self) -> bool:
        """True where the endpoint does not know the block that was asked for."""
        return self.code != 3 and _UNKNOWN_BLOCK.search(self.message) is not None

    @property
    def too_many_logs(self) -> bool:
        """True where a log query must be narrower."""
        return not self.rate_limited and _TOO_MANY_LOGS.search(self.message) is not None


class Fatal(EndpointUnreachable):
    """An answer that another try at the same endpoint will not change."""


class TooLarge(EndpointError):
    """The endpoint refuses a batch of this size."""


class Link(Protocol):
    """The wire to one endpoint."""

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """One exchange; elements are ``msgspec.Raw`` or ``RpcFault``. Raises EndpointError."""
        ...

    async def ready(self) -> int:
        """Connect where needed; a number that changes whenever the connection may lead elsewhere than before."""
        ...


class Envelope(msgspec.Struct, gc=False):
    """One response or notification."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")


_bodies = msgspec.json.Decoder(Envelope | list[Envelope])


def encode(requests: Sequence[Request]) -> bytes:
    """Body of one exchange. A lone request goes without the array: some endpoints know no batches."""
    bodies = [body(i, request) for i, request in enumerate(requests)]
    return msgspec.json.encode(bodies if len(bodies) > 1 else bodies[0])


def body(ident: int, request: Request) -> dict[str, object]:
    """One request as JSON-RPC wants it."""
    return {"jsonrpc": "2.0", "id": ident, "method": request[0], "params": request[1]}


def match(name: str, content: bytes, count: int) -> list[object]:
    """Answers in the order of the requests.

    Raises EndpointUnreachable where the body is no JSON-RPC or leaves requests unanswered, TooLarge where the
    endpoint answers a batch with one error.
    """
    try:
        found = _bodies.decode(content)
    except msgspec.ValidationError:
        raise EndpointUnreachable(f"{name}: answer is not a JSON-RPC response") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise EndpointUnreachable(f"{name}: answer of {len(content)} bytes is not JSON") from None
    if isinstance(found, Envelope):
        if count == 1:
            return [answer_of(name, found)]
        raise _refused(name, answer_of(name, found), count)
    by_id = {item.id: item for item in found if isinstance(item.id, int)}
    missing = count - sum(i in by_id for i in range(count))
    if missing:
        raise EndpointUnreachable(f"{name}: {missing} of {count} requests were left unanswered")
    return [answer_of(name, by_id[i]) for i in range(count)]


def _refused(name: str, answer: object, count: int) -> EndpointError:
    """Meaning of one response to a batch."""
    if not isinstance(answer, RpcFault):
        return EndpointUnreachable(f"{name}: one result for {count} requests")
    if answer.rate_limited:
        return RateLimited(f"{name}: rate limited, code {answer.code}")
    return TooLarge(f"{name}: batch of {count} refused with code {answer.code}")


def answer_of(name: str, item: Envelope) -> object:
    """Raw result or fault; raises EndpointUnreachable where there is neither."""
    if item.error and not is_null(item.error):
        return _fault(msgspec.json.decode(item.error))
    if not item.result:
        raise EndpointUnreachable(f"{name}: a response has neither result nor error")
    return item.result


def _fault(error: object) -> RpcFault:
    fields: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
    code = fields.get("code")
    message = _URL.sub("<url>", str(fields.get("message", "")))[:300]
    return RpcFault(code if isinstance(code, int) else 0, message, fields.get("data"))


def value(answer: object) -> object:
    """Python value of a raw result; a fault stays itself."""
    return msgspec.json.decode(answer) if isinstance(answer, msgspec.Raw) else answer


def fetcher(transport: Transport) -> Callable[[Sequence[Request]], Awaitable[list[object]]]:
    """The transport's ``fetch``, which leaves results raw; made from ``send`` where it has none."""
    own = getattr(transport, "fetch", None)
    if own is not None:
        fetch: Callable[[Sequence[Request]], Awaitable[list[object]]] = own
        return fetch

    async def encoded(requests: Sequence[Request]) -> list[object]:
        answers = await transport.send(requests)
        return [a if isinstance(a, RpcFault) else msgspec.Raw(msgspec.json.encode(a)) for a in answers]

    return encoded


def is_null(answer: object) -> bool:
    """Whether a raw result is ``null``."""
    return isinstance(answer, msgspec.Raw) and len(answer) == len(_NULL) and bytes(answer) == _NULL


def never_null(request: Request) -> bool:
    """Whether ``null`` is no answer to the request; every chain has a latest block."""
    method, params = request
    return method in _NEVER_NULL or (method == "eth_getBlockByNumber" and params[:1] == ["latest"])


def is_safe(method: str) -> bool:
    """Whether a request may be sent twice: it only reads, and keeps no state at the endpoint."""
    return _SAFE.fullmatch(method) is not None
