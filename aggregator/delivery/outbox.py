"""The outbox: who may try which message, and what came of it.

A message is tried by one process at a time: it is claimed for a while (a lease), and what a killed process had
claimed is free again when the lease has run out. It counts as delivered only after the receiver has answered; a
process that dies between the answer and the note about it leaves a message that is sent again, with the same id.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.delivery import queue
from aggregator.delivery.message import Message, Outcome
from aggregator.delivery.receivers import disabled, note_answer, note_failure
from aggregator.delivery.settings import DeliverySettings
from aggregator.delivery.tables import ALERTS, LOG, NOTICES, OUTBOX
from aggregator.store.repository import Store

OTHERS = 4
"""So many times what is wanted is looked for: other processes may take the first ones meanwhile."""
PRUNE_ROWS = 10_000
"""Most rows that one look forgets, so that it is short."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process alone may try now."""

    seq: int
    message: Message
    attempts: int
    """Failed ones before this."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one receiver."""

    waiting: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt changed for its receiver."""

    began_to_fail: bool = False
    recovered: bool = False
    disabled: str | None = None
    """Why the receiver gets no more attempts, where this one decided that."""


class Outbox:
    """Messages of one store that wait for their receivers."""

    def __init__(self, store: Store, settings: DeliverySettings | None = None) -> None:
        self._store = store
        self._settings = settings or DeliverySettings()

    async def claim(
        self, receiver: str, owner: str, now: datetime, lease_s: float, most: int, *, by_age: bool = False
    ) -> list[Claim]:
        """Take up to ``most`` messages that may be tried, in the order of ``queue``. May be fewer."""
        seqs = await self._next(receiver, now, OTHERS * most, by_age=by_age)
        if not seqs:
            return []
        message = func.coalesce(ALERTS.c.id, NOTICES.c.id).label("id")
        body = func.coalesce(ALERTS.c.body, NOTICES.c.body).label("body")
        there = (OUTBOX.c.seq.in_(seqs), OUTBOX.c.delivered_at.is_(None), queue.free(now))
        place = case({seq: index for index, seq in enumerate(seqs)}, value=OUTBOX.c.seq)
        query = select(OUTBOX.c.seq, OUTBOX.c.attempts, message, body).select_from(queue.messages()).where(*there)
        async with self._store.transaction(writing=True) as connection:
            query = query.order_by(place).limit(most).with_for_update(skip_locked=True, of=OUTBOX)
            rows = (await connection.execute(query)).all()
            until = now + timedelta(seconds=lease_s)
            mine = update(OUTBOX).where(OUTBOX.c.seq.in_([row.seq for row in rows]))
            await connection.execute(mine.values(claimed_by=owner, claimed_until=until))
        return [Claim(row.seq, Message(row.id, row.body), row.attempts) for row in rows]

    async def _next(self, receiver: str, now: datetime, most: int, *, by_age: bool) -> list[int]:
        """Rows to claim; read without a lock, for most looks find nothing."""
        query = queue.next_ones(receiver, now, self._settings.retry_max_s, most, by_age=by_age)
        async with self._store.transaction(writing=False) as connection:
            if await disabled(connection, receiver):
                return []
            return list((await connection.execute(query)).scalars())

    async def release(self, owner: str, seqs: Collection[int]) -> None:
        """Give claims back that were not tried."""
        async with self._store.transaction(writing=True) as connection:
            mine = and_(OUTBOX.c.seq.in_(seqs), OUTBOX.c.claimed_by == owner)
            await connection.execute(update(OUTBOX).where(mine).values(claimed_by=None, claimed_until=None))

    async def settle(
        self, receiver: str, claim: Claim, outcome: Outcome, owner: str, now: datetime, took_s: float,
        again_at: datetime, others: Collection[str],
    ) -> Settled:  # fmt: skip
        """Note what came of an attempt: message, receiver's state and log in one transaction.

        ``others``: receivers that are told when this attempt switches the receiver off.
        """
        async with self._store.transaction(writing=True) as connection:
            await _log(connection, receiver, claim, outcome, now, took_s)
            row = OUTBOX.c.seq == claim.seq
            tried = {"attempts": OUTBOX.c.attempts + 1, "claimed_by": None, "claimed_until": None}
            if outcome.delivered:
                await connection.execute(
                    update(OUTBOX).where(row).values(**tried, delivered_at=now, last_error="")
                )
                return Settled(recovered=await note_answer(connection, receiver, now))
            mine = and_(row, OUTBOX.c.claimed_by == owner, OUTBOX.c.delivered_at.is_(None))
            await connection.execute(
                update(OUTBOX)
                .where(mine)
                .values(**tried, next_attempt_at=again_at, last_error=outcome.detail[:200])
            )
            began, why = await note_failure(connection, receiver, outcome, now, self._settings, others)
            return Settled(began_to_fail=began, disabled=why)

    async def undelivered(self) -> int:
        """Number of messages that no receiver has answered yet."""
        query = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.delivered_at.is_(None))
        async with self._store.transaction(writing=False) as connection:
            return int((await connection.execute(query)).scalar() or 0)

    async def backlogs(self) -> dict[str, Backlog]:
        """What waits, by receiver."""
        made = func.min(func.coalesce(ALERTS.c.created_at, NOTICES.c.created_at), type_=ALERTS.c.created_at.type)
        query = (
            select(OUTBOX.c.receiver, func.count(), made)
            .select_from(queue.messages())
            .where(OUTBOX.c.delivered_at.is_(None))
            .group_by(OUTBOX.c.receiver)
        )
        async with self._store.transaction(writing=False) as connection:
            return {name: Backlog(n, at) for name, n, at in (await connection.execute(query)).all()}

    async def note_test(
        self, receiver: str, message: Message, outcome: Outcome, now: datetime, took_s: float
    ) -> None:
        """A test message is sent beside the outbox; its attempt is in the log."""
        async with self._store.transaction(writing=True) as connection:
            await _log(connection, receiver, Claim(0, message, 0), outcome, now, took_s)

    async def prune(self, now: datetime) -> int:
        """Forget attempts that the settings do not keep; returns how many."""
        settings = self._settings
        async with self._store.transaction(writing=True) as connection:
            newest = (await connection.execute(select(func.max(LOG.c.seq)))).scalar() or 0
            old = or_(LOG.c.at < now - timedelta(days=settings.log_days), LOG.c.seq <= newest - settings.log_rows)
            some = select(LOG.c.seq).where(old).order_by(LOG.c.seq).limit(PRUNE_ROWS)
            return (await connection.execute(delete(LOG).where(LOG.c.seq.in_(some)))).rowcount


async def _log(
    connection: AsyncConnection, receiver: str, claim: Claim, outcome: Outcome, now: datetime, took_s: float
) -> None:
    await connection.execute(
        insert(LOG).values(
            at=now, receiver=receiver, message_id=claim.message.id, attempt=claim.attempts + 1,
            delivered=int(outcome.delivered), detail=outcome.detail[:200], duration_ms=round(1000 * took_s),
        )
    )  # fmt: skip
