"""Stored records of full scans."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.scans import ScanRecord
from aggregator.store.columns import UtcDateTime
from aggregator.store.repository import Store

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

    async def newest_time(self) -> datetime | None:
        """When the newest record was made."""
        found = await self.page(limit=1)
        return found[0][1].time if found else None


async def _insert(connection: AsyncConnection, done: ScanRecord) -> None:
    await connection.execute(sa.insert(SCANS).values(id=done.id, at=done.time, body=done.model_dump_json()))
