"""Lyra's integers as numbers and words."""

from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Final

_DECIMALS: Final = 18
_EXACT: Final = Context(prec=120)


def exact(raw: int, decimals: int = _DECIMALS) -> Decimal:
    """Whole units without rounding, however many digits: a sign must survive."""
    return Decimal(raw).scaleb(-decimals, _EXACT)


def text(wad: int) -> str:
    """A wad as a plain number."""
    return f"{exact(wad).normalize(_EXACT):f}"


def date(seconds: int) -> str:
    """Unix seconds as a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
