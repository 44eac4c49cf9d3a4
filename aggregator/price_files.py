"""Price history in and out of files: CSV and Parquet rows as stored, and bars for fitting.

Rows carry every figure and, as JSON, every reason; bars are what ``read_history_csv`` reads: open intervals of one
length with close, high and low of each asset, empty where nothing was agreed in time.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aggregator.clock import unix
from aggregator.history import HistoryError
from aggregator.prices import PriceLine

COLUMNS = ("time_utc", "price_key", "status", "low_usd", "mid_usd", "high_usd", "observed_at", "record")
"""The first seven are for people and other programs; ``record`` is the whole line and what importing reads."""


def write_prices(path: Path, lines: Sequence[PriceLine]) -> None:
    """Write lines to .csv or .parquet."""
    rows = [_row(line) for line in lines]
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    else:
        arrow, parquet = _arrow(path)
        schema = arrow.schema([(name, arrow.string()) for name in COLUMNS])
        parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), path, compression="zstd")


def read_prices(path: Path) -> Iterator[PriceLine]:
    """Lines of a file that ``write_prices`` wrote; raises HistoryError naming the row."""
    for number, row in enumerate(_rows(path), start=1):
        try:
            yield PriceLine.model_validate_json(row["record"])
        except (ValidationError, KeyError, TypeError) as error:
            raise HistoryError(f"{path}: row {number}: no price record: {type(error).__name__}") from None


def write_bars(path: Path, lines: Iterable[PriceLine], step_s: int) -> int:
    """Bars of agreed mids as ``time_utc, X_close, X_high, X_low`` (high and low of the mids); their number."""
    bars: dict[int, dict[str, list[float]]] = {}
    for line in lines:
        if line.mid_usd is not None:
            start = unix(line.time) // step_s * step_s
            bars.setdefault(start, {}).setdefault(line.price_key, []).append(float(line.mid_usd))
    keys = sorted({key for bar in bars.values() for key in bar})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time_utc", *(f"{key}_{part}" for key in keys for part in ("close", "high", "low"))])
        for start in sorted(bars):
            cells: list[object] = [datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%S")]
            for key in keys:
                mids = bars[start].get(key)
                cells += [mids[-1], max(mids), min(mids)] if mids else ["", "", ""]
            writer.writerow(cells)
    return len(bars)


def _row(line: PriceLine) -> dict[str, str | None]:
    plain = line.model_dump(mode="json", include={"low_usd", "mid_usd", "high_usd"})
    return {
        "time_utc": line.time.astimezone(UTC).isoformat(),
        "price_key": line.price_key,
        "status": line.status.value,
        **plain,
        "observed_at": None if line.observed_at is None else str(line.observed_at),
        "record": line.model_dump_json(),
    }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        raise HistoryError(f"{path}: no such file")
    if path.suffix == ".csv":
        csv.field_size_limit(1_000_000)
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
        return
    arrow, parquet = _arrow(path)
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowInvalid, OSError) as error:
        raise HistoryError(f"{path}: not a Parquet file: {error}"[:200]) from None
    yield from table.to_pylist()


def _arrow(path: Path) -> tuple[Any, Any]:
    if path.suffix != ".parquet":
        raise HistoryError(f"{path}: expected a name that ends in .csv or .parquet")
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise HistoryError("Parquet needs the extra `parquet`: pip install 'crossmargin[parquet]'") from None
    return pyarrow, pyarrow.parquet
