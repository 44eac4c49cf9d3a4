"""The result of ``crossmargin backtest market`` as one HTML file: tables and plots, no script, nothing loaded."""

from collections.abc import Iterable, Sequence
from html import escape
from math import log10

import numpy as np

from aggregator.market_test.past import BookTest, Calibration, PastMarket, Walk
from aggregator.market_test.simulated import WorldTest

WIDTH, HEIGHT, EDGE = 860, 260, 46
LEAST = 3e-4
COLOURS = {"fall": "#d1242f", "rise": "#1a7f37"}
_STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.15rem .7rem;border-bottom:1px solid #8884}
td.n{text-align:right;font-variant-numeric:tabular-nums}.ok{color:#1a7f37}.bad{color:#d1242f;font-weight:600}
svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}
"""


def page(worlds: Sequence[WorldTest], past: PastMarket | None, history: str = "") -> str:
    """Return the whole page."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Market risk backtest</title>",
        f"<style>{_STYLE}</style><h1>Market risk: are losses as rare as stated?</h1>",
        _worlds(worlds),
    ]
    if past is not None:
        parts += [_tests(past, history), *map(_walk, past.walks), _calibration(past)]
    return "".join(parts) + "</html>\n"


def _verdict(good: bool) -> str:
    return f"<span class='{'ok' if good else 'bad'}'>{'pass' if good else 'FAIL'}</span>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; those that begin with a digit or a sign are set as numbers."""
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if c[:1] in '0123456789-' else ''}>{c}</td>" for c in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>{body}</table>"


def _worlds(worlds: Sequence[WorldTest]) -> str:
    rows = [
        (escape(w.world), escape(w.law), f"{w.days:,}", str(w.hits), f"{100 * w.hits / w.days:.2f} %",
         f"{w.low} to {w.high}", "must fail" if w.control else "", _verdict(w.passed))
        for w in worlds
    ]  # fmt: skip
    head = ("world", "forecast", "days", "beaten", "share", "99 % binomial bounds of 1 %", "", "")
    return "<h2>Seeded worlds whose tail is known</h2>" + _table(head, rows)


def _tests(past: PastMarket, history: str) -> str:
    rows = [_test_row(past, test) for test in past.tests]
    head = ("book", "forecast", "days", "beaten", "Kupiec p", "independence p", "both p", "light", "Z2", "")
    return (
        f"<h2>Price history {escape(history)}</h2><p>{past.dates}, one-day forecasts at 99 %, each from the days "
        "before. Z2 is of the shortfall at 97.5 %: about 0 where it is right, below -0.7 where it is too small "
        "(5 % level). The normal forecast is a control; the grid is the range that margin is taken for.</p>"
        + _table(head, rows)
    )


def _test_row(past: PastMarket, test: BookTest) -> tuple[str, ...]:
    found = test.found
    z2 = "" if found.z2 is None else f"{found.z2:.2f}"
    return (
        escape(test.book), escape(test.law), str(found.days), str(found.hits), f"{found.frequency.p_value:.3f}",
        f"{found.order.p_value:.3f}", f"{found.both.p_value:.3f}", found.light.zone.value, z2,
        _verdict(past.passed_test(test)) if test.law != "normal" else "",
    )  # fmt: skip


