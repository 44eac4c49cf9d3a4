"""Morpho Blue on a lone chain: the reader against the contract through loans, prices and interest."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from chains.accounts import VenueAccount
from chains.devnet import chainlink, morpho, tokens
from chains.devnet.deploy import DeployError
from chains.devnet.morpho import MorphoWorld
from chains.instruments import Instrument, Spot
from chains.transactions import Transaction
from chains.venues.morpho import VENUE, MorphoReader, calldata
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import Bench, agrees, at_venue, bench, close, deployment, pass_time, total

pytestmark = pytest.mark.devnet
YEAR_S = 365 * 86400


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple]:
    with lone_chain(8453, "--timestamp", "1790000000") as (ctx, node):
        yield ctx, node, morpho.deploy(ctx)


@pytest.fixture
async def venue(chain: tuple) -> AsyncIterator[tuple[MorphoWorld, Bench]]:
    """The venue as deployed; every test's changes are undone."""
    ctx, node, world = chain
    before, prices = ctx.deployer.rpc("evm_snapshot"), dict(ctx.prices)
    async with bench(ctx, node, MorphoReader, VENUE, world.addresses) as reading:
        yield world, reading
    ctx.prices.update(prices)
    assert ctx.deployer.rpc("evm_revert", before)


def users(world: MorphoWorld, count: int) -> list[str]:
    return world.ctx.deployer.accounts[1 : count + 1]


def move(world: MorphoWorld, key: str, price: str) -> None:
    chainlink.submit(world.ctx, key, Decimal(price))
    world.sync_oracles()


def market_debt(world: MorphoWorld, market: str) -> int:
    return world.morpho.functions.market(world.markets[market].id).call()[2]


def contract_says(world: MorphoWorld, borrower: str, market: str) -> bool:
    """Liquidate for real, with the tokens to do it, inside an eth_call."""
    liquidator = world.ctx.deployer.accounts[9]
    tokens.mint(world.ctx, "USDC", liquidator, 10**9)
    tokens.approve(world.ctx, "USDC", liquidator, world.morpho.address)
    arguments = [world.markets[market].params, borrower, 1, 0, b""]
    data = world.morpho.encode_abi("liquidate", args=arguments)
    call = {"from": liquidator, "to": world.morpho.address, "data": data}
    try:
        world.ctx.deployer.rpc("eth_call", call, "latest")
    except DeployError as error:
        if "position is healthy" in str(error):
            return False
        raise
    return True


def loans(accounts: tuple[VenueAccount, ...]) -> list[VenueAccount]:
    return [account for account in accounts if "/supply" not in account.sub_account]


