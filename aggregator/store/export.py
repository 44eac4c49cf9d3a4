"""The store as Parquet files for other programs: one file per table, amounts as exact decimal text.

Text, because the decimals of different assets differ by more than one decimal type holds; in DuckDB or pandas
cast where less is enough: ``CAST(mm_excess_usd AS DECIMAL(38, 18))``. Whole reports, prices and alerts are there
as JSON.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.errors import ServiceError
from aggregator.store.compact import ALERTS, PRICES, REPORTS
from aggregator.store.prices import unpacked
from aggregator.store.repository import Store
from aggregator.store.scans import SCANS

PAGE: Final = 2_000
"""Rows read at once, and the least that a row group holds."""

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _File:
    """One file: its columns, and its rows of one stored row."""

    name: str
    columns: Mapping[str, str]
    """Name to kind: text, int, float, bool, time."""
    rows: Callable[[Plain], Iterable[Plain]]


TOTALS: Final = (
    "net_value_usd", "equity_usd", "surplus_usd", "venue_maintenance_usd", "isolated_buffer_usd",
    "netted_buffer_usd", "unified_buffer_usd", "bridge_latency_addon_usd", "mm_requirement_usd",
    "im_requirement_usd", "mm_excess_usd", "margin_ratio", "capital_freed_usd",
)  # fmt: skip
VENUE: Final = (
    "account", "chain", "venue", "sub_account", "status", "equity_usd", "mm_requirement_usd", "surplus_usd",
    "health", "ttl_s", "ttf_s", "rescue_probability", "liquidity_coverage", "rescue_gap_usd",
)  # fmt: skip
POSITION: Final = (
    "account", "chain", "venue", "sub_account", "kind", "asset", "label", "risk_factor", "size", "venue_price_usd",
    "value_usd",
)  # fmt: skip
_HEAD: Final = {"seq": "int", "report_id": "text", "portfolio": "text", "time": "time"}


def _text(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "text")


def _report(row: Plain) -> Iterator[Plain]:
    report = row["report"]
    facts = {"complete": report["data_quality"]["complete"], "inputs_hash": report["inputs_hash"]}
    facts |= {"params_hash": report["model"]["params_hash"], "code_version": report["code_version"]}
    yield (
        _head(row) | {n: report[n] for n in ("status", "status_reason", *TOTALS)} | facts | {"record": row["body"]}
    )


def _venues(row: Plain) -> Iterator[Plain]:
    for line in row["report"]["venues"]:
        yield _head(row) | {name: line[name] for name in VENUE}


def _positions(row: Plain) -> Iterator[Plain]:
    for line in row["report"]["positions"]:
        band = {f"price_{name}_usd": line["price"][name] for name in ("low", "mid", "high")}
        yield (
            _head(row) | {name: line[name] for name in POSITION} | band | {"price_status": line["price"]["status"]}
        )


def _head(row: Plain) -> Plain:
    return {"seq": row["seq"], "report_id": row["id"], "portfolio": row["portfolio"], "time": row["created_at"]}


def _price(row: Plain) -> Iterator[Plain]:
    amounts = {name: _exact(row[name]) for name in ("low_usd", "mid_usd", "high_usd")}
    facts = {"seq": row["seq"], "price_key": row["price_key"], "time": row["at"], "status": row["status"]}
    yield facts | amounts | {"record": unpacked(row["body"]).decode()}


def _alert(row: Plain) -> Iterator[Plain]:
    alert = msgspec.json.decode(row["body"])
    facts = {name: alert.get(name) for name in ("type", "status", "previous_status", "reason", "report_id")}
    facts |= {"seq": row["seq"], "id": row["id"], "portfolio": row["portfolio"], "time": row["created_at"]}
    yield facts | {"record": row["body"]}


def _scan(row: Plain) -> Iterator[Plain]:
    scan = msgspec.json.decode(row["body"])
    facts = {name: scan[name] for name in ("duration_s", "portfolios", "incomplete", "alerts", "skipped")}
    yield facts | {"seq": row["seq"], "id": row["id"], "time": row["at"], "record": row["body"]}


_REPORT_FILES: Final = (
    _File(
        "reports",
        _HEAD | _text("status", "status_reason", *TOTALS) | {"complete": "bool"}
        | _text("inputs_hash", "params_hash", "code_version", "record"),
        _report,
    ),
    _File("venues", _HEAD | _text(*VENUE), _venues),
    _File(
        "positions",
        _HEAD | _text(*POSITION, "price_low_usd", "price_mid_usd", "price_high_usd", "price_status"),
        _positions,
    ),
)  # fmt: skip
_PRICE_FILE: Final = _File(
    "prices",
    {"seq": "int", "price_key": "text", "time": "time"}
    | _text("status", "low_usd", "mid_usd", "high_usd", "record"),
    _price,
)
_ALERT_FILE: Final = _File(
    "alerts",
    {"seq": "int", "id": "text", "portfolio": "text", "time": "time"}
    | _text("type", "status", "previous_status", "reason", "report_id", "record"),
    _alert,
)
_SCAN_FILE: Final = _File(
    "scans",
    {"seq": "int", "id": "text", "time": "time", "duration_s": "float"}
    | dict.fromkeys(("portfolios", "incomplete", "alerts", "skipped"), "int")
    | _text("record"),
    _scan,
)


async def export(
    store: Store, folder: Path, since: datetime | None = None, until: datetime | None = None
) -> dict[str, int]:
    """Write the store's rows in [since, until) to Parquet files in a folder that exists; rows by file."""
    tables = (
        (REPORTS, REPORTS.c.created_at, _REPORT_FILES, _with_report),
        (PRICES, PRICES.c.at, (_PRICE_FILE,), _as_is),
        (ALERTS, ALERTS.c.created_at, (_ALERT_FILE,), _as_is), (SCANS, SCANS.c.at, (_SCAN_FILE,), _as_is),
    )  # fmt: skip
    counts: dict[str, int] = {}
    for table, at, files, prepare in tables:
        with ExitStack() as stack:
            writers = {file.name: stack.enter_context(_Writer(folder, file)) for file in files}
            async for page in _pages(store, table, at, since, until):
                rows = [prepare(row) for row in page]
                for file in files:
                    writers[file.name].write([line for row in rows for line in file.rows(row)])
            counts |= {name: writer.written for name, writer in writers.items()}
    return counts


