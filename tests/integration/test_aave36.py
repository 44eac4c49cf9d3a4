"""Aave v3.6 accounts on a lone chain, beside what the pool itself says; the version is found, never told."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from chains.accounts import PositionKind
from chains.caip import Address, erc20
from chains.deployments import AssetInfo
from chains.devnet import aave36, anvil, chainlink
from chains.devnet.aave import STABLES_EMODE, AaveWorld
from chains.devnet.context import ChainContext
from chains.devnet.deploy import DeployError
from chains.evm.client import EvmClient
from chains.venues.aave import VENUE, AaveReader
from chains.venues.aave.market import decode_reserve
from chains.venues.aave.reader import RESERVE_DATA
from chains.venues.aave.version import V36
from chains.venues.holdings import HoldingsReader
from tests.kit.lone_chain import lone_chain
from tests.kit.venue_reads import accounts_of, assert_lawful, cut_of, deployment_of, read_one, revalued

pytestmark = pytest.mark.devnet


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[AaveWorld, anvil.Anvil]]:
    with lone_chain(8453, "--timestamp", "1700000000") as (ctx, node):
        yield aave36.deploy(ctx), node


@pytest.fixture
def reader(world: AaveWorld, client: EvmClient) -> AaveReader:
    return AaveReader(client, deployment_of(world.ctx, {VENUE: world.addresses}))


def users(world: AaveWorld) -> list[Address]:
    return world.ctx.deployer.accounts[1:]


def wait(ctx: ChainContext, seconds: int) -> None:
    ctx.deployer.rpc("evm_increaseTime", seconds)
    ctx.deployer.rpc("evm_mine")


def configure(world: AaveWorld, name: str, *arguments: object) -> None:
    world.ctx.deployer.send(world.configurator.get_function_by_name(name)(*arguments))


def populate(world: AaveWorld) -> list[Address]:
    """Plain, mixed collateral, two e-modes that share an asset, collateral in an e-mode only, and the poor."""
    plain, mixed, stables, ether, only, poor, *_ = users(world)
    world.supply(plain, "WETH", "10.5")
    world.borrow(plain, "USDC", 15_000)
    for symbol, amount in (("WETH", 3), ("WBTC", "0.4"), ("LINK", 900), ("DAI", 1_111)):
        world.supply(mixed, symbol, amount)
    world.borrow(mixed, "USDC", "12345.678901")
    world.borrow(mixed, "LINK", 50)
    world.set_emode(stables, STABLES_EMODE)
    world.supply(stables, "USDC", 50_000)
    world.supply(stables, "WETH", 1)
    world.borrow(stables, "DAI", 46_000)
    world.set_emode(ether, aave36.ETHER_EMODE)
    for symbol, amount in (("WETH", 10), ("DAI", 1_000), ("WBTC", "0.1")):
        world.supply(ether, symbol, amount)
    world.borrow(ether, "USDC", 27_000)
    # LINK stops being collateral by itself, and stays it inside the e-mode.
    configure(world, "setAssetCollateralInEMode", world.ctx.token("LINK"), aave36.ETHER_EMODE, True)
    world.set_emode(only, aave36.ETHER_EMODE)
    world.supply(only, "LINK", 1000)
    world.borrow(only, "USDC", 12_000)
    world.supply(poor, "USDC", "0.000002")
    return [plain, mixed, stables, ether, only, poor]


async def test_every_account_agrees_through_prices_and_time(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ctx, cast = world.ctx, populate(world)
    verdicts: set[bool | None] = set()
    moves = [
        ("ETH", "3000"), ("ETH", "2100.12345678"), ("BTC", "11000"), ("DAI", "1.09"), ("ETH", "4100.5"),
        ("USDC", "0.9"), ("LINK", "9.99999999"),
    ]  # fmt: skip
    for step, (key, price) in enumerate(moves):
        chainlink.submit(ctx, key, Decimal(price))
        wait(ctx, 86_400 * step + 7)
        result = await reader.read(accounts_of(ctx, *cast, users(world)[8]), await cut_of(client))
        assert result.failures == ()
        assert len(result.accounts) == len(cast)
        for account in result.accounts:
            assert_lawful(account)
            verdicts.add(account.liquidatable)
    assert verdicts == {True, False}


async def test_indexes_are_the_pools_to_the_last_digit(world: AaveWorld, client: EvmClient) -> None:
    populate(world)
    for seconds in (1, 86_400, 400 * 86_400):
        wait(world.ctx, seconds)
        at = (await cut_of(client)).blocks[client.chain]
        for symbol in ("USDC", "LINK", "DAI"):
            token = world.ctx.token(symbol)
            (data,) = await client.call([RESERVE_DATA.call(Address(world.pool.address), token)], at)
            reserve = decode_reserve(token, RESERVE_DATA.decode(data), at, V36)
            asked = world.pool.functions
            assert reserve.borrow_index == asked.getReserveNormalizedVariableDebt(token).call()
            assert reserve.supply_index == asked.getReserveNormalizedIncome(token).call()


async def test_an_emode_gives_its_terms_to_its_bitmap_only(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ether = populate(world)[3]
    account = await read_one(reader, client, ether)
    terms = {p.label: p.details for p in account.positions if p.kind is PositionKind.COLLATERAL}
    assert terms["WETH collateral"]["liquidation_threshold_bps"] == "9300"
    assert terms["DAI collateral"]["liquidation_threshold_bps"] == "9300"
    assert terms["WBTC collateral"]["liquidation_threshold_bps"] == "7800"


async def test_collateral_of_an_emode_only_is_worth_nothing_outside(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    only = populate(world)[4]
    configure(world, "setAssetLtvzeroInEMode", world.ctx.token("LINK"), aave36.ETHER_EMODE, True)
    account = await read_one(reader, client, only)
    assert_lawful(account)
    assert account.positions[0].details["ltv_bps"] == "0"
    assert account.positions[0].details["liquidation_threshold_bps"] == "9300"


async def test_collateral_with_ltv_zero_leaves_first(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    user = users(world)[0]
    world.set_emode(user, aave36.ETHER_EMODE)
    world.supply(user, "WETH", 10)
    world.supply(user, "DAI", 5_000)
    world.borrow(user, "USDC", 20_000)
    configure(world, "setAssetLtvzeroInEMode", world.ctx.token("DAI"), aave36.ETHER_EMODE, True)
    account = await read_one(reader, client, user)
    assert account.withdrawable_usd == Decimal(5_000)
    with pytest.raises(DeployError):
        world.withdraw(user, "WETH", "0.1")
    world.withdraw(user, "DAI", "4999.99")


async def test_the_verdict_flips_where_the_surplus_changes_sign(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ether = populate(world)[3]

    async def at(price: int) -> tuple[bool, Decimal]:
        chainlink.submit(world.ctx, "ETH", Decimal(price).scaleb(-8))
        account = await read_one(reader, client, ether)
        assert_lawful(account)
        assert account.liquidatable is not None
        assert account.surplus_usd is not None
        return account.liquidatable, account.surplus_usd

    low, high = 1_000 * 10**8, 3_000 * 10**8
    assert (await at(low))[0]
    assert not (await at(high))[0]
    while high - low > 1000:
        middle = (low + high) // 2
        low, high = (middle, high) if (await at(middle))[0] else (low, middle)
    dead, alive = (
        await at(low),
        await at(high + 10**5),
    )  # room for the interest of a few seconds
    assert dead[1] < 0 <= alive[1]
    assert alive[1] - dead[1] < Decimal("0.1")


async def test_exposures_foretell_what_the_pool_says_after_the_move(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    _, mixed, *_ = populate(world)
    before = await read_one(reader, client, mixed)
    assets = {p.label.split()[0]: p.asset for p in before.positions}
    for shock in ("-0.31", "0.27"):
        price = world.ctx.prices["ETH"] * (1 + Decimal(shock))
        chainlink.submit(world.ctx, "ETH", price)
        after = await read_one(reader, client, mixed)
        assert after.equity_usd is not None
        equity, debt = revalued(before, {assets["WETH"]: Decimal(shock)})
        # The block in between costs a second's interest.
        assert abs(equity - after.equity_usd) < Decimal("1e-8") * after.equity_usd
        assert abs(debt - after.mm_requirement_usd) < Decimal("1e-8") * after.mm_requirement_usd
        chainlink.submit(world.ctx, "ETH", price / (1 + Decimal(shock)))


async def test_tokens_sent_to_the_pool_cannot_be_withdrawn(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    lender, borrower = users(world)[:2]
    world.supply(lender, "LINK", 1_000_000)
    world.supply(borrower, "WBTC", 2_000)
    world.borrow(borrower, "LINK", 1_900_000)
    before = (await read_one(reader, client, lender)).withdrawable_usd
    data = world.pool.functions.getReserveData(world.ctx.token("LINK")).call()
    mint = world.ctx.tokens["LINK"].get_function_by_signature("mint(address,uint256)")
    world.ctx.deployer.send(mint(data[8], 10**24))
    after = await read_one(reader, client, lender)
    assert after.withdrawable_usd == before
    with pytest.raises(DeployError):
        world.withdraw(lender, "LINK", 200_000)


async def test_receipt_tokens_are_not_holdings(world: AaveWorld, client: EvmClient) -> None:
    user = users(world)[0]
    world.supply(user, "WETH", 5)
    data = world.pool.functions.getReserveData(world.ctx.token("WETH")).call()
    receipt = AssetInfo(erc20(world.ctx.chain, Address(data[8])), "aWETH", 18, "ETH", "ETH")
    world.ctx.assets.append(receipt)
    try:
        holdings = HoldingsReader(client, deployment_of(world.ctx, {}))
        account = await read_one(holdings, client, user)
    finally:
        world.ctx.assets.remove(receipt)
    assert [position.label for position in account.positions] == ["ETH idle"]
