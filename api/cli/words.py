"""Numbers for people: dollars, durations, percentages. Nothing unknown is shown as a number."""

from decimal import Decimal

UNKNOWN = "?"
"""What stands where a figure is not known."""
NONE = "-"
"""What stands where there is no such figure: no requirement, no liquidation, no check."""


def usd(value: Decimal | None) -> str:
    """Whole dollars with separators; cents below 100."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def ratio(value: Decimal | None, digits: int = 3) -> str:
    """A ratio; ``?`` where it is not known or not defined."""
    if value is None:
        return UNKNOWN
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def percent(value: Decimal | None, digits: int = 1) -> str:
    """A fraction as per cent."""
    return UNKNOWN if value is None else f"{value * 100:.{digits}f} %"


def duration(seconds: Decimal | float | None) -> str:
    """Seconds in the unit that reads best."""
    if seconds is None:
        return UNKNOWN
    value = float(seconds)
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} s"
