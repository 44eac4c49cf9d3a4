"""What the transport tells whoever counts: endpoints by chain and ordinal, never by URL."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chains.caip import ChainId
from chains.errors import (
    ChainError,
    EndpointLagging,
    EndpointUnreachable,
    RateLimited,
    WrongChainId,
)
from chains.evm.jsonrpc import Request
from chains.protocols import Transport


@dataclass(frozen=True, slots=True)
class EndpointName:
    """One endpoint of a chain as messages and labels name it."""

    chain: ChainId
    ordinal: int
    """Counted from 1 in the order of the settings."""

    def __str__(self) -> str:
        return f"{self.chain} endpoint {self.ordinal}"


class Observer(Protocol):
    """Receiver of measurements."""

    def exchanged(self, endpoint: EndpointName, requests: int, seconds: float, outcome: str) -> None:
        """One send ended: ``ok``, ``unreachable``, ``rate_limited``, ``wrong_chain``, ``lagging``, ``error``."""
        ...

    def changed(self, endpoint: EndpointName, state: str) -> None:
        """The circuit is ``closed``, ``open`` or ``half_open`` now."""
        ...

    def hedged(self, endpoint: EndpointName) -> None:
        """A request was sent to this endpoint because another one was slow."""
        ...


class Silent:
    """Observer of those who do not count."""

    def exchanged(self, endpoint: EndpointName, requests: int, seconds: float, outcome: str) -> None:
        """Nothing."""

    def changed(self, endpoint: EndpointName, state: str) -> None:
        """Nothing."""

    def hedged(self, endpoint: EndpointName) -> None:
        """Nothing."""


class Observed:
    """Transport that reports every send with its duration and outcome."""

    def __init__(self, inner: Transport, name: EndpointName, observer: Observer) -> None:
        self._inner = inner
        self._name = name
        self._observer = observer

    async def send(self, requests: Sequence[Request]) -> list[object]:
        """Pass on."""
        started, outcome = time.monotonic(), "cancelled"
        try:
            answers = await self._inner.send(requests)
            outcome = "ok"
            return answers
        except ChainError as error:
            outcome = _outcome(error)
            raise
        finally:
            self._observer.exchanged(self._name, len(requests), time.monotonic() - started, outcome)


def _outcome(error: ChainError) -> str:
    match error:
        case RateLimited():
            return "rate_limited"
        case WrongChainId():
            return "wrong_chain"
        case EndpointLagging():
            return "lagging"
        case EndpointUnreachable():
            return "unreachable"
        case _:
            return "error"
