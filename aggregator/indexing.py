"""The index beside the scans: one loop per chain, what it tells as metrics and log lines, and whom it wakes."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from aggregator import metrics
from aggregator.clock import unix, utc_now
from aggregator.config import Settings
from aggregator.store.index_store import SqlIndexStore
from aggregator.store.repository import Store
from aggregator.wiring import Wired
from chains.caip import AccountId, ChainId, account_chain
from chains.deployments import ChainDeployment
from chains.errors import ChainError
from chains.evm.subscribe import heads
from chains.indexer.indexer import ChainIndexer, IndexPlan
from chains.indexer.types import Advanced, Failing, IndexEvent, Recovered, Refreshed, RolledBack, Sampled
from chains.types import BlockRef
from chains.venues.emitters import emitters_of, followed

log = logging.getLogger(__name__)

Touched = Callable[[frozenset[AccountId], BlockRef], None]
Observer = Callable[[IndexEvent], None]
PASSES = 5
NEWS_BLOCKS = 1_000
"""A stored index that is at most so far behind has missed news; what is older the scans have seen."""
RETRY_S = 0.5
"""Pause after a look that did not reach the head: a reorg was under way, or trouble."""


class Indexing:
    """The indexers of all chains over one store.

    Parameters
    ----------
    touched : told which accounts events have changed up to which block, once the blocks are committed.
    also : told every event of the index, after metrics and log.
    mine : whether this process follows a chain, where several share the chains.
    """

    def __init__(
        self,
        wired: Wired,
        store: Store,
        *,
        touched: Touched = lambda _, __: None,
        also: Observer = lambda _: None,
        mine: Callable[[ChainId], bool] = lambda _: True,
    ) -> None:
        self._wired = wired
        self._mine = mine
        self._touched = touched
        self._also = also
        self._tips: dict[ChainId, BlockRef] = {}
        self._live: set[ChainId] = set()
        self._resumed: set[ChainId] = set()
        """Chains whose index was there when this process began to follow them."""
        for chain in wired.clients:
            metrics.INDEX_WORKING.labels(chain=chain).set(1)
        self.store = SqlIndexStore(store)
        self.indexers = tuple(
            self._indexer(chain, deployment) for chain, deployment in wired.cycle.deployments.items()
        )

    async def run(self) -> None:
        """Follow every chain for ever; ends by cancellation only. One chain's trouble is its own."""
        # Unlike gather a group ends when all its tasks have ended: none asks on while connections are closed.
        async with asyncio.TaskGroup() as group:
            for indexer in self.indexers:
                group.create_task(self._follow(indexer))

    async def once(self, rounds: int = 60) -> bool:
        """Catch up with every head and read what is dirty; False where a chain could not be reached.

        An account whose read needs another chain's checkpoint waits for it; one that fails for good stays dirty.
        """
        for _ in range(PASSES):
            done = await asyncio.gather(*(self._catch_up(indexer, rounds) for indexer in self.indexers))
            if not all(done):
                return False
            if not any([await self.store.pick(one.chain, dirty=True, limit=1) for one in self.indexers]):
                break
            await asyncio.sleep(RETRY_S)
        return True

    async def _catch_up(self, indexer: ChainIndexer, rounds: int) -> bool:
        for _ in range(rounds):
            if await indexer.round():
                return True
            await asyncio.sleep(RETRY_S)
        return False

    async def _follow(self, indexer: ChainIndexer) -> None:
        news = asyncio.Event()
        listener = asyncio.create_task(self._listen(indexer.chain, news))
        poll_s, began = self._wired.settings.index.poll_s, False
        try:
            while True:
                news.clear()
                if not self._mine(indexer.chain):
                    self._leave(indexer)
                    began = False
                    await asyncio.sleep(RETRY_S)
                    continue
                if not began:
                    began = await self._begin(indexer.chain)
                at_head = await self._round(indexer)
                with suppress(TimeoutError):
                    async with asyncio.timeout(poll_s if at_head else min(poll_s, RETRY_S)):
                        await news.wait()
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _begin(self, chain: ChainId) -> bool:
        """Look whether the chain has an index already; False where the store cannot tell now."""
        try:
            if await self.store.load(chain):
                self._resumed.add(chain)
        except ChainError:
            return False
        return True

    def _leave(self, indexer: ChainIndexer) -> None:
        self._live.discard(indexer.chain)
        self._resumed.discard(indexer.chain)
        indexer.forget()

    async def _round(self, indexer: ChainIndexer) -> bool:
        try:
            done = await indexer.round()
        except Exception:
            log.exception("%s: the index met something unforeseen and goes on", indexer.chain)
            return False
        if (tip := self._tips.get(indexer.chain)) is not None:
            metrics.INDEX_LAG_S.labels(chain=indexer.chain).set(unix(utc_now()) - tip.timestamp)
        return done

    async def _listen(self, chain: ChainId, news: asyncio.Event) -> None:
        """Wake the loop at every new head; the head itself is asked anew, an announcement proves nothing."""
        transport, client = self._wired.transports[chain], self._wired.clients[chain]
        async for _ in heads(client, transport, poll_s=self._wired.settings.index.poll_s):
            news.set()

    def _indexer(self, chain: ChainId, deployment: ChainDeployment) -> ChainIndexer:
        readers = [r for r in self._wired.cycle.readers if r.chain == chain and followed(r.venue)]
        plan = plan_of(self._wired.settings, deployment)
        return ChainIndexer(plan, self._wired.clients[chain], readers, self.store, self._tips, self._observe)

    def _observe(self, event: IndexEvent) -> None:
        record(event)
        if isinstance(event, Advanced) and event.tip.number == event.head:
            # What a backfill finds has happened long ago: the scans have seen it.
            news = event.chain in self._live or (event.chain in self._resumed and event.blocks <= NEWS_BLOCKS)
            if event.accounts and news:
                self._touched(event.accounts, event.tip)
            self._live.add(event.chain)
        if isinstance(event, RolledBack) and (tip := self._tips.get(event.chain)) is not None:
            self._touched(self._watched(event.chain), tip)
        self._also(event)

    def _watched(self, chain: ChainId) -> frozenset[AccountId]:
        """Accounts of portfolios on a chain: what a reorg has undone concerns any of them."""
        members = self._wired.cycle.portfolios.members.values()
        return frozenset(account for ids in members for account in ids if account_chain(account) == chain)


