"""Wrappers that learn what an endpoint accepts: requests per batch, blocks per log query."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from chains.evm.jsonrpc import Fatal, Request, RpcFault, TooLarge
from chains.evm.observe import EndpointName
from chains.protocols import Transport

GROW_AFTER: Final = 32
"""Successes in a row at the present size before a larger one is tried again."""
_WORKING_RANGE = re.compile(r"\[\s*(0x[0-9a-fA-F]+)\s*,\s*(0x[0-9a-fA-F]+)\s*\]")


class Size:
    """A size that halves when refused and doubles again after a while."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = most
        self._streak = 0

    def refused(self, size: int, works: int | None = None) -> None:
        """The endpoint refused this size; ``works`` is what it says it takes."""
        self.now = max(1, min(self.now, size // 2 if works is None else works))
        self._streak = 0

    def worked(self, size: int) -> None:
        """The endpoint took this size."""
        if size < self.now or self.now == self.most:
            return
        self._streak += 1
        if self._streak >= GROW_AFTER:
            self.now, self._streak = min(self.most, 2 * self.now), 0


class Batched:
    """Splits what is larger than the endpoint takes; a refused batch is sent in halves."""

    def __init__(self, inner: Transport, name: EndpointName, most: int) -> None:
        self._inner = inner
        self._name = name
        self.size = Size(max(1, most))

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """All answers in order."""
        answers: list[object] = []
        while len(answers) < len(requests):
            part = requests[len(answers) : len(answers) + self.size.now]
            try:
                answers += await self._inner.send(part)
            except TooLarge:
                if len(part) == 1:
                    raise Fatal(f"{self._name}: one {part[0][0]} request is too large for it") from None
                self.size.refused(len(part))
            else:
                self.size.worked(len(part))
        return answers


class LogRanges:
    """Splits eth_getLogs over more blocks than the endpoint takes, and joins the answers."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.width = Size(1 << 62)

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """One answer per request, however many it took."""
        plan = [self._pieces(request) for request in requests]
        if all(len(pieces) == 1 for pieces in plan):
            answers = await self._inner.send(requests)
        else:
            answers = await self._inner.send([piece for pieces in plan for piece in pieces])
        left = iter(answers)
        return [await self._joined([(piece, next(left)) for piece in pieces]) for pieces in plan]

    def _pieces(self, request: Request) -> list[Request]:
        found = log_range(request)
        if found is None or found[1] - found[0] < self.width.now:
            return [request]
        first, last = found
        starts = range(first, last + 1, self.width.now)
        return [_within(request, start, min(last, start + self.width.now - 1)) for start in starts]

    async def _joined(self, pieces: list[tuple[Request, object]]) -> object:
        answers: list[object] = []
        for request, answer in pieces:
            found = log_range(request)
            blocks = 1 if found is None else found[1] - found[0] + 1
            if isinstance(answer, RpcFault) and blocks > 1 and answer.too_many_logs:
                self.width.refused(blocks, _advised(answer.message, blocks))
                answer = (await self.send([request]))[0]
            elif found is not None and not isinstance(answer, RpcFault):
                self.width.worked(blocks)
            if isinstance(answer, RpcFault):
                return answer
            answers.append(answer)
        return answers[0] if len(answers) == 1 else _concatenated(answers)


def log_range(request: Request) -> tuple[int, int] | None:
    """First and last block of an eth_getLogs request by numbers; None for anything else."""
    method, params = request
    query: Any = params[0] if method == "eth_getLogs" and params else None
    if not isinstance(query, Mapping):
        return None
    first, last = query.get("fromBlock"), query.get("toBlock")
    try:
        return (int(first, 16), int(last, 16)) if isinstance(first, str) and isinstance(last, str) else None
    except ValueError:
        return None  # a tag


def _within(request: Request, first: int, last: int) -> Request:
    query: Any = request[1][0]
    return request[0], [{**query, "fromBlock": hex(first), "toBlock": hex(last)}]


def _advised(message: str, refused: int) -> int | None:
    """Blocks that the endpoint says it takes: some name a range such as [0x1, 0x7d0] that works."""
    found = _WORKING_RANGE.search(message)
    width = int(found[2], 16) - int(found[1], 16) + 1 if found else 0
    return width if 0 < width < refused else None


def _concatenated(arrays: Sequence[object]) -> msgspec.Raw:
    """One JSON array of the elements of many, without parsing them."""
    inner = [bytes(array).strip()[1:-1] for array in arrays if isinstance(array, msgspec.Raw)]
    return msgspec.Raw(b"[" + b",".join(part for part in inner if part.strip()) + b"]")
