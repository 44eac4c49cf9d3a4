"""Learning about bridges while the service runs: spoke pools are followed, operators asked, laws updated."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from aggregator import metrics
from aggregator.bridge_asks import Asks
from aggregator.bridge_desk import BridgeDesk, Watched
from aggregator.bridge_laws import Observation
from aggregator.clock import utc_now
from aggregator.store.repository import Store
from aggregator.store.transfers import Awaited, Stretch, TransferLog
from aggregator.wiring import Wired
from chains.caip import Address, ChainId, account_address, account_chain
from chains.errors import ChainError
from chains.types import BlockRef, Cut
from chains.venues.across import VENUE
from chains.venues.across.watch import Paid, PoolWatch

log = logging.getLogger(__name__)

REORG_BLOCKS = 256
"""So many blocks are looked at again each time: what a reorg has undone is taken back."""
AGES_S = 300.0
"""How often the ages of transfers under way are looked at anew; slow paths are counted in hours."""
STOP_S = 3.0
"""What is under way has so long to finish when the service stops."""
Owners = frozenset[Address]


@dataclass(slots=True)
class _Marks:
    """How far one chain was looked at."""

    sent: int | None = None
    paid: int | None = None
    owners: Owners = field(default_factory=frozenset)


class BridgeWatch:
    """The loop beside the scans. One chain's trouble is its own, an operator's too.

    ``may_look``: whether this process follows the pools; where another one over the same store does, what it finds
    counts here too.
    """

    def __init__(self, wired: Wired, store: Store, may_look: Callable[[], bool] = lambda: True) -> None:
        self._wired = wired
        self._may_look = may_look
        self._settings = wired.settings.bridges
        self.log = TransferLog(store)
        self.desk: BridgeDesk = wired.cycle.bridges
        self._asks = Asks(self._settings.live, wired.cycle.deployments)
        self._marks: defaultdict[ChainId, _Marks] = defaultdict(_Marks)
        self._asked_at: float | None = None
        self._seen: tuple[Observation, ...] = ()
        self._state: tuple[object, ...] | None = None
        self._fetched_at = 0.0
        assets = wired.cycle.maker.registry.assets
        self._pools = {
            chain: PoolWatch(wired.clients[chain], chain, deployment.venues[VENUE]["spoke_pool"], assets)
            for chain, deployment in wired.cycle.deployments.items()
            if VENUE in deployment.venues
        }

    async def run(self) -> None:
        """Look and ask for ever; ends by cancellation only."""
        async with self._asks.session() as session:
            failing = False
            while True:
                try:
                    await self._whole(session)
                    if failing:
                        log.info("bridges are looked at again")
                    failing = False
                except Exception as error:  # noqa: BLE001 - the laws that are known stand until it works again
                    if not failing:
                        log.warning("bridges could not be looked at: %s; will retry", type(error).__name__)
                    failing = True
                await asyncio.sleep(self._settings.every_s)

    async def _whole(self, session: aiohttp.ClientSession) -> None:
        """A round that may finish when the service stops: a transaction cut in its middle may not end at all."""
        work = asyncio.create_task(self.round(session))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work], timeout=STOP_S)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise

    async def round(self, session: aiohttp.ClientSession) -> bool:
        """One look at everything; whether any law has changed."""
        if self._settings.observe != "off" and self._pools and self._may_look():
            await self._look()
        asked = self._asks.wanted and self._due()
        if asked:
            await self._ask(session)
        if not await self._fetch() and not asked:
            return False
        changed = await self.desk.learn(self._seen, utc_now())
        if changed:
            log.info("latency laws follow %d transfers, %d answers", len(self._seen), len(self.desk.said))
        return changed

    async def _fetch(self) -> bool:
        """Have the transfers of the store at hand; whether they or the ages of those under way are new."""
        state, now = await self.log.state(), time.monotonic()
        if state == self._state and now - self._fetched_at < AGES_S:
            return False
        at = utc_now()
        await self.log.thin(at)
        self._seen = await self.log.observations(at)
        self._state, self._fetched_at = await self.log.state(), now
        return True

    def _due(self) -> bool:
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at < self._settings.live.every_s:
            return False
        self._asked_at = now
        return True

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        before = {key for key, said in self.desk.said.items() if said.reason}
        chains = set(self._wired.clients)
        routes = [law.default for law in self.desk.laws if {law.route.source, law.route.destination} <= chains]
        self.desk.said |= await self._asks.estimates(session, routes)
        for key, said in self.desk.said.items():
            if said.reason and key not in before:
                log.warning("%s to %s: %s", key[1], key[2], said.reason)
        done = await self.log.known(self._asks.names)
        for name, seen in (await self._asks.transfers(session, done)).items():
            await self.log.add_done(name, seen)

    async def _look(self) -> None:
        """Deposits of every chain first, then fills: each fill finds the deposit that it belongs to."""
        at = await self._wired.cycle.blocks(utc_now())
        chains = [chain for chain in self._pools if chain in at.blocks]
        for chain in set(self._pools) - set(chains):
            self._watched(chain, at.failures.get(chain, "no block"))
        good = await asyncio.gather(*(self._deposits(chain, at.blocks[chain]) for chain in chains))
        complete = all(good) and len(chains) == len(self._pools)
        seen = [chain for chain, looked in zip(chains, good, strict=True) if looked]
        await asyncio.gather(*(self._fills(chain, at, complete) for chain in seen))

    async def _deposits(self, chain: ChainId, at: BlockRef) -> bool:
        marks, owners = self._marks[chain], self._owners(chain)
        if owners is not None and not owners <= marks.owners:  # a portfolio has come: look back for it
            marks.sent = marks.paid = None
        if marks.sent is not None and at.number < marks.sent:  # an aligned cut may lie before the last one
            return True
        first = self._first(chain, marks.sent, at)
        try:
            sent = await self._pools[chain].sent(first, at, None if owners is None else sorted(owners))
        except ChainError as error:
            self._watched(chain, str(error))
            return False
        await self.log.add_sent(sent, Stretch(chain, first, at.number), owners)
        marks.sent, marks.owners = at.number, owners or frozenset()
        return True

    async def _fills(self, chain: ChainId, at: Cut, complete: bool) -> None:
        """Fills on a chain; what was read is read again until the deposits of all chains are known."""
        block, marks = at.blocks[chain], self._marks[chain]
        if marks.paid is not None and block.number < marks.paid:
            return
        first = self._first(chain, marks.paid, block)
        awaited = await self.log.awaited(chain, first)
        ids: defaultdict[ChainId, list[int]] = defaultdict(list)
        for one in awaited:
            ids[one.source].append(one.deposit_id)
        pool, everyone = self._pools[chain], self._settings.observe == "everyone"
        try:
            paid = await pool.paid(first, block, None if everyone else ids)
            missed = await self._missed(chain, block, awaited, paid) if marks.paid is None else frozenset()
        except ChainError as error:
            self._watched(chain, str(error))
            return
        await self.log.add_paid(paid, Stretch(chain, first, block.number))
        await self.log.drop(missed)
        if complete:
            marks.paid = block.number
        self._watched(chain, "", block.number)

    async def _missed(
        self, chain: ChainId, at: BlockRef, awaited: Sequence[Awaited], paid: Sequence[Paid]
    ) -> frozenset[str]:
        """Transfers that arrived before the blocks of the first look: what they took, nobody has seen."""
        found = {one.key for one in paid}
        lost = {one.relay_hash: one.key for one in awaited if not one.arrived and one.key not in found}
        return frozenset(lost[hash_] for hash_ in await self._pools[chain].filled(sorted(lost), at))

    def _first(self, chain: ChainId, mark: int | None, at: BlockRef) -> int:
        """First block to look at."""
        back = self._wired.settings.chains[chain].log_lookback_blocks if mark is None else REORG_BLOCKS
        return max(0, (at.number if mark is None else mark) - back)

    def _owners(self, chain: ChainId) -> Owners | None:
        """Whose deposits count; None: everyone's."""
        if self._settings.observe == "everyone":
            return None
        members = self._wired.cycle.portfolios.members.values()
        return frozenset(account_address(i) for ids in members for i in ids if account_chain(i) == chain)

    def _watched(self, chain: ChainId, reason: str, block: int | None = None) -> None:
        before = self.desk.watched.get(chain)
        if reason and (before is None or not before.reason):
            log.warning("transfers of %s cannot be followed: %s", chain, reason)
        if not reason and before is not None and before.reason:
            log.info("transfers of %s are followed again", chain)
        metrics.BRIDGE_WATCH.labels(chain=chain).set(0 if reason else 1)
        last = before.block if block is None and before is not None else block
        self.desk.watched[chain] = Watched(utc_now(), last, reason)
