"""Back from float64 to Decimal: requirements round up, equity and surplus round down, at a micro-dollar."""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from math import isfinite

MICRO = Decimal("0.000001")
WIDE = Context(prec=400)
"""Wide enough for any amount that fits a float64; its flags are nobody's, so threads may share it."""


def down(value: float | Decimal) -> Decimal:
    """Equity, surplus, value: against the account is down."""
    return _quantised(value, ROUND_FLOOR)


def up(value: float | Decimal) -> Decimal:
    """Requirements, buffers, add-ons: against the account is up."""
    return _quantised(value, ROUND_CEILING)


def nearest(value: float | Decimal) -> Decimal:
    """Ratios, times, distances."""
    return _quantised(value, ROUND_HALF_EVEN)


def each_up(values: Iterable[float]) -> list[Decimal]:
    """Many requirements at once."""
    return [_quantised(value, ROUND_CEILING) for value in values]


def each_down(values: Iterable[float]) -> list[Decimal]:
    """Many surpluses at once."""
    return [_quantised(value, ROUND_FLOOR) for value in values]


def finite(value: float) -> Decimal | None:
    """Nearest decimal of a number, None where it is infinite or no number."""
    return nearest(value) if isfinite(value) else None


def _quantised(value: float | Decimal, rounding: str) -> Decimal:
    exact = value if isinstance(value, Decimal) else Decimal(value)
    return exact.quantize(MICRO, rounding, WIDE)
