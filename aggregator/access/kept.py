"""Answers to repeated requests: kept for a day by caller and Idempotency-Key."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from aggregator.access.tables import KEPT
from aggregator.store.repository import Store

LIFETIME = timedelta(hours=24)
WORKED_ON = timedelta(minutes=10)
"""After this long without an answer the first request has died with its process: the key is free again."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An earlier answer; ``body`` is None while the first request is still being worked on."""

    request_hash: str
    status: int
    body: bytes | None


class KeptAnswers:
    """Kept answers of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, caller: str, key: str, request_hash: str, now: datetime) -> KeptAnswer | None:
        """None where this is the first request of the key, which is then taken; else what is known of it."""
        mine = (KEPT.c.caller == caller, KEPT.c.key == key)
        try:
            async with self._store.transaction(writing=True) as connection:
                await connection.execute(delete(KEPT).where(KEPT.c.expires_at < now))
                await connection.execute(
                    insert(KEPT).values(
                        caller=caller, key=key, request_hash=request_hash, status=0, expires_at=now + WORKED_ON
                    )
                )
        except IntegrityError:
            async with self._store.transaction(writing=False) as connection:
                row = (await connection.execute(select(KEPT).where(*mine))).one_or_none()
            return None if row is None else KeptAnswer(row.request_hash, row.status, row.body)
        return None

    async def finish(self, caller: str, key: str, status: int, body: bytes, now: datetime) -> None:
        """Keep the answer for a day."""
        mine = (KEPT.c.caller == caller, KEPT.c.key == key)
        kept = {"status": status, "body": body, "expires_at": now + LIFETIME}
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(update(KEPT).where(*mine).values(kept))

    async def forget(self, caller: str, key: str) -> None:
        """The request failed: the key may be used again."""
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(delete(KEPT).where(KEPT.c.caller == caller, KEPT.c.key == key))
