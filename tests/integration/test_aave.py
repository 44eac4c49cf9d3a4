"""Aave v3.0 accounts on a lone chain, beside what the pool itself says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from chains.accounts import PositionKind, ReadFailure, VenueAccount
from chains.caip import Address, erc20
from chains.devnet import aave, anvil, chainlink, tokens
from chains.devnet.aave import PACKAGE, STABLE_RATE, ZERO_ADDRESS, AaveWorld
from chains.devnet.artifacts import find
from chains.devnet.context import ChainContext
from chains.devnet.deploy import DeployError
from chains.evm.client import EvmClient
from chains.venues.aave import VENUE, AaveReader
from tests.kit.lone_chain import lone_chain
from tests.kit.venue_reads import (
    accounts_of,
    assert_lawful,
    cut_of,
    deployment_of,
    read_one,
    revalued,
)
from tests.kit.withdrawals import let_out

pytestmark = pytest.mark.devnet


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[AaveWorld, anvil.Anvil]]:
    with lone_chain(1, "--timestamp", "1700000000") as (ctx, node):
        yield aave.deploy(ctx), node


@pytest.fixture
def reader(world: AaveWorld, client: EvmClient) -> AaveReader:
    return AaveReader(client, deployment_of(world.ctx, {VENUE: world.addresses}))


def users(world: AaveWorld) -> list[Address]:
    return world.ctx.deployer.accounts[1:]


def wait(ctx: ChainContext, seconds: int) -> None:
    ctx.deployer.rpc("evm_increaseTime", seconds)
    ctx.deployer.rpc("evm_mine")


def populate(world: AaveWorld) -> list[Address]:
    """Plain, mixed collateral, e-mode, stable debt, supply that is no collateral, and the poor."""
    plain, mixed, emode, stable, idle, poor, *_ = users(world)
    world.supply(plain, "WETH", "10.5")
    world.borrow(plain, "USDC", 15_000)
    for symbol, amount in (("WETH", 3), ("WBTC", "0.4"), ("LINK", 900), ("DAI", 1_111)):
        world.supply(mixed, symbol, amount)
    world.borrow(mixed, "USDC", "12345.678901")
    world.borrow(mixed, "LINK", 50)
    world.set_emode(emode, aave.STABLES_EMODE)
    world.supply(emode, "USDC", 50_000)
    world.supply(emode, "WETH", 1)
    world.borrow(emode, "DAI", 46_000)
    world.supply(stable, "WBTC", 1)
    world.borrow(stable, "DAI", 9_000, mode=STABLE_RATE)
    world.borrow(stable, "DAI", 1_000)
    world.supply(idle, "LINK", 10)
    world.supply(idle, "WETH", 2)
    world.set_collateral(idle, "LINK", False)
    world.borrow(idle, "USDC", 3_000)
    world.supply(poor, "USDC", "0.000001")
    return [plain, mixed, emode, stable, idle, poor]


async def test_every_account_agrees_through_prices_and_time(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ctx, cast = world.ctx, populate(world)
    verdicts: set[bool | None] = set()
    for step, (key, price) in enumerate(
        [
            ("ETH", "3000"),
            ("ETH", "2100.12345678"),
            ("BTC", "11000"),
            ("DAI", "1.09"),
            ("ETH", "4100.5"),
            ("USDC", "0.9"),
        ]
    ):
        chainlink.submit(ctx, key, Decimal(price))
        wait(ctx, 86_400 * step + 7)
        result = await reader.read(accounts_of(ctx, *cast, users(world)[8]), await cut_of(client))
        assert result.failures == ()
        assert len(result.accounts) == len(cast)
        for account in result.accounts:
            assert_lawful(account)
            verdicts.add(account.liquidatable)
    assert verdicts == {True, False}


async def test_an_address_without_position_is_nowhere(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    result = await reader.read(accounts_of(world.ctx, users(world)[7]), await cut_of(client))
    assert (result.accounts, result.failures) == ((), ())


@pytest.mark.parametrize("collateral", [{"WETH": 10}, {"WETH": 5, "WBTC": "0.1", "DAI": 7_000}])
async def test_surplus_changes_sign_where_the_pool_does(
    world: AaveWorld, reader: AaveReader, client: EvmClient, collateral: dict[str, int | str]
) -> None:
    user = users(world)[0]
    for symbol, amount in collateral.items():
        world.supply(user, symbol, amount)
    world.borrow(user, "USDC", 15_000)
    wait(world.ctx, 12_345)
    low, high = 10**8, 3000 * 10**8
    while high - low > 1:
        middle = (low + high) // 2
        account = await at_price(world, reader, client, user, middle)
        low, high = (middle, high) if account.liquidatable else (low, middle)
    for price in (low, high):
        account = await at_price(world, reader, client, user, price)
        assert_lawful(account)
        assert account.liquidatable == (price == low)


async def at_price(
    world: AaveWorld, reader: AaveReader, client: EvmClient, user: Address, raw: int
) -> VenueAccount:
    """The account at an ETH price in the feed's smallest unit, without time passing."""
    stamp = int(world.ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    world.ctx.deployer.rpc("evm_setNextBlockTimestamp", stamp)
    chainlink.submit(world.ctx, "ETH", Decimal(raw).scaleb(-8))
    return await read_one(reader, client, user)


@pytest.mark.parametrize("shock", ["-0.37", "0.25"])
async def test_revalued_exposures_are_what_the_pool_then_says(
    world: AaveWorld, reader: AaveReader, client: EvmClient, shock: str
) -> None:
    plain, mixed, *_ = populate(world)
    before = {user: await read_one(reader, client, user) for user in (plain, mixed)}
    moved = {erc20(world.ctx.chain, world.ctx.token("WETH")): Decimal(shock)}
    raw = int(3000 * 10**8 * (1 + Decimal(shock)))
    for user, bps in ((plain, 0), (mixed, 1)):
        after = await at_price(world, reader, client, user, raw)
        equity, requirement = revalued(before[user], moved)
        assert after.equity_usd is not None
        # The pool cuts the average of several thresholds to whole bps: within 1 bp of the collateral, else exact.
        total = next(check.theirs for check in after.checks if check.name == "total_collateral_usd")
        slack = total * bps / 10_000 + after.equity_usd * Decimal("1e-9") + Decimal("1e-7")
        assert abs(equity - after.equity_usd) <= slack
        assert abs(requirement - after.mm_requirement_usd) <= Decimal("1e-9") * requirement + Decimal("1e-7")


async def test_e_mode_takes_thresholds_and_the_price_of_its_source(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ctx, user = world.ctx, populate(world)[2]
    usdc, dai = ctx.token("USDC"), ctx.token("DAI")
    account = await read_one(reader, client, user)
    assert account.equity_usd is not None
    assert account.equity_usd > 50_000 * Decimal("0.95")
    call = world.configurator.functions.setEModeCategory(1, 9300, 9500, 10100, usdc, "priced as USDC")
    ctx.deployer.send(call)
    chainlink.submit(ctx, "DAI", Decimal("1.2"))
    chainlink.submit(ctx, "USDC", Decimal("1.05"))
    account = await read_one(reader, client, user)
    assert_lawful(account)
    assert account.liquidatable is False
    debt = next(p for p in account.positions if p.kind is PositionKind.DEBT)
    assert (debt.asset, debt.venue_price_usd) == (erc20(ctx.chain, dai), Decimal("1.05"))
    # The debt costs what DAI costs, but the pool counts it at the price of USDC.
    owed = [e for e in account.exposures if e.instrument.asset == erc20(ctx.chain, dai)]  # type: ignore[union-attr]
    assert [e.requirement for e in owed] == [0]
    assert owed[0].value == debt.size <= -46_000


async def test_carry_is_what_a_day_takes_from_the_surplus(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    cast = populate(world)
    for user in (cast[0], cast[2], cast[3]):
        before = await read_one(reader, client, user)
        wait(world.ctx, 86_400)
        after = await read_one(reader, client, user)
        assert before.surplus_usd is not None
        assert after.surplus_usd is not None
        drop = before.surplus_usd - after.surplus_usd
        assert before.carry_usd_per_day > 0
        assert abs(drop / before.carry_usd_per_day - 1) < Decimal("0.001")


@pytest.mark.parametrize("user_index", [0, 1, 2, 4])
async def test_withdrawable_is_what_the_pool_lets_out(
    world: AaveWorld, reader: AaveReader, client: EvmClient, user_index: int
) -> None:
    user = populate(world)[user_index]
    account = await read_one(reader, client, user)
    assert account.withdrawable_usd is not None
    symbol, price = {0: ("WETH", 3000), 1: ("LINK", 15), 2: ("WETH", 3000), 4: ("WETH", 3000)}[user_index]
    balance = next(p.size for p in account.positions if p.label.startswith(symbol) and p.raw > 0)
    free = sum(p.size * 15 for p in account.positions if p.label == "LINK supplied")
    if (account.withdrawable_usd - free) / price < balance:
        amount = (account.withdrawable_usd - free) / price
        with pytest.raises(DeployError, match="35"):  # HEALTH_FACTOR_LOWER_THAN_LIQUIDATION_THRESHOLD
            world.withdraw(user, symbol, amount * Decimal("1.01"))
        world.withdraw(user, symbol, amount * Decimal("0.9999"))
    else:
        world.withdraw(user, symbol)
    left = await read_one(reader, client, user)
    assert left.surplus_usd is not None
    assert left.surplus_usd >= 0


@pytest.mark.parametrize("shock", ["-0.04", "0.3"])
async def test_the_withdrawal_rule_foretells_what_the_pool_lets_out_at_another_price(
    world: AaveWorld, reader: AaveReader, client: EvmClient, shock: str
) -> None:
    """What may leave in a scenario does leave, and a cent more is refused by the pool."""
    plain = populate(world)[0]
    before = await read_one(reader, client, plain)
    weth = erc20(world.ctx.chain, world.ctx.token("WETH"))
    price = Decimal(3000) * (1 + Decimal(shock))
    await at_price(world, reader, client, plain, int(price.scaleb(8)))
    usd = let_out(before, lambda asset: price / 3000 if asset == weth else Decimal(1))
    assert 100 < usd < before.equity_usd
    amount, cent = usd / price, Decimal("0.01") / price
    # A second or two of interest comes between: it is worth less than a cent on this debt.
    with pytest.raises(DeployError, match="35"):  # HEALTH_FACTOR_LOWER_THAN_LIQUIDATION_THRESHOLD
        world.withdraw(plain, "WETH", amount + cent)
    world.withdraw(plain, "WETH", amount - cent)
    left = await read_one(reader, client, plain)
    assert left.liquidatable is False


async def test_what_is_lent_out_cannot_be_withdrawn(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    lender, borrower, *_ = users(world)
    world.supply(lender, "LINK", 100_000)
    world.supply(borrower, "WBTC", 900)
    lent = 1_100_000 - 1_000
    world.borrow(borrower, "LINK", lent)
    account = await read_one(reader, client, lender)
    assert account.withdrawable_usd == 1_000 * 15
    assert_lawful(account)


async def test_isolation_and_siloed_borrowing_are_named(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ctx, user = world.ctx, users(world)[0]
    link, dai = ctx.token("LINK"), ctx.token("DAI")
    provider = ctx.deployer.at(
        world.pool.functions.ADDRESSES_PROVIDER().call(), find(PACKAGE, "PoolAddressesProvider").abi
    )
    data = ctx.deployer.deploy(find(PACKAGE, "AaveProtocolDataProvider"), provider.address)
    ctx.deployer.send(provider.functions.setPoolDataProvider(data.address))
    world.withdraw(ctx.deployer.owner, "LINK")  # a ceiling is only set where nobody supplies
    for call in (
        world.configurator.functions.setDebtCeiling(link, 1_000_000_00),
        world.configurator.functions.setBorrowableInIsolation(dai, True),
        world.configurator.functions.setSiloedBorrowing(dai, True),
    ):
        ctx.deployer.send(call)
    world.supply(user, "LINK", 1_000)
    world.set_collateral(user, "LINK", True)
    world.borrow(user, "DAI", 1_000)
    account = await read_one(reader, client, user)
    assert_lawful(account)
    collateral, debt = account.positions
    assert collateral.details["isolation_mode"] == "true"
    assert collateral.details["debt_ceiling_usd"] == "1000000.00"
    assert debt.details["siloed_borrowing"] == "true"


async def test_a_token_without_price_fails_its_account_alone(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    ctx, cast = world.ctx, populate(world)
    ctx.deployer.send(world.oracle.functions.setAssetSources([ctx.token("LINK")], [ZERO_ADDRESS]))
    result = await reader.read(accounts_of(ctx, *cast), await cut_of(client))
    (mixed,) = accounts_of(ctx, cast[1])
    assert [(f.account, f.reason) for f in result.failures] == [(mixed, "reverted")]
    assert len(result.accounts) == len(cast) - 1
    idle = next(a for a in result.accounts if a.account == accounts_of(ctx, cast[4])[0])
    assert_lawful_unpriced(idle)


def assert_lawful_unpriced(account: VenueAccount) -> None:
    """LINK lies there unpriced and is no collateral: E stands, what may be withdrawn is unknown."""
    assert all(check.rel_error == 0 for check in account.checks)
    link = next(p for p in account.positions if p.label == "LINK supplied")
    assert (link.venue_price_usd, account.withdrawable_usd) == (None, None)


async def test_a_pool_without_code_fails_every_account(world: AaveWorld, client: EvmClient) -> None:
    lost = {VENUE: {"pool": Address("0x" + "1f" * 20)}}
    accounts = accounts_of(world.ctx, *users(world)[:2])
    result = await AaveReader(client, deployment_of(world.ctx, lost)).read(accounts, await cut_of(client))
    assert [(f.account, f.reason) for f in result.failures] == [(account, "no_code") for account in accounts]
    assert isinstance(result.failures[0], ReadFailure)


async def test_tokens_minted_to_a_user_are_no_supply(
    world: AaveWorld, reader: AaveReader, client: EvmClient
) -> None:
    tokens.mint(world.ctx, "USDC", users(world)[0], 5)
    result = await reader.read(accounts_of(world.ctx, users(world)[0]), await cut_of(client))
    assert result.accounts == ()
