"""A price as text: the interval on an axis, who agreed with it, who did not and why."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aggregator.prices import PriceLine
from oracles.types import PriceStatus

WIDTH = 61
STYLES = {
    PriceStatus.OK: "green",
    PriceStatus.DEGRADED: "yellow",
    PriceStatus.STALE: "magenta",
    PriceStatus.INSUFFICIENT: "magenta",
    PriceStatus.NO_CONSENSUS: "bold red",
    PriceStatus.QUARANTINED: "bold red",
}


def amount(value: Decimal | None) -> str:
    """A price with seven significant digits."""
    if value is None:
        return "none"
    return f"{value:,.2f}" if value >= 1000 else f"{value:.7g}"


def picture(line: PriceLine, *, why: bool = False) -> RenderableType:
    """The price, its picture, and with ``why`` every vote and exclusion in words."""
    span = f"[{amount(line.low_usd)} .. {amount(line.high_usd)}]"
    head = Text.assemble(
        (line.price_key, "bold"), f"  {amount(line.mid_usd)}  {span}  ",
        (line.status.value, STYLES[line.status]), f"  {line.time:%Y-%m-%d %H:%M:%S} UTC",
    )  # fmt: skip
    parts: list[RenderableType] = [head, Text(f"  {line.reason}", style="italic")]
    parts += [Text(f"  ! {note}", style="yellow") for note in line.notes]
    drawn = drawing(line)
    if drawn:
        parts.append(Text("\n".join(drawn)))
    if why:
        parts += [_votes(line), *([_left_out(line)] if line.dissenters else [])]
        if line.facts:
            parts.append(_facts(line))
        parts.append(Text(f"  parameters {line.parameters}, oldest observation {_age(line)}", style="dim"))
    return Group(*parts)


def drawing(line: PriceLine) -> list[str]:
    """Lines of the picture; empty where there is nothing to draw."""
    spans = _spans(line)
    if not spans:
        return []
    low, high = _axis(line, spans)
    if high <= low:
        high = low * Decimal("1.0001") or Decimal(1)

    def place(value: Decimal) -> int:
        return round(float((value - low) / (high - low)) * (WIDTH - 1))

    label = max(len(name) for name, *_ in spans)
    rows = []
    for name, left, middle, right, mark in spans:
        if right < low or left > high:
            side = "<" + " " * (WIDTH - 1) if right < low else " " * (WIDTH - 1) + ">"
            rows.append(f"  {name:<{label}} |{side}| {amount(middle)}")
            continue
        cells = [" "] * WIDTH
        first, last = max(0, place(left)), min(WIDTH - 1, place(right))
        cells[first : last + 1] = ("=" if mark == "#" else "-") * (last + 1 - first)
        cells[min(WIDTH - 1, max(0, place(middle)))] = mark
        rows.append(f"  {name:<{label}} |{''.join(cells)}| {amount(middle)}")
    ends = f"{amount(low)}{amount(high):>{WIDTH - len(amount(low))}}"
    return [*rows, f"  {'':<{label}}  {ends}"]


Span = tuple[str, Decimal, Decimal, Decimal, str]


def _spans(line: PriceLine) -> list[Span]:
    """Name, left, middle, right, mark: the interval first, then votes (o), then dissenters (x)."""
    spans: list[Span] = []
    if line.low_usd is not None and line.mid_usd is not None and line.high_usd is not None:
        spans.append((line.price_key, line.low_usd, line.mid_usd, line.high_usd, "#"))
    for vote in line.contributors:
        price, half = vote.price_usd, vote.half_width_usd
        spans.append((vote.source, price - half, price, price + half, "o"))
    spoken = ((f"{d.source} ({d.reason})", d.price_usd) for d in line.dissenters)
    spans += [(name, said, said, said, "x") for name, said in spoken if said is not None and said > 0]
    return spans


def _axis(line: PriceLine, spans: Sequence[Span]) -> tuple[Decimal, Decimal]:
    """Ends of the axis: all that agree, and of the others those that are not out of sight."""
    agreed = [s for s in spans if s[4] != "x"] or list(spans)
    low, high = min(s[1] for s in agreed), max(s[3] for s in agreed)
    reach = max(high - low, high * Decimal("0.002")) * 4
    seen = [s[2] for s in spans if low - reach <= s[2] <= high + reach]
    low, high = min([low, *seen]), max([high, *seen])
    pad = (high - low) / 20
    return low - pad, high + pad


def _votes(line: PriceLine) -> Table:
    table = Table(title="agreed", title_justify="left")
    for name in ("group", "source", "price", "half width", "share", "observed"):
        table.add_column(name, justify="left" if name in {"group", "source"} else "right")
    for vote in line.contributors:
        age = round(line.time.timestamp()) - vote.observed_at
        width = f"{vote.half_width_usd / vote.price_usd * 10_000:.1f} bps"
        share = f"{vote.share * 100:.0f} %"
        table.add_row(vote.group, vote.source, amount(vote.price_usd), width, share, f"{age} s ago")
    return table


def _left_out(line: PriceLine) -> Table:
    table = Table(title="left out", title_justify="left")
    for name in ("source", "said", "why", "detail"):
        table.add_column(name, justify="right" if name == "said" else "left")
    for item in line.dissenters:
        table.add_row(item.source, amount(item.price_usd), item.reason, item.detail)
    return table


def _facts(line: PriceLine) -> Table:
    table = Table(title="venues' own oracles (facts, no vote)", title_justify="left")
    for name in ("source", "price", "off"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for fact in line.facts:
        off = "?" if fact.off_bps is None else f"{fact.off_bps:+.1f} bps"
        table.add_row(fact.source, amount(fact.price_usd), off)
    return table


def _age(line: PriceLine) -> str:
    return "none" if line.age_s is None else f"{line.age_s} s old"
