"""Work on the database of the settings: opened for it, closed after it, whatever comes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aggregator.config import Settings
from aggregator.store.repository import Store

T = TypeVar("T")


async def with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """What comes of the work; raises StoreError where the database cannot be opened."""
    store = await Store.open(settings.database.get_secret_value())
    try:
        return await work(store)
    finally:
        await store.close()


def on_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    """The same for a command that does nothing else."""
    return asyncio.run(with_store(settings, work))
