"""Sources for tests, demos and replays: prices that stand still, and quotes recorded earlier."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from chains.types import Cut
from oracles.types import Quote, Quotes

GROUP = "static"


class StaticSource:
    """The same prices for ever, as one group: alone it never makes a quorum."""

    def __init__(self, prices: Mapping[str, Decimal], name: str = GROUP) -> None:
        self._prices = dict(prices)
        self._name = name

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """Its prices as of now."""
        return Quotes(
            tuple(
                Quote(key, self._name, self._name, price, Decimal(0), int(received_at), received_at)
                for key, price in sorted(self._prices.items())
                if key in keys
            )
        )


class ReplaySource:
    """Recorded quotes: at any time each series says what it had last observed by then."""

    def __init__(self, recorded: Sequence[Quote], name: str = "replay") -> None:
        self._name = name
        self._series: dict[tuple[str, str], list[Quote]] = {}
        for quote in sorted(recorded, key=lambda q: q.received_at):
            self._series.setdefault((quote.price_key, quote.source), []).append(quote)

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """What had been received by that time."""
        return self.at(keys, received_at)

    def at(self, keys: Collection[str], now_s: float) -> Quotes:
        """The newest quote of each series at a time."""
        found = []
        for (key, _), series in sorted(self._series.items()):
            index = bisect_right([quote.received_at for quote in series], now_s)
            if key in keys and index:
                found.append(replace(series[index - 1]))
        return Quotes(tuple(found))
