"""From exact quotes to the kernel's arrays: the only crossing from Decimal to float64 in the price layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from oracles.kernel import Table, Terms
from oracles.memory import Memory
from oracles.params import PriceClass, PriceParams
from oracles.types import Quote

BPS = Decimal(10_000)
DAY_S = Decimal(86_400)
MAX_EXPONENT = 30
"""Decimal exponents beyond that are a wrong scale, not a price."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Quotes by key; a key's n-th quote stands in slot n of its column."""

    keys: Sequence[str]
    quotes: Sequence[Sequence[Quote]]
    memory: Memory


def invalid(quote: Quote) -> str | None:
    """Why the source's own figures cannot be a price."""
    if not quote.price.is_finite() or quote.price <= 0:
        return f"price is {quote.price}, expected a positive number"
    if abs(quote.price.adjusted()) >= MAX_EXPONENT:
        return f"price has the magnitude 1e{quote.price.adjusted()}"
    if not quote.half_width.is_finite() or quote.half_width < 0 or quote.half_width > quote.price:
        return f"half width is {quote.half_width}, expected 0 up to the price"
    return None


def outlived_s(quote: Quote, now_s: float) -> int:
    """How long ago the source's own bound ended."""
    holds_until = quote.observed_at if quote.holds_until is None else quote.holds_until
    return max(0, int(now_s) - holds_until)


def widened(quote: Quote, now_s: float, kind: PriceClass) -> Quote:
    """The quote with the drift of the market since its own bound ended, and never tighter than the floor."""
    drift = Decimal(kind.drift_bps_per_sqrt_day) / BPS * (outlived_s(quote, now_s) / DAY_S).sqrt()
    width = quote.half_width + quote.price * drift
    return replace(quote, half_width=max(width, quote.price * kind.floor_bps / BPS))


def table_of(slots: Slots, now_s: float, params: PriceParams) -> Table:
    """Arrays of all quotes; empty slots have no price and the group -1."""
    shape = (max(1, *(len(found) for found in slots.quotes)) if slots.quotes else 1, len(slots.keys))
    blank = Table(
        price=np.full(shape, np.nan),
        half_width=np.full(shape, np.nan),
        age_s=np.full(shape, np.nan),
        outlived_s=np.full(shape, np.nan),
        limit_s=np.full(shape, np.nan),
        weight=np.zeros(shape),
        group=np.full(shape, -1, dtype=np.int64),
        was_outside=np.zeros(shape, dtype=np.bool_),
    )
    for column, (key, found) in enumerate(zip(slots.keys, slots.quotes, strict=True)):
        kind, groups = params.class_of(key), sorted({quote.group for quote in found})
        for row, quote in enumerate(found):
            limit = kind.max_age_s if quote.valid_until is None else quote.valid_until - quote.observed_at
            blank.price[row, column] = float(quote.price)
            blank.half_width[row, column] = float(quote.half_width)
            blank.age_s[row, column] = now_s - quote.observed_at
            blank.outlived_s[row, column] = outlived_s(quote, now_s)
            blank.limit_s[row, column] = limit
            blank.weight[row, column] = 1.0 if quote.timed else params.gate.untimed_weight_pct / 100
            blank.group[row, column] = groups.index(quote.group)
            blank.was_outside[row, column] = slots.memory.group(key, quote.group).outside
    return blank


def terms_of(keys: Sequence[str], params: PriceParams) -> Terms:
    """Parameters of each key's class as ratios."""
    kinds = [params.class_of(key) for key in keys]
    return Terms(
        quorum=np.array([kind.quorum for kind in kinds], dtype=np.int64),
        band=np.array([kind.band_bps / 10_000 for kind in kinds]),
        floor=np.array([kind.floor_bps / 10_000 for kind in kinds]),
        max_width=np.array([kind.max_width_bps / 10_000 for kind in kinds]),
        drift_per_sqrt_day=np.array([kind.drift_bps_per_sqrt_day / 10_000 for kind in kinds]),
    )
