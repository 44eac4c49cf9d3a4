"""Compound v3 by its ABI: a contract of our own answers in Comet's layout, with figures of a public market."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from web3.contract import Contract

from chains.accounts import PositionKind, VenueAccount
from chains.caip import Address
from chains.devnet import chainlink
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.shapes import shape
from chains.instruments import Instrument, Spot
from chains.venues.compound import VENUE, CompoundReader
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import Bench, at_venue, bench, close, pass_time, total
from tests.kit.venue_contract import venue_contract
from tests.kit.venue_reads import cut_of, deployment_of
from tests.kit.verify_venue import verified

pytestmark = pytest.mark.devnet

# Factors and rates of cUSDCv3: compound-finance/comet, deployments/mainnet/usdc/configuration.json.
FACTORS = {"WETH": ("0.82", "0.90", "0.95"), "WBTC": ("0.70", "0.78", "0.95")}
YEAR_S = 365 * 86_400
SUPPLY_RATE = int(Decimal("0.02275") * 10**18 / YEAR_S)  # 0.0325 x utilisation of 70 %
BORROW_RATE = int(Decimal("0.0395") * 10**18 / YEAR_S)  # 0.015 + 0.035 x 70 %


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[ChainContext, Anvil, Contract]]:
    with lone_chain(8453, "--timestamp", "1790000000") as (ctx, node):
        feed = ctx.feeds["USDC"].address
        comet = ctx.deployer.deploy(shape("CometShape"), ctx.token("USDC"), feed, 10**6, SUPPLY_RATE, BORROW_RATE)
        for symbol, (borrow, liquidate, liquidation) in FACTORS.items():
            info = next(one for one in ctx.assets if one.symbol == symbol)
            factors = (int(Decimal(f) * 10**18) for f in (borrow, liquidate, liquidation))
            feed = ctx.feeds[info.price_key].address
            terms = (0, ctx.token(symbol), feed, 10**info.decimals, *factors, 0)
            ctx.deployer.send(comet.functions.list(terms))
        yield ctx, node, comet


@pytest.fixture
async def venue(chain: tuple[ChainContext, Anvil, Contract]) -> AsyncIterator[tuple[Contract, Bench]]:
    ctx, node, comet = chain
    mark, prices = ctx.deployer.rpc("evm_snapshot"), dict(ctx.prices)
    async with bench(ctx, node, CompoundReader, VENUE, {"cUSDCv3": Address(comet.address)}) as reading:
        yield comet, reading
    ctx.prices.update(prices)
    assert ctx.deployer.rpc("evm_revert", mark)


def put(reading: Bench, comet: Contract, user: int, base: str, **collateral: str) -> Address:
    """An account with a signed amount of USDC (at index 1) and collateral."""
    ctx = reading.ctx
    account = ctx.deployer.accounts[user]
    tokens = [ctx.token(symbol) for symbol in collateral]
    raw = [ctx.units(symbol, amount) for symbol, amount in collateral.items()]
    ctx.deployer.send(comet.functions.put(account, ctx.units("USDC", base), tokens, raw))
    return account


async def test_accounts_agree_through_prices_and_interest(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    users = [
        put(reading, comet, 1, "-20000", WETH="10"),
        put(reading, comet, 2, "-61234.567891", WETH="3.3", WBTC="1.5"),
        put(reading, comet, 3, "250000.000001"),
        put(reading, comet, 4, "0", WBTC="0.7"),
    ]
    verdicts = set()
    for price, seconds in (("3000", 1), ("2222.222", 86_400), ("1900", 40 * 86_400), ("5000", 7)):
        pass_time(reading.ctx, seconds)
        chainlink.submit(reading.ctx, "ETH", Decimal(price))
        result = await reading.read(*users)
        assert result.failures == ()
        assert len(result.accounts) == 4
        for account in result.accounts:
            for check in account.checks:
                assert check.ours == check.theirs, check
            assert close(total(account.exposures, "equity"), account.equity_usd, floor="5e-8")
            assert close(total(account.exposures, "requirement"), account.mm_requirement_usd, floor="2e-8")
            assert account.liquidatable == (account.surplus_usd < 0)
            verdicts.add(account.liquidatable)
    assert verdicts == {True, False}


async def test_it_obeys_the_contract_of_venues(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    users = [
        put(reading, comet, 1, "-20000", WETH="10"),
        put(reading, comet, 2, "250000.000001", WBTC="0.5"),
        put(reading, comet, 3, "-27000", WETH="9.5", WBTC="0.01"),
    ]
    result = await venue_contract(
        reading.reader, [reading.account(user) for user in users], await cut_of(reading.client)
    )
    assert len(result.accounts) == 3


async def test_interest_is_brought_to_the_block(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    ctx = reading.ctx
    ctx.deployer.send(comet.functions.setIndices(1_061_234_567_890_123, 1_087_654_321_098_765))
    user = put(reading, comet, 1, "-10000", WETH="9")
    pass_time(ctx, YEAR_S)
    account = await reading.one(user)
    agrees_on_debt = account.mm_requirement_usd
    assert close(agrees_on_debt, Decimal("10876.54321") * (1 + Decimal("0.0395")), rel="1e-6")
    pass_time(ctx, 86_400)  # not compounded since the last accrual: a little less
    later = await reading.one(user)
    assert close(later.mm_requirement_usd - agrees_on_debt, account.carry_usd_per_day, rel="0.05")


async def test_verdict_flips_where_the_surplus_changes_sign(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    user = put(reading, comet, 1, "-20000", WETH="7.7", WBTC="0.05")

    async def at(price: int) -> VenueAccount:
        chainlink.submit(reading.ctx, "ETH", Decimal(price).scaleb(-8))
        account = await reading.one(user)
        assert account.liquidatable == (account.surplus_usd < 0)
        return account

    low, high = 2_000 * 10**8, 4_000 * 10**8
    while high - low > 1000:
        middle = (low + high) // 2
        low, high = (middle, high) if (await at(middle)).liquidatable else (low, middle)
    dead, alive = (
        await at(low),
        await at(high + 10**5),
    )  # room for the interest of a few seconds
    assert dead.surplus_usd < 0 <= alive.surplus_usd
    assert alive.surplus_usd < Decimal("0.1")


async def test_exposures_foretell_a_moved_price(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    user = put(reading, comet, 1, "-30000", WETH="12.5", WBTC="0.3")
    before = await reading.one(user)
    weth = before.positions[0].asset
    for price in ("2111.11", "4444.44"):
        chainlink.submit(reading.ctx, "ETH", Decimal(price))

        def moved(instrument: Instrument, price: str = price) -> Decimal:
            is_weth = isinstance(instrument, Spot) and instrument.asset == weth
            return Decimal(price) if is_weth else at_venue(instrument)

        after = await reading.one(user)
        assert close(total(before.exposures, "equity", moved), after.equity_usd, floor="5e-8")


async def test_what_is_withdrawable_leaves_the_loan_backed(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    user = put(reading, comet, 1, "-20000", WETH="10")
    account = await reading.one(user)
    assert close(account.withdrawable_usd, Decimal(30_000) - 20_000 / Decimal("0.82"), rel="1e-6")
    reading.ctx.deployer.send(comet.functions.setPause(1 << 2))
    assert (await reading.one(user)).withdrawable_usd == 0
    lender = put(reading, comet, 2, "1000")
    assert (await reading.one(lender)).withdrawable_usd == 0  # nothing lies in the market
    reading.ctx.deployer.send(comet.functions.setPause(0))


async def test_legs_are_named(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    account = await reading.one(put(reading, comet, 1, "-20000", WETH="10"))
    kinds = [(p.kind, p.label, p.size) for p in account.positions]
    assert kinds == [
        (PositionKind.COLLATERAL, "WETH collateral", Decimal(10)),
        (PositionKind.DEBT, "USDC debt", account.positions[1].size),
    ]
    assert account.sub_account == "cUSDCv3"
    assert account.positions[0].details["liquidate_collateral_factor"] == "0.9"


async def test_a_market_that_does_not_count_in_dollars_is_unknown(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    ctx = reading.ctx
    ether = ctx.deployer.deploy(shape("CometShape"), ctx.token("WETH"), ctx.feeds["ETH"].address, 10**18, 1, 1)
    user = ctx.deployer.accounts[1]
    ctx.deployer.send(ether.functions.put(user, -(10**18), [], []))
    put(reading, comet, 1, "5")
    both = {"cUSDCv3": Address(comet.address), "cWETHv3": Address(ether.address)}
    reader = CompoundReader(reading.client, deployment_of(ctx, {VENUE: both}))
    result = await Bench(ctx, reading.client, reader).read(user)
    assert [account.sub_account for account in result.accounts] == ["cUSDCv3"]
    (failure,) = result.failures
    assert (failure.reason, failure.detail.split(":")[0]) == ("unknown_mode", "cWETHv3")


async def test_nobody_is_nowhere_and_a_silent_verdict_is_a_failure(venue: tuple[Contract, Bench]) -> None:
    comet, reading = venue
    nobody = reading.ctx.deployer.accounts[9]
    user = put(reading, comet, 1, "-20000", WETH="10")
    reading.ctx.deployer.send(comet.functions.setBroken(True))
    result = await reading.read(user, nobody)
    assert result.accounts == ()
    assert [(f.account, f.reason) for f in result.failures] == [(reading.account(user), "reverted")]


async def test_a_missing_market_is_said(chain: tuple[ChainContext, Anvil, Contract]) -> None:
    ctx, node, _ = chain
    nowhere = {"cUSDCv3": Address("0x000000000000000000000000000000000000dEaD")}
    async with bench(ctx, node, CompoundReader, VENUE, nowhere) as reading:
        result = await reading.read(ctx.deployer.accounts[1])
    assert [failure.reason for failure in result.failures] == ["no_code"]


async def test_the_model_is_the_contract_after_a_move_of_its_feeds(venue: tuple[Contract, Bench], chain) -> None:
    comet, reading = venue
    users = [
        put(reading, comet, 1, "-20000", WETH="10"),
        put(reading, comet, 2, "-61234.567891", WETH="3.3", WBTC="1.5"),
    ]
    names = {"cUSDCv3": Address(comet.address)}
    crash, other = (
        {"ETH": Decimal("-0.4"), "BTC": Decimal("-0.35")},
        {"ETH": Decimal("0.21"), "USDC": Decimal("-0.03")},
    )
    rows = await verified(reading, chain[1].http_url, VENUE, names, users, crash, other)
    assert len(rows) == 4
    assert all(row.ok for row in rows), rows
    assert {row.contract_liquidatable for row in rows} == {True, False}
