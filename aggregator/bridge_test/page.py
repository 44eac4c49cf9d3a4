"""The result of ``crossmargin backtest bridges`` as one HTML file: tables and plots, no script, nothing loaded."""

from collections.abc import Iterable, Sequence
from html import escape

from aggregator.bridge_test.past import PastResult
from risk.coverage import CONTROL_LEAST, MOST, Bound, Outcome

WIDTH, LABEL, ROW = 860, 330, 17
_STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.15rem .7rem;border-bottom:1px solid #8884}
td.n{text-align:right;font-variant-numeric:tabular-nums}.ok{color:#1a7f37}.bad{color:#d1242f;font-weight:600}
svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}
"""


def page(outcomes: Sequence[Outcome], past: PastResult | None, seed: int, history: str = "") -> str:
    """Return the whole page."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Bridge acceptance test</title>",
        f"<style>{_STYLE}</style><h1>Bridges: is the margin enough while help is on its way?</h1>",
        _simulation(outcomes, seed),
    ]
    if past is not None:
        parts += [_out_of_sample(past, history), _pairs(past), _episodes(past)]
    return "".join(parts) + "</html>\n"


def _percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %"


def _verdict(good: bool) -> str:
    return f"<span class='{'ok' if good else 'bad'}'>{'pass' if good else 'FAIL'}</span>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; those that begin with a digit are set as numbers."""
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if c[:1].isdigit() else ''}>{c}</td>" for c in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>{body}</table>"


def _bars(rows: Sequence[tuple[str, float, float, float, str]], most: float, lines: Sequence[float]) -> str:
    """Horizontal bars (label, value, low, high, colour) with interval whiskers and dashed bounds."""
    height = ROW * len(rows) + 24
    scale = (WIDTH - LABEL - 70) / most

    def x(value: float) -> float:
        return LABEL + scale * min(value, most)

    drawn = []
    for index, (label, value, low, high, colour) in enumerate(rows):
        y = ROW * index + 4
        drawn.append(
            f"<text x='{LABEL - 8}' y='{y + 11}' text-anchor='end'>{escape(label)}</text>"
            f"<rect x='{LABEL}' y='{y + 2}' width='{x(value) - LABEL:.1f}' height='11' fill='{colour}'/>"
            f"<path d='M{x(low):.1f} {y + 7.5}H{x(high):.1f}' stroke='currentColor' stroke-width='1.2'/>"
            f"<text x='{x(max(value, high)) + 5:.1f}' y='{y + 11}'>{_percent(value)}</text>"
        )
    drawn += [
        f"<path d='M{x(line):.1f} 0V{height - 18}' stroke='#d1242f' stroke-dasharray='4 3'/>"
        f"<text x='{x(line):.1f}' y='{height - 5}' text-anchor='middle'>{_percent(line, 1)}</text>"
        for line in lines
    ]
    return f"<svg viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' role='img'>{''.join(drawn)}</svg>"


def _simulation(outcomes: Sequence[Outcome], seed: int) -> str:
    ours = [o for o in outcomes if o.bound is not Bound.CONTROL]
    controls = [o for o in outcomes if o.bound is Bound.CONTROL]
    bars = [(o.name, o.rate, o.low, o.high, "#4c8dd6" if o.passed else "#d1242f") for o in ours]
    wrong = [(o.name, o.rate, o.low, o.high, "#b08a3c") for o in controls]
    rows = [
        (escape(o.name), o.bound.value, f"{o.paths:,}", _percent(o.rate),
         f"{_percent(o.low)} to {_percent(o.high)}", _percent(o.any_rate), _verdict(o.passed))
        for o in outcomes
    ]  # fmt: skip
    head = ("cell", "bound", "days simulated", "worst venue", "99 % interval", "any venue", "")
    return (
        f"<h2>Simulated keepers (seed {seed})</h2><p>Share of days on which a venue is knocked out; target 1 %, "
        f"bound {_percent(MOST, 1)}. Bars are the venue that fares worst, whiskers its 99 % interval.</p>"
        + _bars(bars, 0.025, [0.01, MOST])
        + f"<h3>Rules that are known to be wrong: each has to exceed {_percent(CONTROL_LEAST, 0)}</h3>"
        + _bars(wrong, 1.0, [CONTROL_LEAST])
        + _table(head, rows)
    )


def _out_of_sample(past: PastResult, history: str) -> str:
    years = [
        (str(y.year), f"{y.lag_s / 3600:g} h", _percent(y.mean), _percent(y.worst), escape(y.worst_asset),
         _verdict(past.year_passed(y)))
        for y in past.years
    ]  # fmt: skip
    control = [(str(y.year), f"{y.lag_s / 3600:g} h", _percent(y.mean), _percent(y.worst)) for y in past.control]
    rows = [
        (escape(r.asset), str(r.year), f"{r.lag_s / 3600:g} h", str(r.days), _percent(r.up), _percent(r.down))
        for r in past.rows
    ]
    bars = [
        (f"{r.asset} {r.year}, {r.lag_s / 3600:g} h", max(r.up, r.down), 0.0, 0.0, "#4c8dd6") for r in past.rows
    ]
    return (
        f"<h2>Price history {escape(history)}</h2><p>Law fitted on {past.fitted}, tried on {past.tested}: share "
        "of days whose worst move within the lag beats the 99 % buffer.</p>"
        + _table(("year", "lag", "mean of assets", "worst asset", "", ""), years)
        + "<p>Control: diffusion with kappa 1.10. It has to exceed 5 % at 1 h: "
        + _verdict(past.control_failed) + "</p>"
        + _table(("year", "lag", "mean of assets", "worst asset"), control)
        + _bars(bars, 0.05, [0.01, 0.03])
        + _table(("asset", "year", "lag", "days", "up", "down"), rows)
    )  # fmt: skip


def _pairs(past: PastResult) -> str:
    rows = [
        (escape(" / ".join(p.ours.names)), f"{p.ours.lag_s / 3600:g} h", str(p.ours.days), f"{p.ours.margin:.2f}",
         _percent(p.ours.rate), _percent(p.control.rate))
        for p in past.pairs
    ]  # fmt: skip
    head = ("long / short", "lag", "days", "margin, daily volatilities", "worst venue", "diffusion control")
    return "<h2>Hedged and correlated books, walked by the keeper</h2>" + _table(head, rows)


def _episodes(past: PastResult) -> str:
    rows = [
        (escape(e.episode), escape(e.asset), f"{e.lag_s / 3600:g} h", f"{e.move:.2f}", f"{e.buffer:.2f}",
         _verdict(e.move <= e.buffer), f"{e.with_floor:.2f}", _verdict(e.move <= e.with_floor))
        for e in past.episodes
    ]  # fmt: skip
    head = ("episode", "asset", "lag", "worst move", "buffer", "", "with stress floor", "")
    return (
        "<h2>Episodes, lags stretched by 1.8</h2><p>In daily volatilities of the first day. Episodes may beat the "
        "model's buffer; the stress floor (75 % model, 25 % worst earlier episode) is what is meant to hold them. "
        "The first episode has nothing earlier.</p>" + _table(head, rows)
    )
