"""Several endpoints as one: the first that works, a second one when it is slow, another round when none did."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from chains.caip import ChainId
from chains.errors import EndpointError, EndpointUnreachable, RateLimited, WrongChainId
from chains.evm.breaker import Breaker
from chains.evm.budget import REST_CAP_S
from chains.evm.jsonrpc import Fatal, Request, RpcFault, is_null, is_safe
from chains.evm.limits import TransportLimits
from chains.evm.observe import Observer

log = logging.getLogger(__name__)

_IN_PARALLEL: Final = 2
_PATIENCE: Final = 1.5
"""A send gives up after so many timeouts, whatever rounds are left."""

_UNSAID_REST_S: Final = 0.25
_LOOK_AFTER_S: Final = 10.0
"""How often the head of an endpoint that is not in use is asked."""

Failures = dict[int, EndpointError]


class Failover:
    """Transport over the endpoints of one chain, in the order of the settings as far as they work.

    Requests that only read are asked again elsewhere when they fail, and hedged when they are slow. Anything else
    is sent once, to one endpoint.
    """

    def __init__(
        self, chain: ChainId, endpoints: Sequence[Breaker], limits: TransportLimits, observer: Observer
    ) -> None:
        self._chain = chain
        self.endpoints = tuple(endpoints)
        self._limits = limits
        self._observer = observer
        self._probes: set[asyncio.Task[None]] = set()
        self._asked_at: dict[int, float] = {}

    async def close(self) -> None:
        """Stop the probes."""
        for probe in tuple(self._probes):
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Answers in order.

        Raises EndpointUnreachable, EndpointLagging or RateLimited when no endpoint gave a usable answer,
        WrongChainId when none did and one of them serves another chain.
        """
        self._probe()
        if not all(is_safe(method) for method, _ in requests):
            return await self.order()[0].send(requests)
        answers: list[object] = [None] * len(requests)
        pending, failures = list(range(len(requests))), Failures()
        started = _now()
        for attempt in range(self._limits.rounds):
            given_up = _hopeless(failures)
            pending = await self._round(requests, answers, pending, failures, given_up)
            if not pending:
                return answers
            pause_s = self._pause_s(attempt, failures)
            late = _now() - started + pause_s > _PATIENCE * self._limits.timeout_s
            if attempt + 1 == self._limits.rounds or late or not failures.keys() - _hopeless(failures):
                break
            await asyncio.sleep(pause_s)
        raise summary(failures)

    async def _round(
        self,
        requests: Sequence[Request],
        answers: list[object],
        pending: list[int],
        failures: Failures,
        given_up: set[int],
    ) -> list[int]:
        """Ask what is pending of one endpoint after the other; returns what no endpoint could answer."""
        untried = [endpoint for endpoint in self.order() if endpoint.name.ordinal not in given_up]
        open_questions = pending
        while untried and open_questions:
            try:
                got, winner = await self._race(untried, [requests[i] for i in open_questions], failures)
            except EndpointError:
                break
            for i, answer in zip(open_questions, got, strict=True):
                answers[i] = answer
            if any(_limited(answer) for answer in got):
                failures[winner.name.ordinal] = RateLimited(f"{winner.name}: rate limited")
            open_questions = [i for i in open_questions if _better_elsewhere(answers[i])]
        # What every endpoint that answered does not know is an answer; what was refused or never asked is not.
        return [i for i in pending if answers[i] is None or _limited(answers[i])]

    async def _race(
        self, untried: list[Breaker], requests: Sequence[Request], failures: Failures
    ) -> tuple[list[object], Breaker]:
        """First good answer; who was asked leaves ``untried``. Raises EndpointError where none is left."""
        running: dict[asyncio.Task[list[object]], Breaker] = {}
        hedge_s = self._limits.hedge_after_s
        try:
            while untried or running:
                if untried and (not running or len(running) < _IN_PARALLEL):
                    endpoint = untried.pop(0)
                    if running:
                        self._observer.hedged(endpoint.name)
                    running[asyncio.create_task(endpoint.send(requests))] = endpoint
                may_hedge = untried and len(running) < _IN_PARALLEL
                wait_s = hedge_s if may_hedge else None
                done, _ = await asyncio.wait(running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    endpoint = running.pop(task)
                    if task.cancelled():  # not by this race, which does so on its way out only
                        failures[endpoint.name.ordinal] = EndpointUnreachable(f"{endpoint.name}: broken off")
                        continue
                    try:
                        answers = task.result()
                    except EndpointError as error:
                        failures[endpoint.name.ordinal] = error
                    else:
                        self._outrun(running, endpoint)
                        return answers, endpoint
            raise summary(failures)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _outrun(self, running: Mapping[asyncio.Task[list[object]], Breaker], winner: Breaker) -> None:
        """An endpoint that was asked earlier than the winner and has not answered yet has failed."""
        for other in running.values():
            if self._rank(other) < self._rank(winner):
                name = other.name
                other.failed(EndpointUnreachable(f"{name}: slower than endpoint {winner.name.ordinal}"))

    def order(self) -> list[Breaker]:
        """Endpoints that may be asked: by failures, then as configured; those due for a probe last."""
        usable = [e for e in self.endpoints if not e.is_open or e.probe_due]
        return sorted(usable or self.endpoints, key=self._rank)

    @staticmethod
    def _rank(endpoint: Breaker) -> tuple[int, int]:
        return endpoint.failures, endpoint.name.ordinal

    def _probe(self) -> None:
        """Look after the endpoints that are not asked now, in the background, so that no reader waits for them.

        One that failed is tried again when that is due. One that works is asked for its head now and then: it
        proves its chain before it is needed, and the head of the endpoint in use is compared with something.
        """
        preferred, now = self.order()[0], _now()
        for endpoint in self.endpoints:
            idle = now - self._asked_at.get(endpoint.name.ordinal, -_LOOK_AFTER_S) >= _LOOK_AFTER_S
            if endpoint is not preferred and (endpoint.probe_due if endpoint.failures else idle):
                self._asked_at[endpoint.name.ordinal] = now
                task = asyncio.create_task(_try(endpoint))
                self._probes.add(task)
                task.add_done_callback(self._probes.discard)

    def _pause_s(self, attempt: int, failures: Failures) -> float:
        if failures and all(isinstance(error, RateLimited) for error in failures.values()):
            asked = [getattr(error, "retry_after_s", None) or _UNSAID_REST_S for error in failures.values()]
            return min(*asked, REST_CAP_S)
        ceiling = min(self._limits.backoff_cap_s, self._limits.backoff_s * 2.0**attempt)
        return ceiling * random.uniform(0.5, 1)


async def _try(endpoint: Breaker) -> None:
    """The breaker remembers the outcome."""
    with suppress(EndpointError):
        await endpoint.send([("eth_getBlockByNumber", ["latest", False])])


def _hopeless(failures: Failures) -> set[int]:
    """Endpoints that will not answer another try either."""
    return {ordinal for ordinal, error in failures.items() if isinstance(error, Fatal | WrongChainId)}


def _limited(answer: object) -> bool:
    return isinstance(answer, RpcFault) and answer.rate_limited


def _better_elsewhere(answer: object) -> bool:
    """Whether another endpoint may know more: this one is limited, or does not have the block."""
    return _limited(answer) or is_null(answer) or (isinstance(answer, RpcFault) and answer.unknown_block)


def summary(failures: Mapping[int, EndpointError]) -> EndpointError:
    """The one failure, or one error that tells every endpoint's."""
    errors = [failures[ordinal] for ordinal in sorted(failures)]
    if len(errors) == 1:
        return errors[0]
    wrong = next((error for error in errors if isinstance(error, WrongChainId)), None)
    if wrong is not None:
        return wrong
    kind = (
        RateLimited if errors and all(isinstance(error, RateLimited) for error in errors) else EndpointUnreachable
    )
    return kind("; ".join(map(str, errors)))


def _now() -> float:
    return asyncio.get_running_loop().time()
