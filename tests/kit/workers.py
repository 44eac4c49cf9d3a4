"""Worker processes over made-up reports that say who made them, for what two of them do to one database."""

import asyncio
import logging
import os
from types import SimpleNamespace

import sqlalchemy as sa

from aggregator.delivery.notifier import Notifier
from aggregator.portfolios import Portfolios
from aggregator.service import Service
from aggregator.store.repository import Store
from aggregator.workers.settings import WorkerSettings
from aggregator.workers.share import Share
from risk.status import Status
from tests.kit.crash import QUICK, hooks
from tests.kit.reports import a_report

NAMES = tuple(f"p{i}" for i in range(40))
EVERY_S = 0.4
LEASE_S = 3.0
"""A worker that is killed is taken for dead after this long; the default is 5 s."""


class Cycle:
    """Gives a report of every portfolio that is asked for; each changes its status with every report."""

    desk = SimpleNamespace(last=None)

    def __init__(self, by: str = "", names: tuple[str, ...] = NAMES) -> None:
        self.portfolios = Portfolios(dict.fromkeys(names, ()))
        self.by, self.rounds = by, 0

    async def run(self, now, only=None, not_before=None):
        self.rounds += 1
        status = Status.WATCH if self.rounds % 2 else Status.SAFE
        names = (only or self.portfolios).names
        made = [a_report(name, status).model_copy(update={"status_reason": self.by}) for name in names]
        return tuple(
            report.model_copy(update={"as_of": report.as_of.model_copy(update={"time": now})}) for report in made
        )


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
