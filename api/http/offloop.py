"""Computing beside the event loop: one thread, a bounded queue, so that reads stay quick."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web

from api.errors import Problem

T = TypeVar("T")
MOST_WAITING = 16


class OffLoop:
    """Runs one computation at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="what-if")
        self._waiting = 0

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result; raises Problem 503 where too many wait already."""
        if self._waiting >= MOST_WAITING:
            error = Problem(503, "busy", f"{self._waiting} computations wait already; try again")
            error.headers["Retry-After"] = "1"
            raise error
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, job)
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Give the thread back; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


OFF_LOOP = web.AppKey("off_loop", OffLoop)


async def off_loop(app: web.Application) -> AsyncIterator[None]:
    """The thread runs from start to stop of the application."""
    yield
    app[OFF_LOOP].stop()
