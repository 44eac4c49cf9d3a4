"""Every venue of the devnet obeys the contract of venues, with all accounts of the cast on all chains."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from chains.accounts import ReadResult
from chains.caip import AccountId, Address, ChainId, account_address, erc20
from chains.cut import cut
from chains.devnet.clock import wall_s
from chains.devnet.world import World
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.haircuts import Haircuts
from chains.types import Cut, Finality
from chains.venues.catalogue import readers_of
from chains.venues.holdings import HoldingsReader
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


def receipts(devnet: World, number: int) -> list[Address]:
    """What stands for positions on a chain: aTokens and debt tokens, NFTs of options and of liquidity."""
    world, venues = devnet.chains[number], devnet.deployments[ChainId(f"eip155:{number}")].venues
    nfts = [venues["uniswap-v3"]["position_manager"]] if "uniswap-v3" in venues else []
    nfts += [venues["lyra-v1"]["ETH.option_token"]] if "lyra-v1" in venues else []
    pool = world.aave.pool.functions
    reserves = [pool.getReserveData(world.ctx.token(symbol)).call() for symbol in ("WETH", "USDC")]
    return nfts + [Address(reserve[place]) for reserve in reserves for place in (8, 10)]


@pytest.mark.parametrize("number", [1, 10, 42161])
async def test_receipts_that_somebody_registers_as_assets_are_still_no_holdings(
    seen: Seen, devnet: World, number: int
) -> None:
    chain, ctx = ChainId(f"eip155:{number}"), devnet.chains[number].ctx
    known, tokens = devnet.deployments[chain], receipts(devnet, number)
    extra = tuple(replace(known.assets[-1], asset=erc20(chain, t), symbol=f"R{i}") for i, t in enumerate(tokens))
    addresses = {account_address(account) for account in seen.accounts}
    contracts = [ctx.deployer.at(token, ctx.tokens["WETH"].abi).functions for token in tokens]
    assert any(token.balanceOf(address).call() for token in contracts for address in addresses), "nobody holds one"
    async with HttpTransport(chain, [devnet.rpc_urls[chain]]) as transport:
        client = EvmClient(chain, transport)
        reader = HoldingsReader(client, replace(known, assets=(*known.assets, *extra)))
        result = await reader.read(seen.accounts, seen.cut)
    assert result.accounts == seen.results["wallet", chain].accounts