def plan_of(settings: Settings, deployment: ChainDeployment) -> IndexPlan:
    """What is indexed of a chain by the settings."""
    own = settings.index
    return IndexPlan(
        deployment.chain,
        emitters_of(deployment),
        settings.chains[deployment.chain].index_from_block,
        sample=own.sample,
        sample_interval_s=own.sample_interval_s,
        most_blocks=own.most_blocks,
    )


def record(event: IndexEvent) -> None:
    """Metrics and log lines of one event; drift is a defect and is never quiet."""
    chain = event.chain
    match event:
        case Advanced():
            metrics.INDEX_BLOCK.labels(chain=chain).set(event.tip.number)
            metrics.INDEX_LAG_BLOCKS.labels(chain=chain).set(event.head - event.tip.number)
            metrics.INDEX_LOGS.labels(chain=chain).inc(event.logs)
            if event.undecodable:
                metrics.INDEX_UNDECODABLE.labels(chain=chain).inc(event.undecodable)
                log.error("%s: %d logs are not what their signature says", chain, event.undecodable)
        case RolledBack():
            metrics.INDEX_REORGS.labels(chain=chain).inc()
            metrics.INDEX_REORG_DEPTH.labels(chain=chain).observe(event.depth)
            log.warning("%s: reorg, %d blocks taken back to block %d", chain, event.depth, event.to)
        case Refreshed():
            metrics.INDEX_READS.labels(chain=chain, result="ok").inc(event.accounts - event.failures)
            metrics.INDEX_READS.labels(chain=chain, result="failed").inc(event.failures)
        case Sampled():
            metrics.INDEX_SAMPLED.labels(chain=chain).inc(event.accounts)
            for account, venue in event.drifted:
                metrics.INDEX_DRIFT.labels(chain=chain, venue=venue).inc()
                log.error("%s: %s changed without an event; its state was read anew", account, venue)
        case Failing():
            metrics.INDEX_WORKING.labels(chain=chain).set(0)
            log.error("%s: the index fails: %s", chain, event.reason)
        case Recovered():
            metrics.INDEX_WORKING.labels(chain=chain).set(1)
            log.info("%s: the index works again", chain)
