"""Advice that was worked out, and attempts that failed; rows are never changed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select

from aggregator.advice.model import Advice
from aggregator.store.columns import UtcDateTime
from aggregator.store.repository import Store

ADVICE = Table(
    "advice", MetaData(),
    Column("seq", Integer, primary_key=True), Column("portfolio", String), Column("report_id", String),
    Column("at", UtcDateTime()), Column("error", Text), Column("body", Text),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Worked:
    """One attempt: advice, or why there is none."""

    seq: int
    portfolio: str
    report_id: str
    """The report that it starts from."""
    at: datetime
    error: str
    """'' where there is advice."""
    advice: Advice | None


class AdviceLog:
    """Attempts of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, portfolio: str, report_id: str, at: datetime, found: Advice | str) -> None:
        """Keep advice, or the reason why there is none."""
        failed = isinstance(found, str)
        values = {
            "portfolio": portfolio, "report_id": report_id, "at": at, "error": found if failed else "",
            "body": None if isinstance(found, str) else found.model_dump_json(),
        }  # fmt: skip
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(insert(ADVICE).values(**values))

    async def newest(self, portfolio: str, *, good: bool = False) -> Worked | None:
        """The newest attempt; with ``good`` the newest that gave advice. None where there is none."""
        query = select(ADVICE).where(ADVICE.c.portfolio == portfolio).order_by(ADVICE.c.seq.desc()).limit(1)
        if good:
            query = query.where(ADVICE.c.body.is_not(None))
        async with self._store.transaction(writing=False) as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        advice = None if row.body is None else Advice.model_validate_json(row.body)
        return Worked(row.seq, row.portfolio, row.report_id, row.at, row.error, advice)
