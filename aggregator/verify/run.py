"""A verification from beginning to end: fork, read, move, read again, compare."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aggregator.config import Settings
from aggregator.errors import ConfigError
from aggregator.factors import FactorParams, load_factors
from aggregator.margin_rule import margin_figures
from aggregator.portfolios import Portfolios, by_chain
from aggregator.registry import AssetRegistry
from aggregator.verify.compare import TOLERANCE, Row, Subject, comparable, compare, unread
from aggregator.verify.scenarios import Scenario
from aggregator.wiring import Wired
from chains.accounts import ReadFailure, ReadResult, VenueId, failed
from chains.caip import AccountId, ChainId
from chains.deployments import ChainDeployment
from chains.errors import ChainError
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport, TransportLimits
from chains.forks import node
from chains.forks.move import Moves, movable, move
from chains.forks.node import Fork
from chains.forks.settle import settle_funding
from chains.forks.spec import ForkSpec
from chains.protocols import VenueReader
from chains.types import BlockRef, Cut, Finality
from chains.venues import across, uniswap
from chains.venues.catalogue import readers_of
from chains.venues.holdings import VENUE as WALLET
from chains.venues.holdings import Haircuts

T = TypeVar("T")
WITHOUT_RULE: frozenset[VenueId] = frozenset({WALLET, across.VENUE, uniswap.VENUE})
"""Places where nothing can be liquidated: no contract says anything about them."""
FORK_LIMITS = TransportLimits(rate_per_s=100_000, timeout_s=120)
"""A fork is ours alone, but fetches what it lacks from an endpoint that may be slow."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verification found."""

    blocks: Mapping[ChainId, BlockRef]
    """Heads of the forks that everything was read at."""
    forked: Mapping[ChainId, int]
    """Blocks that were forked."""
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Everything was compared, and all of it is the same."""
        return all(row.ok for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Chain:
    """One fork under verification."""

    client: EvmClient
    transport: HttpTransport
    deployment: ChainDeployment
    readers: Sequence[VenueReader]
    accounts: Sequence[AccountId]

    async def read(self, at: BlockRef) -> ReadResult:
        """All venues of the chain at its head; a venue that cannot be read fails its accounts."""
        cut = Cut({at.chain: at})
        reads = await asyncio.gather(*(self._read_one(reader, cut) for reader in self.readers))
        return ReadResult(
            accounts=tuple(account for read in reads for account in read.accounts if comparable(account)),
            failures=tuple(failure for read in reads for failure in read.failures),
        )

    async def _read_one(self, reader: VenueReader, cut: Cut) -> ReadResult:
        try:
            return await reader.read(self.accounts, cut)
        except ChainError as error:
            return failed(self.accounts, reader.venue, "unreachable", str(error))


async def verify(
    wired: Wired, portfolios: Portfolios, scenarios: Sequence[Scenario], tolerance: float = TOLERANCE
) -> Outcome:
    """Compare model and contracts for the accounts of the portfolios under each scenario.

    The forks end with the call. Raises BadScenario before anything is started, ChainError or AnvilError where a
    chain cannot be forked or moved.
    """
    params = load_factors()
    moves = {scenario.name: scenario.moves(params) for scenario in scenarios}
    owners = _owners(portfolios)
    async with _forked(wired, by_chain(owners)) as (chains, forks):
        done = await _all(_verify_chain(chain, owners, moves, params, tolerance) for chain in chains)
    order = {name: place for place, name in enumerate(moves)}
    rows = [row for _, found in done for row in found]
    return Outcome(
        blocks={at.chain: at for at, _ in done},
        forked={chain: fork.block for chain, fork in forks.items()},
        rows=tuple(sorted(rows, key=lambda r: (order[r.scenario], r.chain, r.venue, r.account, r.sub_account))),
    )


async def _all(tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results of all; the first error is raised when all have ended, so that nobody asks a fork that is gone."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _verify_chain(
    chain: _Chain,
    owners: Mapping[AccountId, tuple[str, ...]],
    moves: Mapping[str, Moves],
    params: FactorParams,
    tolerance: float,
) -> tuple[BlockRef, list[Row]]:
    """Rows of one chain; scenarios one after another on one fork, each from the prices of before."""
    at = await chain.client.head(Finality.LATEST)
    before = await chain.read(at)
    if await settle_funding(chain.transport, chain.deployment, before.accounts):
        at = await chain.client.head(Finality.LATEST)
        before = await chain.read(at)
    movables = await movable(chain.client, chain.transport, chain.deployment, before.accounts, at)
    registry = AssetRegistry.of([chain.deployment])
    rows: list[Row] = []
    for name, by_factor in moves.items():
        await move(chain.transport, movables, by_factor, at)
        after = await chain.read(at)
        rows += _rows(name, by_factor, before, after, owners, registry, params, tolerance)
    return at, rows


def _rows(
    scenario: str,
    moves: Moves,
    before: ReadResult,
    after: ReadResult,
    owners: Mapping[AccountId, tuple[str, ...]],
    registry: AssetRegistry,
    params: FactorParams,
    tolerance: float,
) -> list[Row]:
    found = {account.id: account for account in after.accounts}
    rows = [
        compare(Subject(a, owners[a.account]), found.get(a.id), scenario, moves, registry, params, tolerance)
        for a in before.accounts
    ]
    failures: dict[tuple[AccountId, VenueId], ReadFailure] = {
        (failure.account, failure.venue): failure for failure in (*before.failures, *after.failures)
    }
    return rows + [unread(failure, owners[failure.account], scenario, tolerance) for failure in failures.values()]


def _owners(portfolios: Portfolios) -> dict[AccountId, tuple[str, ...]]:
    found: dict[AccountId, tuple[str, ...]] = {}
    for name, accounts in portfolios.members.items():
        for account in accounts:
            found[account] = (*found.get(account, ()), name)
    return found


@asynccontextmanager
async def _forked(
    wired: Wired, accounts: Mapping[ChainId, Sequence[AccountId]]
) -> AsyncIterator[tuple[list[_Chain], Mapping[ChainId, Fork]]]:
    """Forks of the chains that somebody has an account on, from the first endpoint of each."""
    specs = [fork_spec(wired.settings, chain) for chain in wired.clients if chain in accounts]
    forks = await asyncio.to_thread(node.start, specs)
    try:
        async with _transports(forks.by_chain.values()) as transports:
            deployments = wired.cycle.deployments
            clients = {c: EvmClient(c, t, deployments[c].multicall3) for c, t in transports.items()}
            yield (
                [
                    _Chain(
                        clients[c], transports[c], deployments[c], _readers(c, clients, deployments), accounts[c]
                    )
                    for c in clients
                ],
                forks.by_chain,
            )
    finally:
        await asyncio.to_thread(forks.stop)


def fork_spec(settings: Settings, chain: ChainId) -> ForkSpec:
    """The first HTTP endpoint of a chain, at its latest block; raises ConfigError where it has none."""
    urls = (url.get_secret_value() for url in settings.chains[chain].rpc_urls)
    url = next((url for url in urls if url.startswith("http")), None)
    if url is None:
        raise ConfigError(f"chains.{chain}.rpc_urls: a fork needs an http(s) endpoint")
    return ForkSpec(chain, url)


def _readers(
    chain: ChainId, clients: Mapping[ChainId, EvmClient], deployments: Mapping[ChainId, ChainDeployment]
) -> list[VenueReader]:
    known = {c: deployments[c] for c in clients}
    readers = readers_of(chain, clients, known, Haircuts(), rule=margin_figures)
    return [reader for reader in readers if reader.venue not in WITHOUT_RULE]


@asynccontextmanager
async def _transports(forks: Iterable[Fork]) -> AsyncIterator[dict[ChainId, HttpTransport]]:
    transports = {f.chain: HttpTransport(f.chain, [f.node.http_url], limits=FORK_LIMITS) for f in forks}
    try:
        for transport in transports.values():
            await transport.__aenter__()
        yield transports
    finally:
        await asyncio.gather(*(transport.__aexit__(None, None, None) for transport in transports.values()))
