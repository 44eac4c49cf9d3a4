"""Exchanges asked by HTTP: the middle of the book, half the spread as width, the exchange's own time or none."""

import asyncio
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chains.types import Cut
from oracles.graph import inverted
from oracles.params import SourceParams
from oracles.sources.books import BadBook, Book, Exchange, Request
from oracles.sources.http import JsonHttp
from oracles.sources.onchain import Unread
from oracles.types import USD, Quote, QuoteGap, Quotes


@dataclass(frozen=True, slots=True)
class Listing:
    """Where an exchange trades a price key."""

    symbol: str
    in_key: str = USD
    """What it is traded against; a stablecoin's own price is composed, never assumed."""
    inverse: bool = False
    """The book prices ``in_key`` in the key: won per dollar for the won."""


def quote_of(
    exchange: str, key: str, listing: Listing, found: Book, received_at: float, poll_s: float, max_age_s: int
) -> Quote:
    """A quote from a book. Without a time of its own it may be as old as the interval between two questions."""
    timed = found.observed_at is not None
    observed = math.floor(received_at - poll_s if found.observed_at is None else found.observed_at)
    price, half_width = (found.bid + found.ask) / 2, (found.ask - found.bid) / 2
    if listing.inverse:
        price, half_width = inverted(price, half_width)
    return Quote(
        price_key=key,
        source=f"{exchange}:{listing.symbol}",
        group=exchange,
        price=price,
        half_width=half_width,
        observed_at=observed,
        received_at=received_at,
        valid_until=observed + max_age_s,
        in_key=listing.in_key,
        timed=timed,
        detail={"bid": f"{found.bid:f}", "ask": f"{found.ask:f}"},
    )


class ExchangeSource:
    """One exchange's books by price key."""

    def __init__(
        self,
        exchange: Exchange,
        http: JsonHttp,
        listings: Mapping[str, Listing],
        params: SourceParams,
        poll_s: float,
    ) -> None:
        self._exchange = exchange
        self._http = http
        self._listings = dict(listings)
        self._params = params
        self._poll_s = poll_s

    @property
    def name(self) -> str:
        """Name of the exchange."""
        return self._exchange.name

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """One quote or gap for each listed key."""
        wanted = {key: listing for key, listing in sorted(self._listings.items()) if key in keys}
        symbols = tuple(dict.fromkeys(listing.symbol for listing in wanted.values()))
        answers = await asyncio.gather(*(self._ask(*item) for item in self._exchange.requests(symbols)))
        books = {symbol: found for answer in answers for symbol, found in answer.items()}
        read = [self._one(key, listing, books[listing.symbol]) for key, listing in wanted.items()]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    async def _ask(self, symbols: tuple[str, ...], request: Request) -> dict[str, tuple[Book, float] | Unread]:
        answer = await self._http.get(*request)
        if isinstance(answer, Unread):
            return dict.fromkeys(symbols, answer)
        found: dict[str, tuple[Book, float] | Unread] = {}
        for symbol in symbols:
            try:
                found[symbol] = self._exchange.decode(answer.body, symbol), answer.received_at
            except BadBook as error:
                found[symbol] = Unread("undecodable", str(error))
        return found

    def _one(self, key: str, listing: Listing, found: tuple[Book, float] | Unread) -> Quote | QuoteGap:
        if isinstance(found, Unread):
            source = f"{self.name}:{listing.symbol}"
            return QuoteGap(key, source, self.name, found.reason, found.detail)
        top, received_at = found
        return quote_of(self.name, key, listing, top, received_at, self._poll_s, self._params.exchange_max_age_s)
