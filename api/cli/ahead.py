"""What lies ahead of an account: the three liquidation prices, breach probabilities, the nearest breach."""

from collections.abc import Sequence
from decimal import Decimal

from rich.table import Table
from rich.text import Text

from aggregator.report import MarginReport, ReverseStressLine, VenueLine
from api.cli.words import NONE, UNKNOWN, percent, usd


def ahead(report: MarginReport) -> Table | None:
    """One line per venue account that something is required of; None where there is none."""
    lines = [line for line in report.venues if line.mm_requirement_usd != 0]
    if not lines:
        return None
    table = Table(title="Liquidation price: by the venue alone, all crypto together, of the portfolio as a whole")
    table.title_justify = "left"
    for name in ("venue account", "factor", "venue alone", "all together", "portfolio"):
        table.add_column(name, justify="left" if name in {"venue account", "factor"} else "right")
    for name in ("breach 1 h", "24 h"):
        table.add_column(name, justify="right")
    table.add_column("least unlikely breach")
    for line in lines:
        _add(table, line, report)
    return table


def _add(table: Table, line: VenueLine, report: MarginReport) -> None:
    sub = f" {line.sub_account}" if line.sub_account else ""
    factors = list(line.liquidation_prices) or [NONE]
    own, joint, whole = [], [], []
    for factor in factors:
        prices, unified = line.liquidation_prices.get(factor), report.unified_liquidation.get(factor)
        own.append(_price(prices.own_usd) if prices else NONE)
        joint.append(_price(prices.joint_usd) if prices else NONE)
        whole.append(_price(unified.price_usd) if unified else NONE)
    chances = (percent(line.breach_probability.get(span), 2) for span in ("1h", "24h"))
    columns = ("\n".join(cells) for cells in (factors, own, joint, whole))
    table.add_row(Text(f"{line.venue}{sub} on {line.chain}"), *columns, *chances, nearest(line.reverse_stress))


def _price(value: Decimal | None) -> str:
    """A price that no move reaches is none."""
    return "never" if value is None else usd(value)


def nearest(found: ReverseStressLine | None, shown: int = 3) -> str:
    """The largest moves of the nearest breach and how many daily sigmas away it is."""
    if found is None:
        return UNKNOWN
    moves: Sequence[tuple[str, Decimal]] = sorted(found.moves_pct.items(), key=lambda item: -abs(item[1]))
    told = ", ".join(f"{name} {move:+.1f} %" for name, move in moves[:shown]) or "as it is"
    return f"{told} ({found.daily_sigmas:.1f} daily sigmas)"
