"""Several endpoints as witnesses: a read at a named block counts when enough of them answer the same."""

import asyncio
from collections.abc import Sequence
from typing import Any

from chains.caip import ChainId
from chains.errors import EndpointError, EndpointsDisagree
from chains.evm.breaker import Breaker
from chains.evm.failover import Failover, summary
from chains.evm.jsonrpc import Request, RpcFault, value

_BY_NUMBER = frozenset({"eth_call", "eth_getBalance", "eth_getCode", "eth_getBlockByNumber", "eth_getStorageAt"})


class Agreement:
    """Transport that asks ``agree`` endpoints what one block answers for ever; the rest goes the ordinary way."""

    def __init__(self, chain: ChainId, inner: Failover, agree: int) -> None:
        self._chain = chain
        self._inner = inner
        self._agree = agree

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Answers in order; raises EndpointsDisagree where no answer has enough witnesses."""
        sworn = [i for i, request in enumerate(requests) if is_pinned(request)]
        free = [i for i in range(len(requests)) if i not in set(sworn)]
        answers: list[object] = [None] * len(requests)
        if free:
            for i, answer in zip(free, await self._inner.send([requests[i] for i in free]), strict=True):
                answers[i] = answer
        if sworn:
            for i, answer in zip(sworn, await self._witnessed([requests[i] for i in sworn]), strict=True):
                answers[i] = answer
        return answers

    async def _witnessed(self, requests: Sequence[Request]) -> list[object]:
        waiting = self._inner.order()
        testimonies: list[list[object]] = []
        failures: dict[int, EndpointError] = {}
        while waiting:
            now, waiting = waiting[: self._agree], waiting[self._agree :]
            for endpoint, got in zip(now, await _ask(now, requests), strict=True):
                if isinstance(got, EndpointError):
                    failures[endpoint.name.ordinal] = got
                else:
                    testimonies.append(got)
            verdicts = [_verdict([t[i] for t in testimonies], self._agree) for i in range(len(requests))]
            if all(verdict is not None for verdict in verdicts):
                return verdicts
        if len(testimonies) < self._agree and failures:
            raise summary(failures)
        lost = [
            method
            for i, (method, _) in enumerate(requests)
            if _verdict([t[i] for t in testimonies], self._agree) is None
        ]
        raise EndpointsDisagree(
            f"{self._chain}: {len(testimonies)} endpoints, {self._agree} must agree: they answer {len(lost)} of"
            f" {len(requests)} reads differently (first: {lost[0]}); none of it is used"
        )


async def _ask(endpoints: Sequence[Breaker], requests: Sequence[Request]) -> list[list[object] | EndpointError]:
    async def one(endpoint: Breaker) -> list[object] | EndpointError:
        try:
            return await endpoint.send(requests)
        except EndpointError as error:
            return error

    return list(await asyncio.gather(*map(one, endpoints)))


def _verdict(answers: Sequence[object], agree: int) -> object:
    """An answer that enough witnesses gave; None where there is none."""
    votes: list[tuple[object, object, int]] = []
    for answer in answers:
        plain = _comparable(answer)
        for k, (known, first, count) in enumerate(votes):
            if known == plain:
                votes[k] = (known, first, count + 1)
                break
        else:
            votes.append((plain, answer, 1))
    return next((first for _, first, count in votes if count >= agree), None)


def _comparable(answer: object) -> object:
    """What must be equal: values, or that and with which data a call failed (wordings differ between nodes)."""
    if isinstance(answer, RpcFault):
        return ("unknown block",) if answer.unknown_block else ("fault", answer.data)
    return value(answer)


def is_pinned(request: Request) -> bool:
    """Whether the answer can never change: the request names its block by hash or number."""
    method, params = request
    if method == "eth_getBlockByHash":
        return True
    if method == "eth_getLogs":
        query: Any = params[0] if params and isinstance(params[0], dict) else {}
        return "blockHash" in query or all(_is_number(query.get(name)) for name in ("fromBlock", "toBlock"))
    if method not in _BY_NUMBER or not params:
        return False
    where: Any = params[0] if method == "eth_getBlockByNumber" else params[-1]
    return _is_number(where) or (isinstance(where, dict) and "blockHash" in where)


def _is_number(text: object) -> bool:
    return isinstance(text, str) and text.startswith("0x")
