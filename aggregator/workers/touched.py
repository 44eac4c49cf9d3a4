"""What events have touched, from the process that follows a chain to those that look at the portfolios."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from aggregator.clock import utc_now
from aggregator.store.repository import Store
from aggregator.workers.tables import TOUCHED
from chains.caip import AccountId, ChainId
from chains.types import BlockRef

log = logging.getLogger(__name__)

POLL_S = 0.2
KEEP = timedelta(minutes=10)
TOUCHED_LOCK = 0x63726F746F75
"""Key of the advisory lock under which rows are written: their numbers are then in the order of their commits."""

Hears = Callable[[frozenset[AccountId], ChainId, int], None]


class TouchedLog:
    """Writes what this process's chains tell and hears what all chains tell. What is lost, the next scan finds."""

    def __init__(self, store: Store, hears: Hears) -> None:
        self._store = store
        self._hears = hears
        self._told: asyncio.Queue[tuple[frozenset[AccountId], BlockRef]] = asyncio.Queue(10_000)
        self._last: int | None = None

    def tell(self, accounts: frozenset[AccountId], at: BlockRef) -> None:
        """Pass accounts on."""
        if self._told.full():  # nobody could write for long: the scans see it all anyway
            return
        self._told.put_nowait((accounts, at))

    async def write(self) -> None:
        """Write what is told, for ever."""
        while True:
            accounts, at = await self._told.get()
            try:
                await self.add(accounts, at)
            except Exception as error:  # noqa: BLE001 - the next scan sees it
                log.warning("what has touched accounts of %s is not passed on: %s", at.chain, type(error).__name__)

    async def add(self, accounts: frozenset[AccountId], at: BlockRef) -> None:
        """Write one row and forget old ones."""
        row = {"at": utc_now(), "chain": at.chain, "number": at.number, "accounts": json.dumps(sorted(accounts))}
        async with self._store.transaction(writing=True) as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(TOUCHED_LOCK)))
            await connection.execute(sa.insert(TOUCHED).values(row))
            await connection.execute(sa.delete(TOUCHED).where(TOUCHED.c.at < utc_now() - KEEP))

    async def follow(self) -> None:
        """Hear for ever; what was told before the first look is old."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - as above
                log.debug("touched accounts cannot be read: %s", type(error).__name__)
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Hear what is new."""
        async with self._store.transaction(writing=False) as connection:
            if self._last is None:
                self._last = (await connection.execute(sa.select(sa.func.max(TOUCHED.c.seq)))).scalar() or 0
                return
            query = sa.select(TOUCHED.c.seq, TOUCHED.c.chain, TOUCHED.c.number, TOUCHED.c.accounts)
            query = query.where(TOUCHED.c.seq > self._last).order_by(TOUCHED.c.seq)
            rows = (await connection.execute(query)).all()
        for row in rows:
            self._last = row.seq
            self._hears(frozenset(map(AccountId, json.loads(row.accounts))), ChainId(row.chain), row.number)