async def test_accounts_agree_through_prices_and_interest(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    edge, safe, both, lender = users(world, 4)
    world.supply_collateral(edge, "WETH", "10.123456789")
    world.borrow(edge, "WETH", 24_000)
    world.supply_collateral(safe, "WBTC", 3)
    world.borrow(safe, "WBTC", "61234.567891")
    for market, amount in (("WETH", 4), ("WBTC", "0.33")):
        world.supply_collateral(both, market, amount)
        world.borrow(both, market, 9_000)
    world.supply(lender, "WETH", "123456.789")
    seen = set()
    for price, seconds in (("3000", 1), ("2850", 86400), ("2700", 30 * 86400), ("3200", 3), ("2200", 90 * 86400)):
        pass_time(world.ctx, seconds)
        move(world, "ETH", price)
        result = await reading.read(edge, safe, both, lender)
        assert result.failures == ()
        assert len(result.accounts) == 5
        for account in result.accounts:
            agrees(account)
            assert account.degraded == ()
            assert all(check.ours == check.theirs for check in account.checks)
        for account in loans(result.accounts):
            key = "WETH" if account.positions[0].label.startswith("WETH") else "WBTC"
            assert account.liquidatable == contract_says(world, account.account.rpartition(":")[2], key)
            seen.add(account.liquidatable)
    assert seen == {True, False}


async def test_no_position_is_silence(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    result = await reading.read(users(world, 8)[-1])
    assert result.accounts == () == result.failures


async def test_interest_of_a_year_is_the_contracts(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    (trader,) = users(world, 1)
    world.ctx.deployer.send(world.morpho.functions.setFeeRecipient(trader))
    world.ctx.deployer.send(world.morpho.functions.setFee(world.markets["WBTC"].params, 10**17))
    world.supply_collateral(trader, "WBTC", 1000)
    world.borrow(trader, "WBTC", 30_000_000)
    pass_time(world.ctx, YEAR_S)
    result = await reading.read(trader)
    loan, fees = result.accounts
    for account in (loan, fees):
        agrees(account)
        assert all(check.ours == check.theirs for check in account.checks)
    assert close(
        loan.mm_requirement_usd, Decimal(30_000_000) * Decimal("1.816"), rel="1e-4"
    )  # 1 + .6 + .18 + .036
    world.ctx.deployer.send(world.morpho.functions.accrueInterest(world.markets["WBTC"].params))
    again = await reading.read(trader)
    assert close(again.accounts[0].mm_requirement_usd, loan.mm_requirement_usd, rel="1e-7")
    assert close(again.accounts[1].equity_usd, fees.equity_usd, rel="1e-6")


async def test_carry_is_what_a_day_takes_and_gives(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    borrower, lender = users(world, 2)
    world.supply(lender, "WBTC", 1_000_000)
    world.supply_collateral(borrower, "WBTC", 500)
    world.borrow(borrower, "WBTC", 20_000_000)
    before = (await reading.read(borrower, lender)).accounts
    pass_time(world.ctx, 86_400)
    after = (await reading.read(borrower, lender)).accounts
    for then, now in zip(before, after, strict=True):
        assert then.surplus_usd is not None
        assert now.surplus_usd is not None
        assert close(then.surplus_usd - now.surplus_usd, then.carry_usd_per_day, rel="1e-4")
    assert before[0].carry_usd_per_day > 0 > before[1].carry_usd_per_day


def sent(world: MorphoWorld, calls: tuple[Transaction, ...]) -> None:
    for call in calls:
        world.ctx.deployer.transact(call.to, "0x" + call.data.hex(), sender=call.sender, what=call.about)


async def test_collateral_goes_in_and_what_was_lent_comes_out_by_the_calls_as_encoded(
    venue: tuple[MorphoWorld, Bench],
) -> None:
    world, reading = venue
    borrower, lender = users(world, 2)
    here = deployment(world.ctx, VENUE, world.addresses)
    tokens_of = {info.symbol: info for info in world.ctx.assets}
    world.supply_collateral(borrower, "WETH", 5)
    world.borrow(borrower, "WETH", 9_000)
    world.supply(lender, "WETH", 1_000)
    tokens.mint(world.ctx, "WETH", borrower, 2)
    before = await reading.one(borrower)
    sent(world, calldata.supply_collateral(before, here, tokens_of["WETH"], 2 * 10**18))
    after = await reading.one(borrower)
    assert after.positions[0].raw - before.positions[0].raw == 2 * 10**18
    lent = await reading.one(lender)
    assert lent.withdrawable_usd is not None
    sent(world, calldata.withdraw(lent, here, tokens_of["USDC"], int(lent.withdrawable_usd.scaleb(6))))
    left = (await reading.read(lender)).accounts
    assert sum((account.equity_usd or Decimal(0) for account in left), Decimal(0)) < Decimal("0.01")


async def test_verdict_flips_where_surplus_changes_sign(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    (trader,) = users(world, 1)
    world.supply_collateral(trader, "WETH", "7.7")
    world.borrow(trader, "WETH", 19_000)
    oracle = world.markets["WETH"].oracle

    async def surplus_at(price: int) -> Decimal:
        world.ctx.deployer.send(oracle.functions.setPrice(price))
        account = await reading.one(trader)
        agrees(account)
        assert account.surplus_usd is not None
        return account.surplus_usd

    low, high = 2000 * 10**24, 3000 * 10**24
    assert await surplus_at(low) < 0 < await surplus_at(high)
    while high - low > 10**9:
        middle = (low + high) // 2
        low, high = (middle, high) if await surplus_at(middle) < 0 else (low, middle)
    assert Decimal(0) > await surplus_at(low) > Decimal("-0.02")
    assert contract_says(world, trader, "WETH")
    world.ctx.deployer.send(oracle.functions.setPrice(high + 10**18))  # interest of the seconds in between
    assert not contract_says(world, trader, "WETH")


async def test_exposures_foretell_a_moved_price(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    (trader,) = users(world, 1)
    world.supply_collateral(trader, "WBTC", "2.5")
    world.borrow(trader, "WBTC", 77_777)
    before = await reading.one(trader)
    for shocked in ("43210.5", "99999.99"):
        move(world, "BTC", shocked)
        after = await reading.one(trader)

        def price(instrument: Instrument, shocked: str = shocked) -> Decimal:
            moved = isinstance(instrument, Spot) and instrument.venue_price_usd != 1
            return Decimal(shocked) if moved else at_venue(instrument)

        assert after.equity_usd is not None
        assert close(total(before.exposures, "equity", price), after.equity_usd, floor="2e-6")
        # the block in between costs a few millionths of a dollar of interest
        assert close(total(before.exposures, "value", price), total(after.exposures, "value"), rel="1e-7")


async def test_free_collateral_leaves_and_no_unit_more(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    (trader,) = users(world, 1)
    world.supply_collateral(trader, "WETH", 10)
    world.borrow(trader, "WETH", 15_000)
    account = await reading.one(trader)
    assert account.withdrawable_usd is not None
    raw = int((account.withdrawable_usd / 3000).scaleb(18))
    with pytest.raises(DeployError, match="insufficient collateral"):
        world.withdraw_collateral(trader, "WETH", raw + 10**12)
    world.withdraw_collateral(trader, "WETH", raw - 10**12)  # a second's interest
    assert not (await reading.one(trader)).liquidatable


async def test_lending_is_an_account_of_its_own(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    lender, borrower = users(world, 2)
    world.supply(lender, "WETH", 1000)
    world.supply_collateral(lender, "WETH", 1)
    world.supply_collateral(borrower, "WETH", 30_000)
    world.borrow(borrower, "WETH", 50_000_900)
    collateral, lent = (await reading.read(lender)).accounts
    assert lent.id == f"{collateral.id}/supply"
    assert (collateral.mm_requirement_usd, lent.mm_requirement_usd) == (0, 0)
    assert collateral.withdrawable_usd == 3000
    assert lent.equity_usd is not None
    assert close(lent.equity_usd, Decimal(1000), rel="1e-5")
    assert lent.withdrawable_usd == Decimal(100)


async def test_a_missing_contract_is_said(chain: tuple, venue: tuple[MorphoWorld, Bench]) -> None:
    ctx, node, world = chain
    nowhere = {**world.addresses, "morpho": "0x000000000000000000000000000000000000dEaD"}
    async with bench(ctx, node, MorphoReader, VENUE, nowhere) as reading:
        result = await reading.read(users(world, 1)[0])
    assert result.accounts == ()
    assert [failure.reason for failure in result.failures] == ["no_code"]


async def test_a_silent_oracle_fails_its_market_only(venue: tuple[MorphoWorld, Bench]) -> None:
    world, reading = venue
    (trader,) = users(world, 1)
    for market in ("WETH", "WBTC"):
        world.supply_collateral(trader, market, 1)
        world.borrow(trader, market, 100)
    world.ctx.deployer.rpc("anvil_setCode", world.markets["WETH"].oracle.address, "0x5f5ffd")  # always reverts
    result = await reading.read(trader)
    assert [account.positions[0].label for account in result.accounts] == ["WBTC collateral"]
    assert [failure.reason for failure in result.failures] == ["reverted"]
