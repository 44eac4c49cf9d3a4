"""One cycle: cut -> read -> price -> reports. Values flow down; each step's result is frozen.

A chain, a venue or a source that fails is a typed gap of the reports that contain it; the others stand.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from aggregator import metrics, progress
from aggregator.bridge_desk import BridgeDesk
from aggregator.clock import unix
from aggregator.portfolios import Portfolios, by_chain
from aggregator.pricing import PriceDesk, PriceRound
from aggregator.report import MarginReport
from aggregator.reports import ReportMaker, World
from chains.accounts import ReadResult, failed
from chains.bridges import paused_bridges
from chains.caip import AccountId, ChainId
from chains.cut import MAX_STEP_BACK, ChainRule, cut
from chains.deployments import ChainDeployment
from chains.errors import ChainError
from chains.evm.client import EvmClient
from chains.protocols import VenueReader
from chains.types import ChainStatus, Cut, Finality
from oracles.protocols import PriceSource
from oracles.types import PriceBook, Quotes, merge

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Glance:
    """Prices alone, with the blocks and the quotes that they are made from."""

    now: datetime
    cut: Cut
    quotes: Quotes
    book: PriceBook


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything that one cycle needs; what it remembers between cycles are prices and the last worlds."""

    clients: Mapping[ChainId, EvmClient]
    readers: Sequence[VenueReader]
    sources: Sequence[PriceSource]
    deployments: Mapping[ChainId, ChainDeployment]
    portfolios: Portfolios
    maker: ReportMaker
    desk: PriceDesk
    bridges: BridgeDesk
    finality: Finality
    max_head_age_s: float | None = None
    rules: Mapping[ChainId, ChainRule] = field(default_factory=dict)
    """Chains whose block is chosen by a tag or limit of their own, and the L2s with their uptime feed."""
    worlds: dict[str, World] = field(default_factory=dict)
    """What the newest report of each portfolio was made from: where what-if questions begin."""

    async def run(
        self,
        now: datetime,
        portfolios: Portfolios | None = None,
        not_before: Mapping[ChainId, int] = MappingProxyType({}),
    ) -> tuple[MarginReport, ...]:
        """Reports of all portfolios (or of those given) at one cut, which shows the blocks ``not_before``."""
        world = await self.world(now, portfolios, not_before)
        self.worlds.update(dict.fromkeys(world.portfolios.names, world))
        return await asyncio.to_thread(self.maker.make, world)  # the event loop answers others meanwhile

    def reports(self, world: World, names: Sequence[str]) -> tuple[MarginReport, ...]:
        """Reports of some of the portfolios that were read."""
        return self.maker.make(replace(world, portfolios=world.portfolios.only(names)))

    async def world(
        self,
        now: datetime,
        portfolios: Portfolios | None = None,
        not_before: Mapping[ChainId, int] = MappingProxyType({}),
    ) -> World:
        """Everything read at one cut, before any figure is made of it."""
        wanted = self.portfolios if portfolios is None else portfolios
        wanted = wanted.only(wanted.names)  # account sets may come while the chains are read
        return await self.world_at(await self._cut(now, not_before), now, wanted)

    async def world_at(self, at: Cut, now: datetime, wanted: Portfolios, quotes: Quotes | None = None) -> World:
        """Everything read at blocks that are known already; ``now`` is when they were looked at.

        ``quotes``: those of the same blocks, where they were asked for before.
        """
        accounts = sorted({account for ids in wanted.members.values() for account in ids})
        reads, found, paused = await asyncio.gather(
            self._read(accounts, at),
            self._quotes(at, now, quotes),
            paused_bridges(self.clients, self.deployments, at),
        )
        book = await self.desk.price(found, at, now, now.timestamp())
        _observe(at, reads, now)
        clocks = self.desk.last.clocks if self.desk.last else ()
        self.bridges.paused = paused
        return World(now, at, wanted, reads, found, paused, book, clocks, self.bridges.routes)

    async def blocks(self, now: datetime) -> Cut:
        """The cut alone."""
        return await self._cut(now)

    async def glance(self, now: datetime) -> Glance:
        """Prices alone, at the newest block of every chain, level or not: whom they hurt cannot wait for that.

        Nothing is remembered of it, so that later rounds at older blocks do not find prices that run backwards.
        """
        at = await self._cut(now, max_step_back=0)
        quotes = await self._quotes(at, now)
        return Glance(now, at, quotes, await self.desk.glance(quotes, at, now))

    async def prices(self, now: datetime) -> PriceRound:
        """Prices alone, at one cut."""
        at = await self._cut(now)
        book = await self.desk.price(await self._quotes(at, now), at, now, now.timestamp())
        return self.desk.last or PriceRound(now, book, ())

    async def _cut(
        self,
        now: datetime,
        not_before: Mapping[ChainId, int] = MappingProxyType({}),
        max_step_back: int = MAX_STEP_BACK,
    ) -> Cut:
        at = await cut(
            self.clients,
            self.finality,
            unix(now),
            rules=self.rules,
            max_head_age_s=self.max_head_age_s,
            max_step_back=max_step_back,
            not_before=not_before,
        )
        _observe_states(at, self.clients)
        return at

    async def _read(self, accounts: Sequence[AccountId], at: Cut) -> tuple[ReadResult, ...]:
        grouped = by_chain(accounts)
        progress.expect(len(self.readers))
        reads = (self._read_one(reader, grouped.get(reader.chain, []), at) for reader in self.readers)
        return tuple(await asyncio.gather(*reads))

    async def _read_one(self, reader: VenueReader, accounts: Sequence[AccountId], at: Cut) -> ReadResult:
        try:
            return await self._read_venue(reader, accounts, at)
        finally:
            progress.step(f"{reader.venue} on {reader.chain}")

    async def _read_venue(self, reader: VenueReader, accounts: Sequence[AccountId], at: Cut) -> ReadResult:
        if not accounts:
            return ReadResult()
        if reader.chain not in at.blocks:
            reason = at.failures.get(reader.chain, "the chain has no block")
            return failed(accounts, reader.venue, "no_block", reason)
        try:
            return await reader.read(accounts, at)
        except ChainError as error:
            log.warning("%s on %s could not be read: %s", reader.venue, reader.chain, error)
            return failed(accounts, reader.venue, "unreachable", str(error))

    async def _quotes(self, at: Cut, now: datetime, known: Quotes | None = None) -> Quotes:
        if known is not None:
            return known
        keys = self.maker.registry.price_keys() | self.desk.legs
        progress.expect(len(self.sources))
        return merge(await asyncio.gather(*(self._quotes_of(source, keys, at, now) for source in self.sources)))

    async def _quotes_of(self, source: PriceSource, keys: Collection[str], at: Cut, now: datetime) -> Quotes:
        found = await source.quotes(keys, at, unix(now))
        progress.step(f"prices of {source.name}")
        return found


def _observe_states(at: Cut, chains: Collection[ChainId]) -> None:
    """Show the status of every chain: 1 for the one it has."""
    for chain in chains:
        for status in ChainStatus:
            metrics.CHAIN_STATUS.labels(chain=chain, status=status.value).set(at.state(chain).status is status)


def _observe(at: Cut, reads: Sequence[ReadResult], now: datetime) -> None:
    """Put what the cycle saw into the metrics."""
    metrics.SKEW.set(at.max_skew_s)
    for chain, block in at.blocks.items():
        metrics.CHAIN_HEAD.labels(chain=chain).set(block.number)
        metrics.CHAIN_AGE.labels(chain=chain).set(unix(now) - block.timestamp)
    worst: dict[tuple[str, str], float] = {}
    for read in reads:
        for failure in read.failures:
            metrics.READ_FAILURES.labels(venue=failure.venue, reason=failure.reason).inc()
        for account in read.accounts:
            error = max((float(check.rel_error) for check in account.checks), default=0.0)
            key = (account.venue, account.at.chain)
            worst[key] = max(worst.get(key, 0.0), error)
    for (venue, where), error in worst.items():
        metrics.MODEL_ERROR.labels(venue=venue, chain=where).set(error)
