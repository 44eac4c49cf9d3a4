"""Quotes of three providers around one time, for tests of the price layer."""

from decimal import Decimal
from typing import Any

from oracles.params import PriceParams, load_params
from oracles.types import Quote, QuoteGap, Quotes

NOW = 1_700_000_000
PARAMS: PriceParams = load_params()


def a_quote(price: str | Decimal, group: str = "pyth", chain: int = 1, key: str = "ETH", **fields: Any) -> Quote:
    """A quote observed now, with a confidence of 1 bp."""
    value = Decimal(price)
    terms = {
        "source": f"{group}@eip155:{chain}",
        "half_width": value / 10_000 if value.is_finite() else Decimal(0),
        "observed_at": NOW,
        "received_at": float(NOW),
        **fields,
    }
    return Quote(price_key=key, group=group, price=value, **terms)


def a_gap(reason: str, group: str = "uniswap", chain: int = 1, key: str = "ETH", detail: str = "x") -> QuoteGap:
    return QuoteGap(key, f"{group}@eip155:{chain}", group, reason, detail)


def three(chainlink: str, pyth: str, uniswap: str, key: str = "ETH") -> Quotes:
    """One quote by each provider."""
    prices = {"chainlink": chainlink, "pyth": pyth, "uniswap": uniswap}
    return Quotes(tuple(a_quote(price, group, key=key) for group, price in prices.items()))
