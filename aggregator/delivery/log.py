"""The delivery log: every attempt, newest first."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from aggregator.delivery.tables import ALERTS, LOG
from aggregator.store.repository import Store

NOTICES = "ntc_%"
"""Ids of messages that are about no portfolio."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one receiver."""

    seq: int
    at: datetime
    receiver: str
    message_id: str
    portfolio: str | None
    """None for notices and for alerts that the store has forgotten."""
    attempt: int
    """1 for the first one."""
    delivered: bool
    detail: str
    duration_ms: int


async def attempts(
    store: Store,
    *,
    receiver: str | None = None,
    message: str | None = None,
    portfolios: Collection[str] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Attempt]:
    """Attempts, newest first, below ``before``; ``portfolios``: only at alerts of these, and at notices."""
    query = select(LOG, ALERTS.c.portfolio).select_from(LOG.outerjoin(ALERTS, ALERTS.c.id == LOG.c.message_id))
    if receiver is not None:
        query = query.where(LOG.c.receiver == receiver)
    if message is not None:
        query = query.where(LOG.c.message_id == message)
    if portfolios is not None:
        query = query.where(or_(LOG.c.message_id.like(NOTICES), ALERTS.c.portfolio.in_(portfolios)))
    if before is not None:
        query = query.where(LOG.c.seq < before)
    async with store.transaction(writing=False) as connection:
        rows = (await connection.execute(query.order_by(LOG.c.seq.desc()).limit(limit))).all()
    return [
        Attempt(
            row.seq, row.at, row.receiver, row.message_id, row.portfolio, row.attempt, bool(row.delivered),
            row.detail, row.duration_ms,
        )
        for row in rows
    ]  # fmt: skip
