"""Order statistics of three votes per source: p - c, p, p + c.

The rule of Pyth's aggregation: quartiles of all votes, the middle one being the price and the wider of both sides
the confidence. Exact for int (halves floored, as Pyth does) and for Decimal.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

Number = TypeVar("Number", int, Decimal)

_INT64 = 2**63
TRADING = 1
MAX_LATENCY_SLOTS = 25


class Quartiles(NamedTuple):
    """25th, 50th and 75th percentile of the votes."""

    low: Decimal
    mid: Decimal
    high: Decimal


class Published(NamedTuple):
    """One publisher's price and confidence, in units of the feed's exponent."""

    price: int
    conf: int
    status: int = TRADING
    age_slots: int = 0


class Aggregate(NamedTuple):
    """Pyth's answer; price and confidence are 0 where it is not ``trading``."""

    price: int
    conf: int
    trading: bool


def quartiles(sources: Sequence[tuple[Number, Number]], halve: Callable[[Number], Number]) -> tuple[Number, ...]:
    """25th, 50th, 75th percentile of the votes of at least one (price, half width).

    With n votes the lower one is number n >> 2 from below, the upper one the same from above.
    """
    votes = sorted(vote for price, width in sources for vote in (price - width, price, price + width))
    edge, middle = len(votes) >> 2, len(votes) >> 1
    mid = votes[middle] if len(votes) % 2 else halve(votes[middle - 1] + votes[middle])
    return votes[edge], mid, votes[len(votes) - 1 - edge]


def decimal_quartiles(sources: Sequence[tuple[Decimal, Decimal]]) -> Quartiles:
    """Quartiles of Decimal prices and half widths."""
    return Quartiles(*quartiles(sources, lambda total: total / 2))


def median_interval(prices: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Lower and upper median: equal for an odd number, the two in the middle for an even one."""
    ordered = sorted(prices)
    return ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]


def aggregate(publishers: Sequence[Published], min_publishers: int = 1) -> Aggregate:
    """Pyth's price of a slot (pyth-client, upd_aggregate.h and price_model.c).

    A publisher counts while trading, with a positive confidence, votes inside int64 and an age of 0 to 25 slots.
    """
    valid = [
        (p.price, p.conf)
        for p in publishers
        if p.status == TRADING
        and 0 < p.conf < _INT64
        and p.conf - _INT64 <= p.price <= _INT64 - 1 - p.conf
        and 0 <= p.age_slots <= MAX_LATENCY_SLOTS
    ]
    if not valid or len(valid) < min_publishers:
        return Aggregate(0, 0, trading=False)
    low, mid, high = quartiles(valid, lambda total: total // 2)
    conf = max(mid - low, high - mid)
    return Aggregate(mid, conf, trading=True) if conf > 0 else Aggregate(0, 0, trading=False)
