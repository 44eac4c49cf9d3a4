"""Worker processes that spend all that they may of one endpoint's rate, and note when."""

import asyncio
import logging
import os
import time
from pathlib import Path

from aggregator.store.repository import Store
from aggregator.workers.settings import WorkerSettings
from aggregator.workers.share import Share
from chains.evm.budget import Throttled
from chains.evm.limits import TransportLimits

ENDPOINT = "e" * 32
RATE_PER_S = 50
QUICK = WorkerSettings(lease_s=1.5, beat_s=0.4)


class Budget:
    """An endpoint's budget that is told what it may spend."""

    per_s = 100

    def __init__(self, wants: int = 0) -> None:
        self.wants, self.part, self.for_s = wants, 0, 0.0

    def keep_to(self, part, for_s):
        self.part, self.for_s = part, for_s

    def asked(self):
        return self.wants


class Noting:
    """Where the requests end: their times by the clock that all processes of a host share."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def send(self, requests):
        os.write(self._file, f"{time.monotonic()}\n".encode() * len(requests))
        return [b"1"] * len(requests)


def spend(dsn: str, path: Path) -> None:
    """A worker that asks the endpoint without end, until it is killed."""
    logging.disable()
    asyncio.run(_spend(dsn, path))


async def _spend(dsn: str, path: Path) -> None:
    store, rate = await Store.open(dsn), Throttled(Noting(path), TransportLimits(rate_per_s=RATE_PER_S))

    async def ask() -> None:
        while True:
            await rate.send([("eth_chainId", [])])

    share = Share(store, (), QUICK, rates={ENDPOINT: rate})
    await share.join()
    await asyncio.gather(share.run(), *(ask() for _ in range(RATE_PER_S)))
