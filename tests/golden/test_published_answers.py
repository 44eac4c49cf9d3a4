"""Answers that the providers print in their own documents, as the sources read them.

Origins: Binance, spot API documents, 24hr ticker statistics (symbol BNBBTC); Coinbase Exchange, reference of "Get
product ticker" (trade 86326522); Kraken, Ticker of XXBTZUSD as kept in the README of the package bitex-kraken;
OKX, API v5, "Get ticker" (ts 1620289117764); Hermes, page "Hermes" of docs.pyth.network (ETH/USD at 1692110601,
there in the older list without its wrapper ``parsed``).
"""

from decimal import Decimal
from typing import Any

import pytest

from chains.types import Cut
from oracles.params import SourceParams
from oracles.sources.books import EXCHANGES, Book
from oracles.sources.hermes import HermesSource
from oracles.sources.http import Answer

BINANCE = [
    {
        "symbol": "BNBBTC", "priceChange": "-94.99999800", "priceChangePercent": "-95.960",
        "weightedAvgPrice": "0.29628482", "prevClosePrice": "0.10002000", "lastPrice": "4.00000200",
        "lastQty": "200.00000000", "bidPrice": "4.00000000", "bidQty": "100.00000000", "askPrice": "4.00000200",
        "askQty": "100.00000000", "openTime": 1499783499040, "closeTime": 1499869899040, "firstId": 28385,
        "lastId": 28460, "count": 76,
    }
]  # fmt: skip
COINBASE = {
    "trade_id": 86326522, "price": "6268.48", "size": "0.00698254", "time": "2020-03-20T00:22:57.833Z",
    "bid": "6265.15", "ask": "6267.71", "volume": "53602.03940154", "rfq_volume": "123.122",
}  # fmt: skip
KRAKEN = {
    "error": [],
    "result": {
        "XXBTZUSD": {
            "a": ["3809.10000", "1", "1.000"], "b": ["3809.00000", "1", "1.000"],
            "c": ["3809.60000", "0.11007700"], "v": ["1378.29558699", "4120.69226171"],
            "p": ["3798.72908", "3797.90051"], "t": [1960, 5958], "l": ["3776.90000", "3775.80000"],
            "h": ["3817.60000", "3819.30000"], "o": "3796.20000",
        }
    },
}  # fmt: skip
OKX = {
    "code": "0",
    "msg": "",
    "data": [{
        "instType": "SWAP", "instId": "BTC-USD-SWAP", "last": "56956.1", "lastSz": "3", "askPx": "56959.1",
        "askSz": "10582", "bidPx": "56959", "bidSz": "4552", "open24h": "55926", "high24h": "57641.1",
        "low24h": "54570.1", "volCcy24h": "81137.755", "vol24h": "46258703", "ts": "1620289117764",
    }],
}  # fmt: skip
ETH_USD = "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
HERMES = {
    "parsed": [{
        "id": ETH_USD,
        "price": {"price": "184136023127", "conf": "177166324", "expo": -8, "publish_time": 1692110601},
        "ema_price": {"price": "184100641000", "conf": "178704085", "expo": -8, "publish_time": 1692110601},
    }]
}  # fmt: skip


@pytest.mark.parametrize(
    ("exchange", "symbol", "body", "bid", "ask", "at"),
    [
        ("binance", "BNBBTC", BINANCE, "4.00000000", "4.00000200", 1499869899.040),
        ("coinbase", "BTC-USD", COINBASE, "6265.15", "6267.71", 1584663777.833),
        ("kraken", "XXBTZUSD", KRAKEN, "3809.00000", "3809.10000", None),
        ("okx", "BTC-USD-SWAP", OKX, "56959", "56959.1", 1620289117.764),
    ],
)
def test_a_published_ticker(exchange: str, symbol: str, body: Any, bid: str, ask: str, at: float | None) -> None:
    assert EXCHANGES[exchange].decode(body, symbol) == Book(Decimal(bid), Decimal(ask), at)


class Printed:
    """Answers with what is printed."""

    async def get(self, path: str, query: object) -> Answer:
        assert path == "/v2/updates/price/latest"
        return Answer(HERMES, 1692110603.5)


async def test_a_published_price_of_hermes() -> None:
    (quote,) = (
        await HermesSource(Printed(), {"ETH": "0x" + ETH_USD}, SourceParams()).quotes({"ETH"}, Cut({}), 0.0)
    ).found
    assert (quote.price, quote.half_width) == (Decimal("1841.36023127"), Decimal("1.77166324"))
    assert (quote.observed_at, quote.received_at, quote.group) == (1692110601, 1692110603.5, "pyth")
