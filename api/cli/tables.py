"""Tables of the terminal: the cast at a glance, one report in full."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aggregator.report import MarginReport, VenueLine
from api.cli.ahead import ahead, nearest
from api.cli.words import NONE, duration, percent, ratio, usd
from risk.status import Status

STYLES = {
    Status.SAFE: "green",
    Status.WATCH: "yellow",
    Status.BRIDGE_NOW: "bold dark_orange",
    Status.DELEVERAGE: "bold red",
    Status.LIQUIDATABLE: "bold white on red",
    Status.UNKNOWN: "bold magenta",
}


def status_text(status: Status) -> Text:
    """A status in its colour."""
    return Text(status.value, style=STYLES[status])


COLUMNS: tuple[tuple[str, int, Callable[[MarginReport], str]], ...] = (
    # name, least terminal width that shows it, cell
    ("net value", 110, lambda r: usd(r.net_value_usd)),
    ("isolated", 130, lambda r: usd(r.isolated_buffer_usd)),
    ("netted", 130, lambda r: usd(r.netted_buffer_usd)),
    ("unified", 0, lambda r: usd(r.unified_buffer_usd)),
    ("latency add-on", 0, lambda r: usd(r.bridge_latency_addon_usd)),
    ("requirement", 95, lambda r: usd(r.mm_requirement_usd)),
    ("excess", 0, lambda r: usd(r.mm_excess_usd)),
    ("ratio", 90, lambda r: _ratio_of(r)),
)
LEAST_REASON = 24
"""Fewer characters than this say nothing: then the reason is left to the alerts and to ``margin``."""


def overview(reports: Iterable[MarginReport], width: int = 200) -> Table:
    """One line per portfolio, most urgent first; a narrow terminal gets the columns that matter most."""
    ordered = sorted(reports, key=lambda report: (-report.status.severity, report.portfolio.name))
    chosen = [(name, cell) for name, least, cell in COLUMNS if width >= least]
    rows = [[r.portfolio.name, r.status.value, *(cell(r) for _, cell in chosen)] for r in ordered]
    heads = ["portfolio", "status", *(name for name, _ in chosen)]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    # Each column takes its width and three for its border and padding. The reason gets what is left, cut here:
    # rich would take the room from the figures instead.
    left = width - sum(widths) - 3 * (len(widths) + 1) - 1
    table = Table(title="Unified margin of every portfolio (US dollars)", title_justify="left")
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i > 1 else "left", no_wrap=True)
    if left >= LEAST_REASON:
        table.add_column("reason", no_wrap=True)
    for r, (name, _, *cells) in zip(ordered, rows, strict=True):
        reason = [shortened(r.status_reason, left)] if left >= LEAST_REASON else []
        table.add_row(name, status_text(r.status), *cells, *reason)
    return table


def shortened(text: str, length: int) -> str:
    """Text of at most ``length`` characters, the end as an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def full(report: MarginReport) -> RenderableType:
    """Everything about one portfolio."""
    head = Text.assemble(
        report.portfolio.name, "  ", status_text(report.status), "  ", (report.status_reason, "italic")
    )
    parts: list[RenderableType] = [head, _totals(report), _venues(report.venues)]
    if (to_come := ahead(report)) is not None:
        parts.append(to_come)
    if report.reverse_stress is not None:
        parts.append(f"Least unlikely breach of any account: {nearest(report.reverse_stress)}")
    if report.data_quality.degraded:
        lines = [f"  {item.what}: {item.reason}" for item in report.data_quality.degraded]
        parts.append(Text("Not known or degraded:\n" + "\n".join(lines), style="magenta"))
    parts.append(Text(_origin(report), style="dim"))
    return Group(*parts)


