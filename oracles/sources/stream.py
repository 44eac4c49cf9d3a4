"""Exchanges by WebSocket: the newest book of each symbol, and when the connection last showed life.

Two clocks that must not be confused: a heartbeat says that the line stands, not that a price is fresh. The
connection is kept up in the background; a quote is whatever came last, with its own time.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import msgspec

from chains.types import Cut
from oracles.params import SourceParams
from oracles.sources.books import BadBook, Book, book, iso_seconds, milliseconds
from oracles.sources.exchange import Listing, quote_of
from oracles.sources.http import Clock
from oracles.types import Quote, QuoteGap, Quotes

MAX_MESSAGE = 1_000_000
SILENCE_S = 30.0
"""Without any message for so long the connection is made anew."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Stream:
    """How one exchange's stream is subscribed to, and how its messages read."""

    name: str
    url: str
    path: Callable[[Sequence[str]], str]
    hello: Callable[[Sequence[str]], Any]
    """Message to send after connecting; None for none."""
    decode: Callable[[Any], tuple[str, Book] | None]
    """Symbol and book of a message, None for heartbeats and the like; raises BadBook."""


def _coinbase(message: Any) -> tuple[str, Book] | None:
    if not isinstance(message, dict) or message.get("type") == "error":
        raise BadBook(f"refused: {message.get('message', '') if isinstance(message, dict) else message!s:.80}")
    if message.get("type") != "ticker":
        return None
    at = iso_seconds(message.get("time"))
    return str(message.get("product_id")), book(message.get("best_bid"), message.get("best_ask"), at)


def _binance(message: Any) -> tuple[str, Book] | None:
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict) or "b" not in data:
        return None
    return str(data.get("s")), book(data.get("b"), data.get("a"), None)


def _kraken(message: Any) -> tuple[str, Book] | None:
    if isinstance(message, dict) and message.get("success") is False:
        raise BadBook(f"refused: {message.get('error', '')!s:.80}")
    if not isinstance(message, dict) or message.get("channel") != "ticker":
        return None
    item = _first(message)
    return str(item.get("symbol")), book(item.get("bid"), item.get("ask"), None)


def _okx(message: Any) -> tuple[str, Book] | None:
    if isinstance(message, dict) and message.get("event") == "error":
        raise BadBook(f"refused: {message.get('msg', '')!s:.80}")
    if not isinstance(message, dict) or "event" in message or "data" not in message:
        return None
    item = _first(message)
    return str(item.get("instId")), book(item.get("bidPx"), item.get("askPx"), milliseconds(item.get("ts")))


def _first(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one entry of ``data``; raises BadBook."""
    data = message.get("data")
    if not isinstance(data, list) or not data or not isinstance(data[0], dict):
        raise BadBook(f"data {data!s:.40} has no entry")
    return data[0]


STREAMS: Mapping[str, Stream] = {
    "coinbase": Stream(
        "coinbase",
        "wss://ws-feed.exchange.coinbase.com",
        lambda _: "/",
        lambda symbols: {"type": "subscribe", "product_ids": list(symbols), "channels": ["ticker", "heartbeat"]},
        _coinbase,
    ),
    "binance": Stream(
        "binance",
        "wss://stream.binance.com:9443",
        lambda symbols: "/stream?streams=" + "/".join(f"{symbol.lower()}@bookTicker" for symbol in symbols),
        lambda _: None,
        _binance,
    ),
    "kraken": Stream(
        "kraken",
        "wss://ws.kraken.com",
        lambda _: "/v2",
        lambda symbols: {
            "method": "subscribe",
            "params": {"channel": "ticker", "event_trigger": "bbo", "symbol": list(symbols)},
        },
        _kraken,
    ),
    "okx": Stream(
        "okx",
        "wss://ws.okx.com:8443",
        lambda _: "/ws/v5/public",
        lambda symbols: {"op": "subscribe", "args": [{"channel": "tickers", "instId": s} for s in symbols]},
        _okx,
    ),
}
"""The tickers of Coinbase and OKX carry a time; Binance's bookTicker does not, and Kraken's is not relied on.

Kraken names its symbols otherwise here than by HTTP (ETH/USD).
"""


class StreamSource:
    """One exchange's stream; runs while it is open (``async with``)."""

    def __init__(
        self, stream: Stream, base_url: str, listings: Mapping[str, Listing], params: SourceParams, clock: Clock
    ) -> None:
        self._stream = stream
        self._base = base_url.rstrip("/")
        self._listings = dict(listings)
        self._params = params
        self._clock = clock
        self._books: dict[str, tuple[Book, float]] = {}
        self._trouble = "not connected yet"
        self._alive_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Name of the exchange and how it is read."""
        return f"{self._stream.name}@stream"

    async def __aenter__(self) -> "StreamSource":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def quotes(self, keys: Collection[str], cut: Cut, received_at: float) -> Quotes:
        """The newest quote of each listed key, or why there is none yet."""
        wanted = [(key, listing) for key, listing in sorted(self._listings.items()) if key in keys]
        read = [self._one(key, listing) for key, listing in wanted]
        return Quotes(
            found=tuple(item for item in read if isinstance(item, Quote)),
            gaps=tuple(item for item in read if isinstance(item, QuoteGap)),
        )

    def _one(self, key: str, listing: Listing) -> Quote | QuoteGap:
        source = f"{self._stream.name}:{listing.symbol}@stream"
        seen = self._books.get(listing.symbol)
        if seen is None:
            return QuoteGap(key, source, self._stream.name, "not_yet", f"no book so far: {self._trouble}")
        top, received = seen
        quote = quote_of(self._stream.name, key, listing, top, received, 0.0, self._params.exchange_max_age_s)
        return replace(quote, source=source, alive_at=self._alive_at)

    async def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            started = self._clock()
            try:
                await self._listen()
                self._trouble = "the other side closed the connection"
            except TimeoutError:
                self._trouble = f"no message for {SILENCE_S:g} s"
            except (aiohttp.ClientError, OSError) as error:
                self._trouble = type(error).__name__
            pause = FIRST_PAUSE_S if self._clock() - started > LONGEST_PAUSE_S else min(2 * pause, LONGEST_PAUSE_S)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _listen(self) -> None:
        symbols = tuple(dict.fromkeys(listing.symbol for listing in self._listings.values()))
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                self._base + self._stream.path(symbols), max_msg_size=MAX_MESSAGE, heartbeat=SILENCE_S / 2
            ) as socket,
        ):
            hello = self._stream.hello(symbols)
            if hello is not None:
                await socket.send_json(hello)
            while True:
                message = await asyncio.wait_for(socket.receive(), SILENCE_S)
                if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                    return
                self._take(message.data)

    def _take(self, raw: str | bytes) -> None:
        """Note one message. One that does not read leaves the last book of its symbol as it was."""
        self._alive_at = self._clock()
        self._trouble = "connected"
        try:
            found = self._stream.decode(msgspec.json.decode(raw))
        except (msgspec.DecodeError, BadBook) as error:
            self._trouble = f"a message did not read: {error}"[:160]
            return
        if found is None:
            return
        symbol, top = found
        before = self._books.get(symbol)
        stamps = (top.observed_at, before[0].observed_at if before else None)
        if stamps[0] is None or stamps[1] is None or stamps[0] >= stamps[1]:
            self._books[symbol] = top, self._alive_at
