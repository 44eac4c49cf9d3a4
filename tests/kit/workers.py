"""Worker processes over made-up reports that say who made them, for what two of them do to one database."""

import asyncio
import logging
import os

import sqlalchemy as sa

from aggregator.delivery.notifier import Notifier
from aggregator.service import Service
from aggregator.store.repository import Store
from aggregator.workers.settings import WorkerSettings
from aggregator.workers.share import Share
from risk.status import Status
from tests.kit.crash import QUICK, hooks
from tests.kit.cycles import MadeUpCycle
from tests.kit.reports import a_report

NAMES = tuple(f"p{i}" for i in range(40))
EVERY_S = 0.4
LEASE_S = 3.0
"""A worker that is killed is taken for dead after this long; the default is 5 s."""


class Cycle(MadeUpCycle):
    """Gives a report of every portfolio that is asked for; each changes its status with every report."""

    def __init__(self, by: str = "", names: tuple[str, ...] = NAMES) -> None:
        super().__init__(names)
        self.by = by

    def make(self, name):
        status = Status.WATCH if self.rounds % 2 else Status.SAFE
        return a_report(name, status).model_copy(update={"status_reason": self.by})


def work(dsn: str, urls: dict[str, str]) -> None:
    """A worker until it is killed."""
    logging.disable()
    asyncio.run(_work(dsn, urls))


async def _work(dsn: str, urls: dict[str, str]) -> None:
    store = await Store.open(dsn)
    notifier, share = (
        Notifier(store, hooks(urls), QUICK),
        Share(store, (), WorkerSettings(lease_s=LEASE_S, beat_s=0.5)),
    )
    service = Service(Cycle(str(os.getpid())), store, notifier, EVERY_S, share=share)
    share.gained = service.gained
    await share.join()
    await asyncio.gather(share.run(), service.run(), service.run_touched(), notifier.run())


async def ask(store: Store, query: str, **values):
    """Rows of a query."""
    async with store.transaction(writing=False) as connection:
        return (await connection.execute(sa.text(query), values)).all()


async def expire(store: Store, share: Share) -> None:
    """Let a worker's time run out, as if it had been silent."""
    async with store.transaction(writing=True) as connection:
        dead = sa.text("UPDATE workers SET until = clock_timestamp() - interval '1 second' WHERE id = :id")
        await connection.execute(dead, {"id": share.worker})
