"""What the price layer asks of a source."""

from collections.abc import Collection
from typing import Protocol

from chains.types import Cut
from oracles.types import Quotes
from oracles.vols import Vols


class PriceSource(Protocol):
    """Quotes of one provider on one chain (or host); every failure is a gap, never an exception or a number."""

    @property
    def name(self) -> str:
        """Unique, for example ``chainlink@eip155:10``."""
        ...

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """Quotes and gaps of those keys that this source is configured for, at the cut's block of its chain."""
        ...


class VolSource(Protocol):
    """Implied volatilities of one underlying at one venue; every failure is a gap."""

    async def surface(self, cut: Cut) -> Vols:
        """Volatilities at the cut's block of the venue's chain."""
        ...
