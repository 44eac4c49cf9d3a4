"""``crossmargin backtest market``: whether losses are as rare as the forecasts say."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from aggregator.history import read_history
from aggregator.market_test.page import page
from aggregator.market_test.past import PastMarket, try_market
from aggregator.market_test.simulated import DAYS, SEED, SERIES, WorldTest, run_worlds
from api.cli.common import JsonOption

LAWS = ("filtered", "normal", "grid")


def market(
    history: Annotated[
        Path | None, typer.Argument(help="CSV, .csv.gz or Parquet with time_utc and X_close, X_high, X_low.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML report with plots.")] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Asset to leave out (stablecoins).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = SEED,
    days: Annotated[int, typer.Option("--days", min=700, help="Days of each simulated series.")] = DAYS,
    series: Annotated[int, typer.Option("--series", min=1, help="Simulated series per world.")] = SERIES,
    json: JsonOption = False,
) -> None:
    """Test one-day forecasts on seeded worlds and on a price history; exit code 1 where a row fails."""
    past = try_market(read_history(history).without(without or ("USDC",))) if history else None
    worlds = run_worlds(seed, days, series)
    if out is not None:
        out.write_text(page(worlds, past, history.name if history else ""), encoding="utf-8")
    if json:
        typer.echo(_json(worlds, past))
    else:
        _print(Console(), worlds, past)
    if not (all(w.passed for w in worlds) and (past is None or past.passed)):
        raise typer.Exit(1)


def _print(console: Console, worlds: tuple[WorldTest, ...], past: PastMarket | None) -> None:
    table = Table(title="Seeded worlds whose 99 % quantile is known", title_justify="left")
    for column in ("world", "forecast", "days", "beaten", "share", "99 % bounds", ""):
        table.add_column(column, justify="left" if column in {"world", "forecast", ""} else "right")
    for w in worlds:
        share, bounds = f"{100 * w.hits / w.days:.2f} %", f"{w.low} - {w.high}"
        table.add_row(w.world, w.law, f"{w.days:,}", str(w.hits), share, bounds, _verdict(w.passed))
    console.print(table)
    if past is not None:
        _print_past(console, past)


def _print_past(console: Console, past: PastMarket) -> None:
    table = Table(title=f"Price history {past.dates}, one day at 99 %", title_justify="left")
    for column in ("book", "forecast", "days", "beaten", "Kupiec p", "both p", "light", "Z2", ""):
        table.add_column(column, justify="left" if column in {"book", "forecast", "light", ""} else "right")
    for test in past.tests:
        f = test.found
        z2 = "" if f.z2 is None else f"{f.z2:.2f}"
        good = "" if test.law == "normal" else _verdict(past.passed_test(test))
        figures = (str(f.days), str(f.hits), f"{f.frequency.p_value:.3f}", f"{f.both.p_value:.3f}")
        table.add_row(test.book, test.law, *figures, f.light.zone.value, z2, good)
    console.print(table)
    for law in LAWS:
        days, hits = (sum(getattr(test.found, name) for test in past.of(law)) for name in ("days", "hits"))
        console.print(f"{law}: beaten on {hits:,} of {days:,} book days, {100 * hits / days:.2f} %")
    worst = max(past.pooled(), key=lambda c: abs(c.predicted - c.observed))
    console.print(
        f"breach probabilities: farthest from what was seen for a {worst.direction} by {worst.barrier:g} daily "
        f"volatilities within {worst.horizon_s / 3600:g} h: predicted {100 * worst.predicted:.1f} %, seen "
        f"{100 * worst.observed:.1f} %"
    )


def _verdict(good: bool) -> str:
    return "[green]pass[/]" if good else "[bold red]FAIL[/]"


def _json(worlds: tuple[WorldTest, ...], past: PastMarket | None) -> str:
    body: dict[str, object] = {"worlds": [w._asdict() | {"passed": w.passed} for w in worlds], "history": None}
    if past is not None:
        body["history"] = {
            "dates": past.dates,
            "passed": past.passed,
            "tests": [
                {"book": t.book, "law": t.law, "passed": past.passed_test(t), **msgspec.to_builtins(t.found)}
                for t in past.tests
            ],
            "calibration": [c._asdict() for c in past.pooled()],
        }
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
