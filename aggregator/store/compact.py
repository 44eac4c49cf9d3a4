"""Thinning by age. Rows are removed, never changed: those that stay keep their order and their numbers.

What stays for ever: the newest report of each portfolio, every report that an alert or a statement names, and
every change of status. Doing it twice does nothing more.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.errors import StoreError
from aggregator.store.input_tables import INPUTS, REPORT_INPUTS
from aggregator.store.policy import RetentionSettings
from aggregator.store.repository import Store
from aggregator.store.rows import AlertRow, PriceRow, ReportRow
from aggregator.store.scans import SCANS

BATCH: Final = 2_000
"""Rows removed per transaction: a cycle that wants to write waits for one batch at most."""

REPORTS: Any = ReportRow.__table__  # type: ignore[attr-defined]
PRICES: Any = PriceRow.__table__  # type: ignore[attr-defined]
ALERTS: Any = AlertRow.__table__  # type: ignore[attr-defined]
STATEMENTS: Any = sa.table("statements", sa.column("report_id"))


@dataclass(frozen=True, slots=True)
class Compacted:
    """Rows removed."""

    reports: int
    prices: int
    scans: int
    inputs: int


@dataclass(frozen=True, slots=True)
class _Ages:
    """Before ``thin`` one an hour stays, before ``end`` none."""

    thin: datetime
    end: datetime | None


async def compact(store: Store, policy: RetentionSettings, now: datetime) -> Compacted:
    """Apply the policy at a time, in short transactions beside whatever else writes."""
    last = policy.hourly_days
    end = None if last is None else now - timedelta(days=max(last, policy.all_days))
    ages = _Ages(now - timedelta(days=policy.all_days), end)
    async with store.transaction(writing=False) as connection:
        reports = await _seqs(connection, _reports(connection, ages))
        prices = await _seqs(connection, _old(connection, PRICES, (PRICES.c.price_key,), PRICES.c.at, ages))
        scans = await _seqs(connection, _old(connection, SCANS, (), SCANS.c.at, ages))
    for table, seqs in ((REPORTS, reports), (PRICES, prices), (SCANS, scans)):
        for start in range(0, len(seqs), BATCH):
            async with store.transaction(writing=True) as connection:
                wanted = seqs[start : start + BATCH]
                await connection.execute(sa.delete(table).where(table.c.seq.in_(wanted)))
    inputs = await _drop_inputs(store, now - timedelta(days=policy.inputs_days))
    return Compacted(len(reports), len(prices), len(scans), inputs)


async def _seqs(connection: AsyncConnection, query: sa.Select[Any]) -> Sequence[int]:
    return [int(seq) for seq in (await connection.execute(query)).scalars()]


def _named() -> sa.CompoundSelect[Any]:
    """Reports that something else points at."""
    told = sa.select(ALERTS.c.report_id).where(ALERTS.c.report_id.is_not(None))
    return sa.union_all(told, sa.select(STATEMENTS.c.report_id))


def _reports(connection: AsyncConnection, ages: _Ages) -> sa.Select[Any]:
    old = _old(connection, REPORTS, (REPORTS.c.portfolio,), REPORTS.c.created_at, ages).subquery()
    named = REPORTS.c.id.in_(_named())
    return sa.select(old.c.seq).join(REPORTS, REPORTS.c.seq == old.c.seq).where(~named).order_by(old.c.seq)


def _old(connection: AsyncConnection, table: Any, keys: tuple[Any, ...], at: Any, ages: _Ages) -> sa.Select[Any]:
    """Old rows but the first of each hour, those with another status than the row before them, and the newest.

    A row that goes has the status of the one before it, so that the next time the same rows count as changes.
    """
    sqlite = connection.dialect.name == "sqlite"
    hour: Any = sa.func.strftime("%Y-%m-%d %H", at) if sqlite else sa.func.date_trunc("hour", at)
    status = table.c.status if "status" in table.c else sa.literal("")
    rank = sa.func.row_number().over(partition_by=[*keys, hour], order_by=table.c.seq)
    before = sa.func.lag(status).over(partition_by=list(keys), order_by=table.c.seq)
    ranked = sa.select(
        table.c.seq, at.label("at"), status.label("status"), rank.label("rank"), before.label("before")
    ).where(at < ages.thin)
    found = ranked.subquery()
    surplus = sa.and_(found.c.rank > 1, found.c.status == found.c.before)
    if ages.end is not None:
        surplus = sa.or_(surplus, found.c.at < ages.end)
    newest = sa.select(sa.func.max(table.c.seq)).group_by(*keys)
    return sa.select(found.c.seq).where(surplus, found.c.seq.not_in(newest)).order_by(found.c.seq)


async def _drop_inputs(store: Store, before: datetime) -> int:
    """Inputs of old reports but those of alerts and statements, and parts that nothing needs any more."""
    worlds = INPUTS.alias("worlds")
    old = sa.select(worlds.c.digest).where(worlds.c.at < before, worlds.c.setting.is_not(None))
    gone = sa.select(REPORTS.c.id).where(REPORTS.c.id == REPORT_INPUTS.c.report_id).exists()
    kept = REPORT_INPUTS.c.report_id.in_(_named())
    async with store.transaction(writing=True) as connection:
        await connection.execute(
            sa.delete(REPORT_INPUTS).where(sa.or_(~gone, sa.and_(REPORT_INPUTS.c.world.in_(old), ~kept)))
        )
        used = sa.select(REPORT_INPUTS.c.world)
        unused = sa.and_(INPUTS.c.setting.is_not(None), INPUTS.c.digest.not_in(used))
        dropped = await connection.execute(sa.delete(INPUTS).where(unused))
        needed = sa.select(worlds.c.setting).where(worlds.c.setting.is_not(None))
        idle = sa.and_(INPUTS.c.setting.is_(None), INPUTS.c.digest.not_in(needed))
        await connection.execute(sa.delete(INPUTS).where(idle))
    return int(dropped.rowcount)


def vacuum(dsn: str) -> None:
    """Give the room of removed rows back to the disk; PostgreSQL does so by itself. Raises StoreError."""
    url = make_url(dsn)
    if not url.drivername.startswith("sqlite") or not url.database:
        return
    try:
        with closing(sqlite3.connect(url.database, timeout=60, isolation_level=None)) as connection:
            connection.execute("VACUUM")
    except sqlite3.Error as error:
        raise StoreError(f"database: cannot be packed ({error}): try again while nothing else uses it") from None
