"""Every venue of the devnet obeys the contract of venues, with all accounts of the cast on all chains."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from chains.caip import AccountId, ChainId
from chains.cut import cut
from chains.devnet.clock import wall_s
from chains.devnet.world import World
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.haircuts import Haircuts
from chains.types import Cut, Finality, ReadResult
from chains.venues.catalogue import readers_of
from tests.kit.venue_contract import WITHOUT_FIGURES, venue_contract

pytestmark = pytest.mark.devnet


@dataclass(frozen=True)
class Seen:
    """All answers by venue and chain, at one cut."""

    cut: Cut
    accounts: list[AccountId]
    results: dict[tuple[str, ChainId], ReadResult]


@pytest.fixture(scope="module")
async def seen(devnet: World) -> AsyncIterator[Seen]:
    accounts = sorted({account for portfolio in devnet.portfolios for account in portfolio.accounts})
    async with AsyncExitStack() as stack:
        clients = {
            chain: EvmClient(chain, await stack.enter_async_context(HttpTransport(chain, [url])))
            for chain, url in devnet.rpc_urls.items()
        }
        at = await cut(clients, Finality.LATEST, wall_s())
        results = {}
        for chain in clients:
            for reader in readers_of(chain, clients, devnet.deployments, Haircuts()):
                results[reader.venue, chain] = await venue_contract(reader, accounts, at)
        yield Seen(at, accounts, results)


async def test_every_reader_of_the_devnet_obeys(seen: Seen, devnet: World) -> None:
    deployed = {(venue, chain) for chain, one in devnet.deployments.items() for venue in one.venues}
    assert deployed <= set(seen.results)
    read = {venue for (venue, _), result in seen.results.items() if result.accounts}
    assert read == {venue for venue, _ in seen.results}, "a venue of the cast has nobody"
    assert all(result.failures == () for result in seen.results.values())


async def test_liquidatable_accounts_occur(seen: Seen) -> None:
    verdicts = {a.liquidatable for result in seen.results.values() for a in result.accounts}
    assert verdicts == {True, False, None}


async def test_both_versions_of_aave_are_read(seen: Seen) -> None:
    ours = {chain: result for (venue, chain), result in seen.results.items() if venue == "aave-v3"}
    assert len(ours) == 4
    modes = {p.details.get("e_mode") for a in ours[ChainId("eip155:8453")].accounts for p in a.positions}
    assert "2" in modes


async def test_nothing_is_counted_by_two_venues(seen: Seen) -> None:
    """What a venue holds for an address is no holding of it: receipt tokens and NFTs stand beside nothing."""
    for (venue, chain), result in seen.results.items():
        if venue != "wallet":
            continue
        for account in result.accounts:
            assert all(position.label.endswith(" idle") for position in account.positions)
            symbols = [position.label.split()[0] for position in account.positions]
            assert len(set(symbols)) == len(symbols), (account.id, chain)
    assert "wallet" in WITHOUT_FIGURES
