"""Best bid and ask of the exchanges as they write them: Binance, Coinbase Exchange, Kraken, OKX.

Pure decoders of documented answers. Binance (24 h ticker: ``closeTime``), Coinbase (``time``) and OKX (``ts``) say
when; Kraken's Ticker does not, and nobody's silence is taken for freshness.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Request = tuple[str, tuple[tuple[str, str], ...]]
"""Path and query."""


class BadBook(ValueError):
    """An answer without a usable book; says what was there."""


@dataclass(frozen=True, slots=True)
class Book:
    """Top of a book."""

    bid: Decimal
    ask: Decimal
    observed_at: float | None
    """Unix seconds by the exchange's clock; None where it tells none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """How one exchange is asked, and how its answers read."""

    name: str
    url: str
    """Its public address; no key is needed."""
    requests: Callable[[Sequence[str]], list[tuple[tuple[str, ...], Request]]]
    """For symbols: which of them each request answers."""
    decode: Callable[[Any, str], Book]
    """Book of one symbol in an answer; raises BadBook."""


def book(bid: Any, ask: Any, observed_at: float | None) -> Book:
    """A book from texts; raises BadBook for one that is empty, crossed or no number."""
    try:
        low, high = Decimal(str(bid)), Decimal(str(ask))
    except InvalidOperation:
        raise BadBook(f"bid {bid!r:.40}, ask {ask!r:.40} are no numbers") from None
    if not (low.is_finite() and high.is_finite()) or low <= 0 or high <= 0:
        raise BadBook(f"bid {low}, ask {high}: one side is empty")
    if low > high:
        raise BadBook(f"crossed book: bid {low} above ask {high}")
    return Book(low, high, observed_at)


def _each(path: Callable[[str], Request]) -> Callable[[Sequence[str]], list[tuple[tuple[str, ...], Request]]]:
    return lambda symbols: [((symbol,), path(symbol)) for symbol in symbols]


def _field(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or name not in body:
        raise BadBook(f"no field {name!r} in the answer")
    return body[name]


def milliseconds(value: Any) -> float:
    """Unix seconds of unix milliseconds; raises BadBook."""
    try:
        return int(value) / 1000
    except (TypeError, ValueError):
        raise BadBook(f"time {value!r:.40} is not in milliseconds") from None


def _binance_requests(symbols: Sequence[str]) -> list[tuple[tuple[str, ...], Request]]:
    listed = "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"
    return [(tuple(symbols), ("/api/v3/ticker/24hr", (("symbols", listed),)))] if symbols else []


def _binance(body: Any, symbol: str) -> Book:
    if isinstance(body, dict) and "msg" in body:
        raise BadBook(f"refused: {body['msg']!s:.80}")
    for item in body if isinstance(body, list) else ():
        if isinstance(item, dict) and item.get("symbol") == symbol:
            at = milliseconds(_field(item, "closeTime"))
            return book(_field(item, "bidPrice"), _field(item, "askPrice"), at)
    raise BadBook(f"no {symbol} in the answer")


def _coinbase(body: Any, symbol: str) -> Book:
    return book(_field(body, "bid"), _field(body, "ask"), iso_seconds(_field(body, "time")))


def iso_seconds(text: Any) -> float:
    """Unix seconds of an ISO time with zone; raises BadBook."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise BadBook(f"time {text!r:.40} is not ISO 8601") from None
    if at.tzinfo is None:
        raise BadBook(f"time {text!r:.40} has no zone")
    return at.timestamp()


def _kraken_requests(symbols: Sequence[str]) -> list[tuple[tuple[str, ...], Request]]:
    return [(tuple(symbols), ("/0/public/Ticker", (("pair", ",".join(symbols)),)))] if symbols else []


def _kraken(body: Any, symbol: str) -> Book:
    if errors := _field(body, "error"):
        raise BadBook(f"refused: {errors!s:.80}")
    item = _field(_field(body, "result"), symbol)
    try:
        return book(_field(item, "b")[0], _field(item, "a")[0], None)
    except (IndexError, TypeError):
        raise BadBook("a and b are not lists") from None


def _okx(body: Any, symbol: str) -> Book:
    if str(_field(body, "code")) != "0":
        raise BadBook(f"refused: code {body['code']!s:.20} {body.get('msg', '')!s:.80}")
    for item in _field(body, "data"):
        if isinstance(item, dict) and item.get("instId") == symbol:
            return book(_field(item, "bidPx"), _field(item, "askPx"), milliseconds(_field(item, "ts")))
    raise BadBook(f"no {symbol} in the answer")


EXCHANGES: Mapping[str, Exchange] = {
    exchange.name: exchange
    for exchange in (
        Exchange("binance", "https://api.binance.com", _binance_requests, _binance),
        Exchange(
            "coinbase",
            "https://api.exchange.coinbase.com",
            _each(lambda symbol: (f"/products/{symbol}/ticker", ())),
            _coinbase,
        ),
        Exchange("kraken", "https://api.kraken.com", _kraken_requests, _kraken),
        Exchange("okx", "https://www.okx.com", _each(lambda s: ("/api/v5/market/ticker", (("instId", s),))), _okx),
    )
}
"""By name. A Kraken symbol is the name that its answers use (XXBTZUSD, not XBTUSD)."""
