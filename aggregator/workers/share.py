"""One process's part of the work: it says that it lives, takes its fair part of what is free, gives up more."""

import asyncio
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from math import ceil
from types import MappingProxyType

from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator import metrics
from aggregator.portfolios import Portfolios
from aggregator.store.repository import Store
from aggregator.workers import leases
from aggregator.workers.leases import KINDS, RATE, SHARDS, Peer, chain_lease, shard_lease
from aggregator.workers.loans import Borrower, Rate
from aggregator.workers.settings import WorkerSettings
from chains.caip import ChainId

log = logging.getLogger(__name__)


def shard_of(portfolio: str) -> str:
    """The lease that a portfolio belongs to; the same in every process and version."""
    digest = hashlib.blake2b(portfolio.encode(), digest_size=8).digest()
    return shard_lease(int.from_bytes(digest) % SHARDS)


def digest_of(known: Portfolios) -> str:
    """What must be equal in all workers, or portfolios that only one of them knows may be nobody's."""
    own = {name: ids for name, ids in known.members.items() if name not in known.owners}
    return hashlib.sha256(repr(sorted(own.items())).encode()).hexdigest()


class Share:
    """What this process holds. ``gained`` hears of leases that are new here; ``rates``: budgets of endpoints."""

    def __init__(
        self,
        store: Store,
        chains: Collection[ChainId],
        settings: WorkerSettings,
        *,
        book: str = "",
        gained: Callable[[frozenset[str]], None] = lambda _: None,
        rates: Mapping[str, Rate] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._chains = chains
        self._settings = settings
        self._book = book
        self.gained = gained
        self.worker = f"{os.uname().nodename[:20]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        # A loan outlives its lender until another one prolongs it, and no longer: who starts again waits for it.
        self._borrower = Borrower(self.worker, rates, settings.lease_s + 3 * settings.beat_s)
        self.sharers = 1
        self._epochs: Mapping[str, int] = {}
        self._sure_until = 0.0
        self._unlike = self._failing = False

    @property
    def epochs(self) -> Mapping[str, int]:
        """Epochs of what is held; nothing once the others take this process for dead."""
        return self._epochs if time.monotonic() < self._sure_until else {}

    def of(self, known: Portfolios) -> Portfolios:
        """The portfolios that this process looks at."""
        mine = self.epochs
        return known.only([name for name in known.names if shard_of(name) in mine])

    def follows(self, chain: ChainId) -> bool:
        """Whether this process reads the events of a chain."""
        return chain_lease(chain) in self.epochs

    def has(self, lease: str) -> bool:
        """Whether this process holds a lease."""
        return lease in self.epochs

    async def hold(self, connection: AsyncConnection, names: Collection[str]) -> frozenset[str]:
        """Portfolios that are this process's still, and stay so to the end of the transaction."""
        mine, shards = self._epochs, {name: shard_of(name) for name in names}
        wanted = {shard: mine[shard] for shard in shards.values() if shard in mine}
        kept = await leases.hold(connection, self.worker, wanted)
        return frozenset(name for name, shard in shards.items() if shard in kept)

    async def join(self) -> None:
        """Become one of the workers, once a part of every endpoint's rate is lent to this process."""
        self._borrower.end()
        async with self._store.transaction(writing=True) as connection:
            await leases.seed(connection, self._chains, self._borrower.leases)
        for _ in range(ceil(2 * self._settings.lease_s / self._settings.beat_s)):
            await self.beat()
            if self._borrower.whole:
                return
            await asyncio.sleep(self._settings.beat_s)
        log.warning("no part of an endpoint's rate is lent to this worker yet: it begins with the least")

    async def beat(self) -> None:
        """Say that this process lives, and hold a fair part of the work."""
        began = time.monotonic()
        async with self._store.transaction(writing=True) as connection:
            await self._live_on(connection)
            peers = await leases.living(connection)
            epochs = await leases.held(connection, self.worker)
            for kind in KINDS:
                await self._level(connection, kind, epochs, max(1, len(peers)))
            loans = await self._borrower.exchange(connection, epochs, [peer.id for peer in peers])
        self._borrower.keep_to(loans, began)
        before, self._epochs = self.epochs, epochs
        self._sure_until = began + self._settings.lease_s
        self._shared(peers)
        if gained := frozenset(epochs.keys() - before.keys()):
            self.gained(gained)
        for kind in KINDS:
            metrics.LEASES.labels(kind=kind).set(sum(name.startswith(kind) for name in epochs))

    async def run(self) -> None:
        """Beat for ever; gives everything up when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(self._settings.beat_s)
                try:
                    await self.beat()
                except Exception as error:  # noqa: BLE001 - whatever the database does, the next beat comes
                    self._failed(error)
                else:
                    self._worked()
        finally:
            await self._leave()

    async def _live_on(self, connection: AsyncConnection) -> None:
        await leases.live_on(connection, self.worker, self._settings.lease_s, self._book)

    async def _level(self, connection: AsyncConnection, kind: str, epochs: dict[str, int], sharers: int) -> None:
        """Hold at most the fair part of a kind, and all of it that is free."""
        # Of endpoints that others have in their settings, this process knows neither the address nor the rate.
        among = self._borrower.leases if kind == RATE else None
        there = len(among) if among is not None else await leases.count(connection, kind)
        fair = ceil(there / sharers)
        mine = [name for name in epochs if name.startswith(f"{kind}-")]
        if len(mine) < fair:
            epochs |= await leases.claim(connection, self.worker, kind, fair - len(mine), among)
        for name in await leases.release(connection, self.worker, mine[fair:]) if len(mine) > fair else ():
            del epochs[name]

    def _shared(self, peers: list[Peer]) -> None:
        """Note who lives, and say what is new about it."""
        sharers = max(1, len(peers))
        if sharers != self.sharers:
            log.info("%d workers share the portfolios and the endpoints' rates", sharers)
        self.sharers = sharers
        metrics.WORKERS.set(sharers)
        unlike = [peer.id for peer in peers if peer.book != self._book]
        if unlike and not self._unlike:
            log.error(
                "%s has other portfolios in its settings: some may be nobody's; give all the same", unlike[0]
            )
        self._unlike = bool(unlike)

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            log.error("this worker cannot say that it lives: %s; others take over meanwhile", type(error).__name__)
        self._failing = True

    def _worked(self) -> None:
        if self._failing:
            log.info("this worker is one of %d again", self.sharers)
        self._failing = False

    async def _leave(self) -> None:
        self._sure_until = 0.0
        self._borrower.end()
        try:
            async with self._store.transaction(writing=True) as connection:
                await self._borrower.leave(connection)
                await leases.leave(connection, self.worker)
        except Exception as error:  # noqa: BLE001 - then the leases run out by themselves
            log.warning("leases are not given back: %s", type(error).__name__)