def _as_is(row: Plain) -> Plain:
    return row


def _with_report(row: Plain) -> Plain:
    return row | {"report": msgspec.json.decode(row["body"])}


async def _pages(
    store: Store, table: Any, at: Any, since: datetime | None, until: datetime | None
) -> AsyncIterator[list[Plain]]:
    last = 0
    while True:
        query = sa.select(table).where(table.c.seq > last).order_by(table.c.seq).limit(PAGE)
        if since is not None:
            query = query.where(at >= since)
        if until is not None:
            query = query.where(at < until)
        async with store.transaction(writing=False) as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        if rows:
            yield rows
            last = rows[-1]["seq"]
        if len(rows) < PAGE:
            return


class _Writer:
    """One Parquet file; it appears under its name when it is complete."""

    def __init__(self, folder: Path, file: _File) -> None:
        self._arrow, parquet = _pyarrow()
        kinds = {
            "text": self._arrow.string(), "int": self._arrow.int64(), "float": self._arrow.float64(),
            "bool": self._arrow.bool_(), "time": self._arrow.timestamp("us", tz="UTC"),
        }  # fmt: skip
        self._schema = self._arrow.schema([(name, kinds[kind]) for name, kind in file.columns.items()])
        self._path = folder / f"{file.name}.parquet"
        self._partial = folder / f".{file.name}.parquet.partial"
        self._writer = parquet.ParquetWriter(self._partial, self._schema, compression="zstd")
        self.written = 0

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._writer.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink()

    def write(self, rows: list[Plain]) -> None:
        """Append rows as one row group."""
        if rows:
            self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))
            self.written += len(rows)


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ServiceError("Parquet needs the extra `parquet`: pip install 'crossmargin[parquet]'") from None
    return pyarrow, pyarrow.parquet
