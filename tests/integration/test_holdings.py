"""Idle holdings on a lone chain."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from chains.caip import Address, account_id, erc20, native
from chains.deployments import AssetInfo, ChainDeployment
from chains.devnet import aave, anvil, tokens
from chains.devnet.aave import AaveWorld
from chains.evm.client import EvmClient
from chains.instruments import Spot
from chains.venues.holdings import HoldingsReader
from tests.kit.lone_chain import lone_chain
from tests.kit.venue_reads import accounts_of, cut_of, deployment_of, read_one

pytestmark = pytest.mark.devnet


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[AaveWorld, anvil.Anvil]]:
    with lone_chain(1) as (ctx, node):
        yield aave.deploy(ctx), node


def with_receipts(world: AaveWorld) -> ChainDeployment:
    """A deployment that names receipt and debt tokens as assets, which somebody will do."""
    ctx = world.ctx
    known = deployment_of(ctx, {})
    data = world.pool.functions.getReserveData(ctx.token("USDC")).call()
    extra = [AssetInfo(erc20(ctx.chain, Address(data[i])), f"receipt{i}", 6, "USDC", "USDC") for i in (8, 9, 10)]
    return ChainDeployment(known.chain, known.name, known.multicall3, (*known.assets, *extra))


async def test_coins_and_tokens_are_held_and_receipts_are_not(
    chain: tuple[AaveWorld, anvil.Anvil], client: EvmClient
) -> None:
    world, _ = chain
    ctx, user = world.ctx, world.ctx.deployer.accounts[1]
    tokens.mint(ctx, "WBTC", user, "0.5")
    world.supply(user, "USDC", 1_000)
    world.supply(user, "WETH", 1)
    world.borrow(user, "USDC", 300)
    account = await read_one(HoldingsReader(client, with_receipts(world)), client, user)
    coin, wbtc, usdc = native(ctx.chain), erc20(ctx.chain, ctx.token("WBTC")), erc20(ctx.chain, ctx.token("USDC"))
    balance = ctx.deployer.w3.eth.get_balance(ctx.deployer.w3.to_checksum_address(user))
    assert {p.asset: p.raw for p in account.positions} == {coin: balance, wbtc: 5 * 10**7, usdc: 300 * 10**6}
    by_asset = {e.instrument.asset: e for e in account.exposures if isinstance(e.instrument, Spot)}
    assert (by_asset[wbtc].value, by_asset[wbtc].equity) == (Decimal("0.5"), Decimal("0.475"))
    assert (by_asset[usdc].value, by_asset[usdc].equity) == (Decimal(300), Decimal(297))
    assert (account.equity_usd, account.surplus_usd, account.mm_requirement_usd) == (None, None, 0)
    assert (account.checks, account.degraded) == ((), ())


async def test_an_empty_address_is_nowhere(chain: tuple[AaveWorld, anvil.Anvil], client: EvmClient) -> None:
    world, _ = chain
    nobody = account_id(world.ctx.chain, Address("0x" + "77" * 20))
    result = await HoldingsReader(client, deployment_of(world.ctx, {})).read([nobody], await cut_of(client))
    assert (result.accounts, result.failures) == ((), ())


async def test_a_token_without_code_makes_holdings_incomplete(
    chain: tuple[AaveWorld, anvil.Anvil], client: EvmClient
) -> None:
    world, _ = chain
    ctx = world.ctx
    ghost = AssetInfo(erc20(ctx.chain, Address("0x" + "1f" * 20)), "GHOST", 18, "ETH", "ETH")
    known = deployment_of(ctx, {})
    broken = ChainDeployment(known.chain, known.name, known.multicall3, (*known.assets, ghost))
    holder, nobody = ctx.deployer.accounts[2], "0x" + "77" * 20
    result = await HoldingsReader(client, broken).read(accounts_of(ctx, holder, nobody), await cut_of(client))
    (account,) = result.accounts
    assert "balance of GHOST is unknown" in account.degraded[0]
    (failure,) = result.failures
    assert (failure.account, failure.reason) == (account_id(ctx.chain, Address(nobody)), "no_code")
