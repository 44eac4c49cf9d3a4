"""Runs every benchmark of this package (or those named in the arguments) and prints one table."""

import importlib
import pkgutil
import sys

from rich.console import Console
from rich.table import Table

import tests.bench


def main() -> None:
    wanted = sys.argv[1:]
    names = [m.name for m in pkgutil.iter_modules(tests.bench.__path__) if not m.name.startswith("_")]
    table = Table(title="Benchmarks (ratios are to the baseline of the same run)", title_justify="left")
    for column in ("what", "figure", "unit", "baseline", "times better", "target"):
        table.add_column(column, justify="right" if column in {"figure", "times better"} else "left")
    for name in wanted or names:
        for row in importlib.import_module(f"tests.bench.{name}").run():
            ratio = "" if row.ratio is None else f"{row.ratio:,.1f}"
            table.add_row(row.name, f"{row.figure:,.4g}", row.unit, row.baseline, ratio, row.target)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
