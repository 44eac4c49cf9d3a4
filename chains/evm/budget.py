"""Wrappers that keep an endpoint's budget: rate, concurrency, and rest when it asks for it."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Final

from asyncio_throttle.throttler import Throttler

from chains.errors import RateLimited
from chains.evm.jsonrpc import Request, RpcFault
from chains.evm.limits import TransportLimits
from chains.evm.observe import EndpointName
from chains.protocols import Transport

log = logging.getLogger(__name__)

LEAST: Final = 1
"""Requests per second that a process may send which shares an endpoint and has no part of its rate now."""
_FIRST_REST_S: Final = 0.2
REST_CAP_S: Final = 30.0


class Window(Throttler):
    """At most so many per second, or ``LEAST`` after the time for which that was allowed."""

    def __init__(self, most: int) -> None:
        self._most, self._until = most, math.inf
        super().__init__(rate_limit=most, period=1.0)

    def keep_to(self, most: int, for_s: float) -> None:
        """Change what is allowed."""
        self._most, self._until = max(LEAST, most), time.monotonic() + for_s

    @property
    def rate_limit(self) -> int:
        """What is allowed now: the throttler looks each time that it lets something pass."""
        return self._most if time.monotonic() < self._until else LEAST

    @rate_limit.setter
    def rate_limit(self, most: int) -> None:
        self._most = most


class Throttled:
    """At most so many requests per second, each counted by its method's weight."""

    def __init__(self, inner: Transport, limits: TransportLimits) -> None:
        self._inner = inner
        self._limits = limits
        self._window = Window(limits.rate_per_s)
        # Throttler wakes every waiter each 10 ms; behind a lock only the first one polls, and the order is kept.
        self._gate = asyncio.Lock()
        self._arrived = self._waiting = self._wanted = 0
        self._looked_at = time.monotonic()

    @property
    def per_s(self) -> int:
        """What the endpoint takes from all that share it."""
        return self._limits.rate_per_s

    def keep_to(self, part: int, for_s: float) -> None:
        """Spend a part of the rate for so long, then ``LEAST``, for others spend the rest."""
        self._window.keep_to(part, for_s)

    def asked(self) -> int:
        """Requests per second that were wanted since the last call; a burst is forgotten by halves."""
        now = time.monotonic()
        wanted = math.ceil((self._arrived + self._waiting) / max(1.0, now - self._looked_at))
        self._arrived, self._looked_at, self._wanted = 0, now, max(wanted, self._wanted // 2)
        return self._wanted

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Wait for the budget, then pass on."""
        weight = left = sum(self._limits.weight(method) for method, _ in requests)
        self._arrived += weight
        self._waiting += weight
        try:
            async with self._gate:
                while left:
                    await self._window.acquire()  # type: ignore[no-untyped-call]
                    left -= 1
                    self._waiting -= 1
        finally:
            self._waiting -= left
        return await self._inner.send(requests)


class Bounded:
    """At most so many exchanges at once."""

    def __init__(self, inner: Transport, concurrency: int) -> None:
        self._inner = inner
        self._slots = asyncio.Semaphore(concurrency)

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Wait for a slot, then pass on."""
        async with self._slots:
            return await self._inner.send(requests)


class Resting:
    """Obeys rate-limit answers: an endpoint that asked for fewer requests gets none until its time is over.

    Retry-After is obeyed; without one the rest starts at 0.2 s and doubles with every further refusal.
    """

    def __init__(self, inner: Transport, name: EndpointName) -> None:
        self._inner = inner
        self._name = name
        self._until = 0.0
        self._rest_s = _FIRST_REST_S
        self._limited = False

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on; raises RateLimited with the time left while the endpoint rests."""
        left_s = self._until - _now()
        if left_s > 0:
            raise RateLimited(f"{self._name}: rate limited, rests for {left_s:.1f} s more", left_s)
        try:
            answers = await self._inner.send(requests)
        except RateLimited as error:
            rest_s = self._refused(error.retry_after_s)
            raise RateLimited(str(error), rest_s) from None
        if any(isinstance(answer, RpcFault) and answer.rate_limited for answer in answers):
            self._refused(None)
        elif self._limited and _now() >= self._until:
            self._limited, self._rest_s = False, _FIRST_REST_S
            log.info("%s: accepts requests again", self._name)
        return answers

    def _refused(self, retry_after_s: float | None) -> float:
        wanted_s = self._rest_s if retry_after_s is None else retry_after_s
        self._rest_s = min(REST_CAP_S, 2 * self._rest_s)
        self._until = max(self._until, _now() + wanted_s)
        if not self._limited:
            self._limited = True
            log.warning("%s: asks for fewer requests, rests for %.1f s", self._name, wanted_s)
        return wanted_s


def _now() -> float:
    return asyncio.get_running_loop().time()
