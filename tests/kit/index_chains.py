"""Local chains for tests of the index, and what a fresh full read of them gives, by another way than the index."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from aggregator.store.index_store import SqlIndexStore
from aggregator.store.index_tables import ACCOUNTS
from aggregator.store.repository import Store
from chains.caip import AccountId, ChainId
from chains.deployments import ChainDeployment
from chains.devnet import aave
from chains.devnet.anvil import Anvil
from chains.devnet.clock import to_present
from chains.devnet.context import ChainContext
from chains.devnet.multicall3 import CANONICAL
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.indexer.digest import Watch, digest
from chains.indexer.indexer import ChainIndexer, IndexPlan
from chains.indexer.owned import ask_owners
from chains.indexer.standing import standing
from chains.indexer.types import IndexEvent
from chains.protocols import VenueReader
from chains.types import BlockRef, Cut, Finality, LogFilter
from chains.venues.catalogue import readers_of
from chains.venues.emitters import EMITTERS, emitters_of, followed
from chains.venues.holdings import Haircuts
from tests.kit.lone_chain import lone_chain


@dataclass(frozen=True)
class Lender:
    """A lone chain with Aave and users that have supplied and borrowed."""

    ctx: ChainContext
    node: Anvil
    aave: aave.AaveWorld

    @property
    def chain(self) -> ChainId:
        return self.ctx.chain

    @property
    def deployment(self) -> ChainDeployment:
        venue = aave_venue()
        return ChainDeployment(self.chain, "lone", CANONICAL, tuple(self.ctx.assets), {venue: self.aave.addresses})

    def user(self, number: int) -> str:
        return self.ctx.deployer.accounts[number]

    def rpc(self, method: str, *params: object) -> object:
        return self.ctx.deployer.rpc(method, *params)

    def reorg(self, depth: int) -> None:
        self.rpc("anvil_reorg", depth, [])

    def head(self) -> int:
        return int(str(self.rpc("eth_blockNumber")), 16)


def aave_venue():
    return next(venue for venue in EMITTERS if venue == "aave-v3")


@contextmanager
def lender(number: int) -> Iterator[Lender]:
    with lone_chain(number, "--accounts", "30") as (ctx, node):
        world = aave.deploy(ctx)
        to_present(ctx)
        ctx.deployer.rpc("anvil_mine", hex(80))  # no reorg of the tests reaches the deployment
        yield Lender(ctx, node, world)


@asynccontextmanager
async def clients_of(urls: Mapping[ChainId, Sequence[str]]):
    transports = {chain: HttpTransport(chain, list(given)) for chain, given in urls.items()}
    try:
        yield {chain: EvmClient(chain, transport) for chain, transport in transports.items()}
    finally:
        for transport in transports.values():
            await transport.close()


def venue_readers(
    chain: ChainId, clients: Mapping[ChainId, EvmClient], deployments: Mapping[ChainId, ChainDeployment]
) -> list[VenueReader]:
    found = readers_of(chain, clients, deployments, Haircuts())
    return [reader for reader in found if followed(reader.venue)]


@dataclass
class Bench:
    """Indexers of several chains over one store."""

    clients: Mapping[ChainId, EvmClient]
    deployments: Mapping[ChainId, ChainDeployment]
    store: Store
    most_blocks: int = 100_000
    sample_interval_s: float = 1e9
    events: list[IndexEvent] = field(default_factory=list)
    tips: dict[ChainId, BlockRef] = field(default_factory=dict)
    readers: dict[ChainId, list[VenueReader]] = field(default_factory=dict)

    def observe(self, event: IndexEvent) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def indexer(self, chain: ChainId) -> ChainIndexer:
        plan = IndexPlan(
            chain, emitters_of(self.deployments[chain]), 0,
            most_blocks=self.most_blocks, sample_interval_s=self.sample_interval_s,
        )  # fmt: skip
        readers = self.readers.get(chain) or venue_readers(chain, self.clients, self.deployments)
        index = SqlIndexStore(self.store)
        return ChainIndexer(plan, self.clients[chain], readers, index, self.tips, lambda e: self.observe(e))

    async def rows(self, chain: ChainId) -> list[tuple]:
        """All that the store has of a chain's accounts."""
        query = sa.select(ACCOUNTS).where(ACCOUNTS.c.chain == chain).order_by(ACCOUNTS.c.account)
        async with self.store.transaction(writing=False) as connection:
            return [tuple(row) for row in (await connection.execute(query)).all()]

    async def come_to_rest(self, indexers: Sequence[ChainIndexer], within_s: float = 20) -> None:
        """Rounds until no account is dirty: those that needed another chain's checkpoint are tried again."""
        index = SqlIndexStore(self.store)
        async with asyncio.timeout(within_s):
            while True:
                await settle(indexers)
                if not any([await index.pick(one.chain, dirty=True, limit=1) for one in indexers]):
                    return
                await asyncio.sleep(0.2)

    async def must_be_fresh(self, *chains: ChainId) -> None:
        """The store equals a fresh full read: the same accounts, each with the same standing, none dirty."""
        cut = Cut({c: await client.head(Finality.LATEST) for c, client in self.clients.items()})
        for chain in chains or tuple(self.clients):
            expected = await fresh(chain, self.clients, self.deployments, cut)
            async with self.store.transaction(writing=False) as connection:
                query = sa.select(ACCOUNTS).where(ACCOUNTS.c.chain == chain)
                rows = (await connection.execute(query)).all()
            got = {r.account: r.state for r in rows}
            wrong = [a for a in sorted(got.keys() | expected) if got.get(a, "") != expected.get(a, "")]
            assert not wrong, "\n".join(f"{a}\n  index {got.get(a)}\n  fresh {expected.get(a)}" for a in wrong)
            assert not [r.account for r in rows if r.dirty]
            anchors = await SqlIndexStore(self.store).load(chain)
            assert anchors[-1].hash == cut.blocks[chain].hash
            known = await self.clients[chain].known([a.number for a in anchors], Finality.LATEST)
            assert [k.hash for k in known] == [a.hash for a in anchors]


async def fresh(
    chain: ChainId,
    clients: Mapping[ChainId, EvmClient],
    deployments: Mapping[ChainId, ChainDeployment],
    cut: Cut,
) -> dict[AccountId, str]:
    """Every account that all logs from the first block on name, with its standing at the cut."""
    at, emitters = cut.blocks[chain], emitters_of(deployments[chain])
    contracts = {events.venue: await events.contracts(clients[chain], names, at) for events, names in emitters}
    watch = Watch(chain, tuple(events for events, _ in emitters), contracts)
    logs = await clients[chain].logs(LogFilter(0, at.number, watch.addresses, (watch.topics,)))
    digested = digest(logs, watch)
    owned = await ask_owners(clients[chain], emitters, digested.unnamed, at)
    accounts = sorted({*digested.touches.found, *owned})
    found: dict[AccountId, list] = {account: [] for account in accounts}
    for reader in venue_readers(chain, clients, deployments):
        result = await reader.read(accounts, cut)
        assert result.failures == ()
        for one in result.accounts:
            found[one.account].append(one)
    return {account: standing(accounts) for account, accounts in found.items()}


async def settle(indexers: Iterable[ChainIndexer], rounds: int = 60) -> None:
    """Rounds until every chain is at its head twice in a row."""
    calm, running = 0, list(indexers)
    for _ in range(rounds):
        done = [await one.round() for one in running]
        calm = calm + 1 if all(done) else 0
        if calm == 2:
            return
    raise AssertionError("the index did not come to rest")


async def file_store(path: Path) -> Store:
    return await Store.open(f"sqlite+aiosqlite:///{path}")