def model_errors(reports: Sequence[MarginReport]) -> Table:
    """Worst difference between our figures and the venues' own answers, by venue and chain."""
    table = Table(title="Our figures against the venues' own contracts", title_justify="left")
    for name, justify in (("venue", "left"), ("chain", "left"), ("accounts", "right"), ("checks", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("worst relative error", justify="right")
    grouped: dict[tuple[str, str], list[VenueLine]] = {}
    for line in (line for report in reports for line in report.venues if line.own_checks):
        grouped.setdefault((line.venue, line.chain), []).append(line)
    for (venue, chain), lines in sorted(grouped.items()):
        worst = max((line.model_vs_venue_rel_error or Decimal(0)) for line in lines)
        checks = sum(len(line.own_checks) for line in lines)
        table.add_row(venue, chain, str(len(lines)), str(checks), f"{worst:.1e}" if worst else "0")
    return table


def _totals(r: MarginReport) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 3, 0, 0))
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(justify="left")
    table.add_column(justify="right")
    left = (
        ("net value", usd(r.net_value_usd)),
        ("equity (venues' rules)", usd(r.equity_usd)),
        ("venues' maintenance", usd(r.venue_maintenance_usd)),
        ("surplus", usd(r.surplus_usd)),
        ("requirement", usd(r.mm_requirement_usd)),
        ("excess", usd(r.mm_excess_usd)),
        ("ratio (1 = limit)", _ratio_of(r, 3)),
        ("initial requirement", usd(r.im_requirement_usd)),
        ("capital freed", usd(r.capital_freed_usd)),
        ("latency loss of netting", percent(r.efficiency.latency_loss)),
    )
    addons = r.addons
    right = (
        ("isolated buffer", usd(r.isolated_buffer_usd)),
        ("netted buffer", usd(r.netted_buffer_usd)),
        ("unified buffer", usd(r.unified_buffer_usd)),
        ("  of it bridge latency", usd(r.bridge_latency_addon_usd)),
        ("stress floor of the buffer", usd(r.stress_floor_usd)),
        ("oracle uncertainty", usd(addons.oracle_uncertainty_usd)),
        ("concentration", usd(addons.concentration_usd)),
        ("depeg and basis", usd(addons.depeg_basis_usd)),
        ("correlation break", usd(addons.correlation_break_usd)),
        ("liquidation penalty + in flight", usd(_sum(addons.liquidation_penalty_usd, addons.in_flight_usd))),
    )
    rows = [(*one, *other) for one, other in zip(left, right, strict=True)]
    for row in rows:
        table.add_row(*row)
    return table


def _sum(*amounts: Decimal | None) -> Decimal | None:
    """The sum, unknown where a part is."""
    return None if None in amounts else sum((a for a in amounts if a is not None), Decimal(0))


def _ratio_of(r: MarginReport, digits: int = 2) -> str:
    """The ratio; a dash where nothing is required, so that there is none."""
    return NONE if r.mm_requirement_usd == 0 else ratio(r.margin_ratio, digits)


def _venues(lines: Sequence[VenueLine]) -> Table:
    table = Table()
    for name in ("venue account", "status"):
        table.add_column(name)
    numbers = ("equity", "requirement", "surplus", "health", "liquidation at", "TTL", "TTF", "rescue", "floor")
    for name in (*numbers, "error"):
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(*_venue_cells(line))
    return table


def _venue_cells(line: VenueLine) -> tuple[RenderableType, ...]:
    sub = f" {line.sub_account}" if line.sub_account else ""
    name, error = f"{line.venue}{sub} on {line.chain}", line.model_vs_venue_rel_error
    money = (usd(line.equity_usd), usd(line.mm_requirement_usd), usd(line.surplus_usd))
    last = (usd(line.local_floor_usd), NONE if error is None else f"{error:.0e}")
    if line.mm_requirement_usd == 0:  # nothing is required: there is no liquidation to speak of
        return (name, status_text(line.status), *money, *(NONE,) * 5, *last)
    rescue = (_ttl(line), _ttf(line), percent(line.rescue_probability))
    return (name, status_text(line.status), *money, ratio(line.health), _distances(line), *rescue, *last)


def _distances(line: VenueLine) -> str:
    found = [f"{name} {move:+.1f} %" for name, move in line.distance_to_liquidation.items() if move is not None]
    return "\n".join(found) or NONE


def _ttl(line: VenueLine) -> str:
    return f"> {duration(line.ttl_exceeds_s)}" if line.ttl_exceeds_s is not None else duration(line.ttl_s)


def _ttf(line: VenueLine) -> str:
    return "never" if line.ttf_reachable is False else duration(line.ttf_s)


def _origin(report: MarginReport) -> str:
    blocks = ", ".join(f"{chain} block {block.number}" for chain, block in report.as_of.blocks.items())
    model = report.model
    return (
        f"as of {report.as_of.time:%Y-%m-%d %H:%M:%S} UTC, {blocks}, skew {report.as_of.max_skew_s} s; "
        f"model {model.id} {model.version} ({model.params_hash[:12]}); report {report.id}"
    )
