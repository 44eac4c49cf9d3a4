"""Reading stored reports: the newest one as bytes, and their history page by page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import col

from aggregator.store.repository import Store
from aggregator.store.rows import ReportRow


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored report."""

    seq: int
    created_at: datetime
    body: bytes


class ReportLog:
    """Reports of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def newest_seq(self, portfolio: str) -> int | None:
        """Sequence number of a portfolio's newest report."""
        query = select(func.max(col(ReportRow.seq))).where(col(ReportRow.portfolio) == portfolio)
        async with self._store.transaction(writing=False) as connection:
            return (await connection.execute(query)).scalar()

    async def newest(self, portfolio: str) -> tuple[int, bytes] | None:
        """Sequence number and JSON of a portfolio's newest report."""
        found = await self.page(portfolio, limit=1)
        return (found[0].seq, found[0].body) if found else None

    async def body(self, report_id: str) -> bytes | None:
        """JSON of a report as it was stored, by whichever version; None where there is none of the id."""
        query = select(col(ReportRow.body)).where(col(ReportRow.id) == report_id)
        async with self._store.transaction(writing=False) as connection:
            found = (await connection.execute(query)).scalar()
        return None if found is None else found.encode()

    async def page(
        self,
        portfolio: str,
        *,
        before: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> list[Stored]:
        """Reports, newest first, below the sequence number ``before``, in [since, until)."""
        query = (
            select(col(ReportRow.seq), col(ReportRow.created_at), col(ReportRow.body))
            .where(col(ReportRow.portfolio) == portfolio)
            .order_by(col(ReportRow.seq).desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(col(ReportRow.seq) < before)
        if since is not None:
            query = query.where(col(ReportRow.created_at) >= since)
        if until is not None:
            query = query.where(col(ReportRow.created_at) < until)
        async with self._store.transaction(writing=False) as connection:
            rows = (await connection.execute(query)).all()
        return [Stored(seq or 0, at, body.encode()) for seq, at, body in rows]
