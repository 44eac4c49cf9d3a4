"""``crossmargin fit``: parameter tables from price history."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="fit", help="Parameter tables from price history.", no_args_is_help=True)


@app.callback()
def fit() -> None:
    """Parameter tables from price history."""


@app.command("scan-law")
def scan_law(
    history: Annotated[Path, typer.Argument(help="CSV (or .csv.gz) with time_utc and X_close, X_high, X_low.")],
    out: Annotated[Path, typer.Option("--out", help="File to write the table to.")],
    source: Annotated[str, typer.Option("--source", help="Where the prices come from; stands in the table.")],
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Asset to leave out (stablecoins).")
    ] = None,
) -> None:
    """Fit the law of the worst move (RISK section 5) and write its table."""
    from aggregator.history import read_history
    from risk.scanfit import fit_scan_law, resolved

    bars = read_history(history).without(without or ())
    tau_s, window_s, every = resolved(bars.step_s)
    table = fit_scan_law(
        bars.close, bars.high, bars.low, bars.step_s, assets=bars.assets, source=source, dates=bars.dates,
        tau_s=tau_s, window_s=window_s, every=every,
    )  # fmt: skip
    out.write_text(table.to_json())
    typer.echo(f"{out}: {len(bars.assets)} assets, {bars.dates}, lags {[int(t) for t in table.tau_s]} s")
