"""Composed prices: a quote in another key times that key's own reconciled price, as a graph of price keys.

A staked token quoted in ether, a coin quoted in a stablecoin: the leg is never assumed (a stablecoin is not a
dollar) and never a single source's. Widths by interval arithmetic, time of the oldest leg, path in the answer.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from oracles.types import USD, Quote, QuoteGap, ReconciledPrice


def levels(edges: Iterable[tuple[str, str]], keys: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Keys in an order in which every leg comes first; keys that depend on themselves come last.

    ``edges`` are (price key, key that it is quoted in).
    """
    needs: dict[str, set[str]] = {key: set() for key in keys}
    for key, leg in edges:
        if leg != USD:
            needs.setdefault(key, set()).add(leg)
    found: list[tuple[str, ...]] = []
    while needs:
        ready = tuple(sorted(key for key, legs in needs.items() if not legs & needs.keys()))
        if not ready:
            found.append(tuple(sorted(needs)))
            break
        found.append(ready)
        needs = {key: legs for key, legs in needs.items() if key not in ready}
    return tuple(found)


def composed(quote: Quote, prices: Mapping[str, ReconciledPrice]) -> Quote | QuoteGap:
    """The quote in US dollars, or the gap that a leg without a price leaves."""
    if quote.in_key == USD:
        return quote
    leg = prices.get(quote.in_key)
    if leg is None or leg.low is None or leg.mid is None or leg.high is None or leg.observed_at is None:
        why = "nobody quotes it in US dollars" if leg is None else f"{leg.status}: {leg.reason}"
        return QuoteGap(quote.price_key, quote.source, quote.group, "no_leg", f"no price of {quote.in_key}: {why}")
    if not quote.price.is_finite() or not quote.half_width.is_finite():
        return replace(quote, in_key=USD)
    price = quote.price * leg.mid
    low, high = (quote.price - quote.half_width) * leg.low, (quote.price + quote.half_width) * leg.high
    spoken = ", ".join(vote.source for vote in leg.contributors)
    return replace(
        quote,
        in_key=USD,
        price=price,
        half_width=max(price - low, high - price, Decimal(0)),
        observed_at=min(quote.observed_at, leg.observed_at),
        holds_until=quote.observed_at if quote.holds_until is None else quote.holds_until,
        valid_until=quote.valid_until,
        detail={
            **quote.detail,
            f"{quote.price_key}/{quote.in_key}": f"{quote.price:f} +- {quote.half_width:f} by {quote.source}",
            f"{quote.in_key}/{USD}": f"{leg.mid:f} [{leg.low:f}, {leg.high:f}] {leg.status} by {spoken}",
        },
    )  # fmt: skip


def inverted(price: Decimal, half_width: Decimal) -> tuple[Decimal, Decimal]:
    """Price and half width the other way round; the interval contains the inverse of every point."""
    middle = 1 / price
    lowest = price - half_width
    return middle, (1 / lowest - middle if lowest > 0 else middle)
