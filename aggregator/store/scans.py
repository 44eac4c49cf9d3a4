"""Stored records of full scans."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from aggregator.scans import ScanRecord, Stand
from aggregator.store.columns import UtcDateTime
from aggregator.store.repository import Store
from aggregator.store.rows import ReportRow
from risk.status import Status

SCANS = sa.Table(
    "scans",
    sa.MetaData(),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("at", UtcDateTime(), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""One row per full scan; never changed."""


class ScanLog:
    """Scan records of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, done: ScanRecord) -> None:
        """Append a record."""
        async with self._store.transaction(writing=True) as connection:
            await _insert(connection, done)

    async def page(self, *, before: int | None = None, limit: int = 50) -> list[tuple[int, ScanRecord]]:
        """Records with their sequence numbers, newest first, below ``before``."""
        query = sa.select(SCANS.c.seq, SCANS.c.body).order_by(SCANS.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(SCANS.c.seq < before)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return [(row.seq, ScanRecord.model_validate_json(row.body)) for row in rows]

    async def find(self, scan_id: str) -> ScanRecord | None:
        """A record by its id."""
        query = sa.select(SCANS.c.body).where(SCANS.c.id == scan_id)
        async with self._store.transaction(writing=False) as connection:
            body = (await connection.execute(query)).scalar()
        return None if body is None else ScanRecord.model_validate_json(body)


async def newest_stands(store: Store) -> dict[str, Stand]:
    """Where every portfolio stood in its newest report."""
    newest = sa.select(sa.func.max(col(ReportRow.seq))).group_by(col(ReportRow.portfolio))
    query = sa.select(col(ReportRow.portfolio), col(ReportRow.status), col(ReportRow.mm_excess_usd))
    async with store.transaction(writing=False) as connection:
        rows = (await connection.execute(query.where(col(ReportRow.seq).in_(newest)))).all()
    return {name: Stand(Status(status), excess) for name, status, excess in rows}


async def _insert(connection: AsyncConnection, done: ScanRecord) -> None:
    await connection.execute(sa.insert(SCANS).values(id=done.id, at=done.time, body=done.model_dump_json()))
