"""How the endpoints of one chain may be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

WEIGHTS: Final[Mapping[str, int]] = MappingProxyType({"eth_getLogs": 3, "eth_getProof": 3, "eth_simulateV1": 5})
"""Requests that count more than once against the rate; traces count ten times."""
TRACE_WEIGHT: Final = 10


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Budget and patience, per endpoint unless said otherwise."""

    rate_per_s: int = 200
    """Requests per second, every element of a batch counted by its method's weight."""
    concurrency: int = 8
    """Exchanges under way at once."""
    batch: int = 100
    """Requests per exchange at most; less where an endpoint refuses that."""
    timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    rounds: int = 3
    """Passes over all endpoints before a send gives up."""
    backoff_s: float = 0.1
    backoff_cap_s: float = 5.0
    hedge_after_s: float | None = 1.0
    """A second endpoint is asked too when the first has not answered by then; None: never."""
    failures_to_open: int = 3
    """Failures in a row after which an endpoint is left alone."""
    open_s: float = 0.5
    """How long at first; doubles with every failed probe up to ``open_cap_s``."""
    open_cap_s: float = 30.0
    max_lag_blocks: int = 3
    max_lag_s: int = 3
    """A head behind another endpoint's by more than both (blocks, seconds of block time) is refused."""
    agree: int = 1
    """Endpoints that must give the same answer to a read at a named block; 1 trusts each of them."""
    weights: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)

    def weight(self, method: str) -> int:
        """What one request of the method counts."""
        if method.startswith(("debug_", "trace_")):
            return TRACE_WEIGHT
        return self.weights.get(method, 1)
