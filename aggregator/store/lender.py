"""Lends the connections of a database, and ends with every one of them back, or cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from aggregator.errors import StoreError

GRACE_S: Final = 1.0
"""What a database that answers needs for the end of a transaction is far less."""


class Lender:
    """Connections of an engine.

    Not everybody who ends is waited for: answers to clients that are gone are cancelled and left alone. Were the
    engine disposed of meanwhile, what they give back would belong to nobody and stay open. And a server that is
    frozen, or behind a network that swallows packets, holds whoever rolls back for as long as TCP is patient.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._borrowers: list[asyncio.Task[Any] | None] = []
        self._all_back = asyncio.Event()
        self._closed = False
        self._drivers: WeakSet[Any] = WeakSet()
        event.listen(engine.sync_engine, "connect", lambda made, _: self._drivers.add(made.driver_connection))

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[AsyncConnection]:
        """A connection for the block; what is not committed by its end is rolled back.

        Raises StoreError once the store is closed.
        """
        if self._closed:
            raise StoreError("database: closed")
        borrower = asyncio.current_task()
        self._borrowers.append(borrower)
        try:
            async with self._engine.connect() as connection:
                yield connection
        finally:
            self._borrowers.remove(borrower)
            if not self._borrowers:
                self._all_back.set()

    async def close(self) -> None:
        """Lend nothing more and close all; who does not end by himself is cancelled, then cut off. Bounded."""
        self._closed = True
        if not await self._are_back():
            for borrower in self._borrowers:
                if borrower is not None:
                    borrower.cancel()
            if not await self._are_back():
                self._cut()
                await self._are_back()
        closing = asyncio.create_task(self._engine.dispose())
        _, late = await asyncio.wait({closing}, timeout=GRACE_S)
        if late:
            self._cut()
        with contextlib.suppress(SQLAlchemyError, OSError):  # what was cut cannot end in order
            await closing

    async def _are_back(self) -> bool:
        """Whether all connections come back soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                while self._borrowers:
                    self._all_back.clear()
                    await self._all_back.wait()
        return not self._borrowers

    def _cut(self) -> None:
        """End connections to a server that does not answer; a file always does."""
        for driver in list(self._drivers):
            if hasattr(driver, "terminate"):
                driver.terminate()
