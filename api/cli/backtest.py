"""``crossmargin backtest``: whether the model holds."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from aggregator.bridge_test.keeper import PATHS, SEED, run_cells
from aggregator.bridge_test.page import page
from aggregator.bridge_test.past import PastResult, try_history
from aggregator.history import read_history
from aggregator.mass.on_ray import OnRay
from api.cli.backtest_market import market
from api.cli.common import AddressOption, EngineOption, JsonOption
from risk.coverage import Outcome

app = typer.Typer(name="backtest", help="Does the model hold? Simulation and price history.", no_args_is_help=True)


@app.callback()
def backtest() -> None:
    """Does the model hold? Simulation and price history."""


app.command("market")(market)


@app.command("bridges")
def bridges(
    history: Annotated[
        Path | None, typer.Argument(help="CSV, .csv.gz or Parquet with time_utc and X_close, X_high, X_low.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="HTML report with plots.")] = None,
    fit_until: Annotated[
        str | None, typer.Option("--fit-until", help="ISO date: the law is fitted before it, tried after it.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Asset to leave out (stablecoins).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = SEED,
    paths: Annotated[int, typer.Option("--paths", min=1000, help="Simulated days per cell.")] = PATHS,
    short: Annotated[bool, typer.Option("--short", help="Few cells: seconds instead of minutes.")] = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
    json: JsonOption = False,
) -> None:
    """Run the acceptance test of the bridge model (RISK section 8); exit code 1 where a row fails."""
    cluster, past = OnRay(address) if engine == "ray" else None, None
    with contextlib.nullcontext() if cluster is None else cluster.session():
        if history is not None:
            past = try_history(read_history(history).without(without or ("USDC",)), fit_until, cluster=cluster)
        outcomes = run_cells(paths, seed, short=short, cluster=cluster)
    if out is not None:
        out.write_text(page(outcomes, past, seed, history.name if history else ""), encoding="utf-8")
    if json:
        typer.echo(_json(outcomes, past))
    else:
        _print(outcomes, past)
    if not (all(outcome.passed for outcome in outcomes) and (past is None or past.passed)):
        raise typer.Exit(1)


def _print(outcomes: Sequence[Outcome], past: PastResult | None) -> None:
    console = Console()
    table = Table(title="Simulated keepers: days with a knock-out (target 1 %)", title_justify="left")
    for column in ("cell", "bound", "days", "worst venue", "99 % interval", "any venue", ""):
        table.add_column(column, justify="left" if column in {"cell", "bound", ""} else "right")
    for o in outcomes:
        interval = f"{100 * o.low:.2f} - {100 * o.high:.2f} %"
        figures = (f"{o.paths:,}", f"{100 * o.rate:.2f} %", interval, f"{100 * o.any_rate:.2f} %")
        table.add_row(o.name, o.bound.value, *figures, _verdict(o.passed))
    console.print(table)
    if past is not None:
        _print_past(console, past)


def _print_past(console: Console, past: PastResult) -> None:
    title = f"Price history: fitted {past.fitted}, tried {past.tested}; share of days beyond the 99 % buffer"
    table = Table(title=title, title_justify="left")
    for column in ("law", "year", "lag", "mean of assets", "worst asset", ""):
        table.add_column(column)
    for law, years in (("empirical", past.years), ("diffusion control", past.control)):
        for y in years:
            good = _verdict(past.year_passed(y)) if law == "empirical" else ""
            worst = f"{100 * y.worst:.2f} % {y.worst_asset}"
            table.add_row(law, str(y.year), f"{y.lag_s / 3600:g} h", f"{100 * y.mean:.2f} %", worst, good)
    console.print(table)
    console.print("control exceeds 5 % of days at 1 h, as it must:", _verdict(past.control_failed))
    book = max(past.pairs, key=lambda row: row.ours.rate).ours
    names = "/".join(book.names)
    console.print(f"hedged and correlated books: worst venue {100 * book.rate:.2f} % of days ({names})")
    held = sum(e.move <= e.buffer for e in past.episodes), sum(e.move <= e.with_floor for e in past.episodes)
    console.print(
        f"episodes held of {len(past.episodes)}: {held[0]} by the buffer, {held[1]} with the stress floor"
    )


def _verdict(good: bool) -> str:
    return "[green]pass[/]" if good else "[bold red]FAIL[/]"


def _json(outcomes: Sequence[Outcome], past: PastResult | None) -> str:
    body: dict[str, object] = {"cells": [o._asdict() for o in outcomes], "history": None}
    if past is not None:
        body["history"] = {
            "fitted": past.fitted, "tested": past.tested, "passed": past.passed,
            "control_failed": past.control_failed, "rows": [r._asdict() for r in past.rows],
            "years": [y._asdict() for y in past.years], "control": [y._asdict() for y in past.control],
            "pairs": [
                {"long": p.ours.names[0], "short": p.ours.names[1], "lag_s": p.ours.lag_s, "days": p.ours.days,
                 "rate": p.ours.rate, "control_rate": p.control.rate} for p in past.pairs
            ],
            "episodes": [e._asdict() for e in past.episodes],
        }  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
