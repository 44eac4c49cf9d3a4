"""Wrappers that refuse answers one must not believe: another chain's, empty ones, a lagging endpoint's."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from chains.caip import ChainId, chain_number
from chains.errors import BadAnswer, EndpointLagging, EndpointUnreachable, RateLimited, WrongChainId
from chains.evm.adapt import log_range
from chains.evm.jsonrpc import Link, Request, RpcFault, is_null, never_null, value
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName
from chains.protocols import Transport

_BLOCK_NOT_FOUND: Final = -32001
_MEMORY_S: Final = 30.0
_MEMORY_BLOCKS: Final = 256


def require_chain(where: str, chain: ChainId, answer: object) -> None:
    """Compare an eth_chainId answer with the configured chain; raises WrongChainId naming both, or BadAnswer."""
    try:
        number = int(str(answer), 16)
    except ValueError:
        raise BadAnswer(f"{where}: eth_chainId answered {str(answer)[:40]!r}, expected a hex number") from None
    if number != chain_number(chain):
        raise WrongChainId(f"{where}: configured as {chain} but serves eip155:{number}; correct one of them")


class ChainChecked:
    """Proves the chain id before the first request and again after every reconnect."""

    def __init__(self, inner: Transport, link: Link, name: EndpointName) -> None:
        self._inner = inner
        self._link = link
        self._name = name
        self._proved: int | None = None
        self._gate = asyncio.Lock()

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on to an endpoint that is known to serve the chain."""
        if await self._link.ready() != self._proved:
            async with self._gate:
                generation = await self._link.ready()
                if generation != self._proved:
                    await self._prove()
                    self._proved = generation
        return await self._inner.send(requests)

    async def _prove(self) -> None:
        self._proved = None
        (answer,) = await self._inner.send([("eth_chainId", [])])
        if isinstance(answer, RpcFault) and answer.rate_limited:
            raise RateLimited(f"{self._name}: rate limited, code {answer.code}")
        if isinstance(answer, RpcFault):
            raise EndpointUnreachable(f"{self._name}: eth_chainId failed with code {answer.code}")
        if is_null(answer):
            raise EndpointUnreachable(f"{self._name}: eth_chainId answered null")
        require_chain(f"{self._name}", self._name.chain, value(answer))


class NoNulls:
    """Refuses ``null`` where the method always has a value: a broken node, not an empty chain."""

    def __init__(self, inner: Transport, name: EndpointName) -> None:
        self._inner = inner
        self._name = name

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on; raises EndpointUnreachable."""
        answers = await self._inner.send(requests)
        for request, answer in zip(requests, answers, strict=True):
            if is_null(answer) and never_null(request):
                raise EndpointUnreachable(f"{self._name}: {request[0]} answered null")
        return answers


class KnownLogs:
    """Proves that the endpoint has the last block of a log query: a lagging one answers with what it has."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on; the answer is an RpcFault where the endpoint does not know the block."""
        lasts = [None if (found := log_range(request)) is None else found[1] for request in requests]
        wanted = sorted({last for last in lasts if last is not None})
        if not wanted:
            return await self._inner.send(requests)
        proofs: list[Request] = [("eth_getBlockByNumber", [hex(number), False]) for number in wanted]
        answers = await self._inner.send([*proofs, *requests])
        unknown = {number for number, proof in zip(wanted, answers, strict=False) if is_null(proof)}
        return [
            RpcFault(_BLOCK_NOT_FOUND, f"block not found: {last}") if last in unknown else answer
            for last, answer in zip(lasts, answers[len(wanted) :], strict=True)
        ]


class Header(msgspec.Struct, gc=False):
    """What tells blocks apart."""

    number: str
    hash: str
    timestamp: str = "0x0"


_header = msgspec.json.Decoder(Header)


class _Claim(NamedTuple):
    hash: str
    since: float
    seen: float


class HeadBook:
    """What every endpoint of a chain said last about its head and its recent blocks.

    A chain that really went back, or took another branch, convinces by the second endpoint that says so: each
    one's latest word counts, and of two words about a height the older claim is believed.
    """

    def __init__(self, limits: TransportLimits) -> None:
        self._limits = limits
        self._heads: dict[int, tuple[int, int, float]] = {}
        self._claims: dict[int, dict[int, _Claim]] = {}

    def judge(self, ordinal: int, head: Header, *, is_head: bool, now: float) -> str | None:
        """Why a block of the endpoint must not be used, None where nothing speaks against it."""
        number, timestamp = int(head.number, 16), int(head.timestamp, 16)
        mine = self._claims.setdefault(ordinal, {})
        known = mine.get(number)
        since = known.since if known is not None and known.hash == head.hash else now
        mine[number] = _Claim(head.hash, since, now)
        if len(mine) > _MEMORY_BLOCKS:
            del mine[min(mine)]
        if is_head:
            self._heads[ordinal] = (number, timestamp, now)
            if (behind := self._behind(ordinal, number, timestamp, now)) is not None:
                return behind
        for other, claims in self._claims.items():
            theirs = claims.get(number)
            if other == ordinal or theirs is None or now - theirs.seen > _MEMORY_S:
                continue
            if theirs.hash != head.hash and theirs.since <= since:
                return f"block {number} has another hash than at endpoint {other}"
        return None

    def _behind(self, ordinal: int, number: int, timestamp: int, now: float) -> str | None:
        fresh = [(n, t) for i, (n, t, at) in self._heads.items() if i != ordinal and now - at < _MEMORY_S]
        if not fresh:
            return None
        best, best_at = max(fresh)
        if best - number > self._limits.max_lag_blocks and best_at - timestamp > self._limits.max_lag_s:
            return f"head {number} is {best - number} blocks behind another endpoint's"
        return None


class Fresh:
    """Refuses an endpoint that is behind the others of its chain, or on another branch."""

    def __init__(self, inner: Transport, name: EndpointName, book: HeadBook) -> None:
        self._inner = inner
        self._name = name
        self._book = book

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on; raises EndpointLagging."""
        answers = await self._inner.send(requests)
        # All blocks are noted before one is refused: the next endpoint is compared with this one's latest word.
        reasons = [
            reason
            for (method, params), answer in zip(requests, answers, strict=True)
            if method == "eth_getBlockByNumber" and isinstance(answer, msgspec.Raw) and not is_null(answer)
            if (reason := self._judge(params, answer)) is not None
        ]
        if reasons:
            raise EndpointLagging(f"{self._name}: {reasons[0]}")
        return answers

    def _judge(self, params: list[object], answer: msgspec.Raw) -> str | None:
        now = asyncio.get_running_loop().time()
        is_head = bool(params) and params[0] == "latest"
        try:
            return self._book.judge(self._name.ordinal, _header.decode(answer), is_head=is_head, now=now)
        except (msgspec.DecodeError, ValueError):
            raise EndpointUnreachable(f"{self._name}: a block has no number or hash") from None