def _walk(walk: Walk) -> str:
    """Losses of each day as bars, the forecast as a line, days that beat it marked."""
    top = float(max(walk.loss.max(), walk.var.max())) * 1.05
    step = (WIDTH - EDGE) / len(walk.loss)

    def y(value: float) -> float:
        return HEIGHT - 20 - (HEIGHT - 30) * max(0.0, value) / top

    bars = "".join(
        f"M{EDGE + step * i:.1f} {y(0):.1f}V{y(float(v)):.1f}" for i, v in enumerate(walk.loss) if v > 0.0
    )
    line = "L".join(f"{EDGE + step * i:.1f} {y(float(v)):.1f}" for i, v in enumerate(walk.var))
    hits = "".join(
        f"<circle cx='{EDGE + step * i:.1f}' cy='{y(float(walk.loss[i])):.1f}' r='3.5' fill='#d1242f'/>"
        for i in np.flatnonzero(walk.loss > walk.var)
    )
    scale = "".join(
        f"<text x='{EDGE - 6}' y='{y(top * share) + 4:.1f}' text-anchor='end'>{100 * top * share:.0f} %</text>"
        for share in (0.0, 0.5, 1.0)
    )
    dates = (
        f"<text x='{EDGE}' y='{HEIGHT - 4}'>{walk.days[0]}</text>"
        f"<text x='{WIDTH}' y='{HEIGHT - 4}' text-anchor='end'>{walk.days[-1]}</text>"
    )
    return (
        f"<h3>{escape(walk.book)}</h3><svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' role='img'>"
        f"<path d='{bars}' stroke='#4c8dd6' stroke-width='{max(0.8, step * 0.7):.2f}'/>"
        f"<path d='M{line}' fill='none' stroke='#b08a3c' stroke-width='1.5'/>{hits}{scale}{dates}</svg>"
    )


def _calibration(past: PastMarket) -> str:
    pooled = past.pooled()
    rows = [
        (c.direction, f"{c.horizon_s / 3600:g} h", f"{c.barrier:g}", f"{100 * c.predicted:.2f} %",
         f"{100 * c.observed:.2f} %", f"{c.origins:,}")
        for c in pooled
    ]  # fmt: skip
    head = ("direction", "within", "barrier, daily volatilities", "predicted", "observed", "days")
    return (
        "<h2>Breach probabilities: predicted against observed</h2><p>Share of days whose price reached a barrier, "
        "both axes logarithmic; on the line they agree. Large dots: all assets; small ones: each asset. Circles "
        "24 h, squares 1 h; red falls, green rises.</p>" + _dots(pooled, past.calibration) + _table(head, rows)
    )


def _dots(pooled: Sequence[Calibration], each: Sequence[Calibration]) -> str:
    size = 460

    def at(value: float) -> float:
        return (size - EDGE - 10) * (log10(max(value, LEAST)) - log10(LEAST)) / -log10(LEAST)

    drawn = [f"<path d='M{EDGE} {size - EDGE}L{EDGE + at(1.0):.1f} {size - EDGE - at(1.0):.1f}' stroke='#8888'/>"]
    for share in (0.001, 0.01, 0.1, 1.0):
        text = f"{100 * share:g} %"
        drawn.append(f"<text x='{EDGE + at(share):.1f}' y='{size - 24}' text-anchor='middle'>{text}</text>")
        drawn.append(f"<text x='{EDGE - 4}' y='{size - EDGE - at(share) + 4:.1f}' text-anchor='end'>{text}</text>")
    for points, radius, opacity in ((each, 2.0, 0.35), (pooled, 4.5, 1.0)):
        for c in points:
            if c.predicted >= LEAST and c.observed >= LEAST:
                x, y = EDGE + at(c.predicted), size - EDGE - at(c.observed)
                drawn.append(_dot(x, y, radius, COLOURS[c.direction], opacity, round_=c.horizon_s > 3600.0))
    drawn.append(f"<text x='{size / 2}' y='{size - 6}' text-anchor='middle'>predicted</text>")
    drawn.append(f"<text x='12' y='{size / 2}' transform='rotate(-90 12 {size / 2})'>observed</text>")
    return f"<svg viewBox='0 0 {size} {size}' width='{size}' role='img'>{''.join(drawn)}</svg>"


def _dot(x: float, y: float, radius: float, colour: str, opacity: float, *, round_: bool) -> str:
    paint = f"fill='{colour}' fill-opacity='{opacity}'"
    if round_:
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' {paint}/>"
    side = 2 * radius
    return f"<rect x='{x - radius:.1f}' y='{y - radius:.1f}' width='{side}' height='{side}' {paint}/>"
