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
    source: Annotated[str, typer.Option("--source", help="Where the prices are from; goes into the table.")],
) -> None:
    """Fit the law of the worst move (RISK section 5) and write its table."""
    raise SystemExit(f"{history} {out} {source}")
