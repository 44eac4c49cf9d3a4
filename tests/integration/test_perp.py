"""Perp v2 on a lone chain: the reader against the contracts through trades, moves of price and time."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from chains.accounts import PositionKind
from chains.devnet import chainlink, perp
from chains.devnet.context import ChainContext
from chains.devnet.deploy import DeployError
from chains.devnet.perp import PerpWorld
from chains.instruments import Instrument, Perp
from chains.venues.perp import VENUE, PerpReader
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import Bench, agrees, at_venue, bench, close, pass_time, total
from tests.kit.withdrawals import let_out

pytestmark = pytest.mark.devnet


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple]:
    with lone_chain(42161, "--timestamp", "1790000000") as (ctx, node):
        world = perp.deploy(ctx)
        pass_time(ctx, 4000)
        yield ctx, node, world


@pytest.fixture
async def venue(chain: tuple) -> AsyncIterator[tuple[PerpWorld, Bench]]:
    """The venue as deployed; every test's changes are undone."""
    ctx, node, world = chain
    before, prices = ctx.deployer.rpc("evm_snapshot"), dict(ctx.prices)
    async with bench(ctx, node, PerpReader, VENUE, world.addresses) as reading:
        yield world, reading
    ctx.prices.update(prices)
    world.collateral_feeds.clear()
    assert ctx.deployer.rpc("evm_revert", before)


def user(ctx: ChainContext, number: int) -> str:
    return ctx.deployer.accounts[number]


def mark(world: PerpWorld, market: str) -> Decimal:
    raw = world.contracts["account_balance"].functions.getMarkPrice(world.markets[market].base.address).call()
    return Decimal(raw).scaleb(-18)


def move(world: PerpWorld, market: str, price: Decimal, settle_s: int = 16) -> None:
    """A feed round, the keeper, arbitrage until the pool is there, and the mark's 15 seconds."""
    pass_time(world.ctx, 2)
    chainlink.submit(world.ctx, market, price)
    world.keeper_update()
    while not world.align_pool(market):
        pass_time(world.ctx, 16)
    pass_time(world.ctx, settle_s)


def contract_says(world: PerpWorld, trader: str, market: str) -> bool:
    """Ask the contract by trying: a healthy account reverts with CH_EAV, anything else passed that check."""
    house, base = world.contracts["clearing_house"], world.markets[market].base.address
    data = house.encode_abi("liquidate(address,address)", args=[trader, base])
    try:
        world.ctx.deployer.rpc(
            "eth_call", {"from": world.arbitrageur, "to": house.address, "data": data}, "latest"
        )
    except DeployError as error:
        return "CH_EAV" not in str(error)
    return True


async def test_accounts_agree_through_trades_moves_and_time(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    long, short, both, idle = (user(world.ctx, i) for i in (1, 2, 3, 4))
    for trader, usdc in ((long, 200_000), (short, 150_000), (both, "90000.123456"), (idle, 5)):
        world.deposit(trader, usdc)
    world.open(long, "ETH", 300)
    world.open(short, "BTC", "-10.5")
    world.open(both, "ETH", "-123.456789")
    world.open(both, "BTC", "4.2")
    steps = (("ETH", "3100"), ("BTC", "57000"), ("ETH", "2700.5"), ("BTC", "72000"), ("ETH", "3333.33"))
    liquidated = set()
    for market, price in steps:
        move(world, market, Decimal(price))
        pass_time(world.ctx, 700)
        result = await reading.read(long, short, both, idle)
        assert result.failures == ()
        assert len(result.accounts) == 4
        for account in result.accounts:
            agrees(account)
            assert account.degraded == ()
            assert all(check.ours == check.theirs for check in account.checks)
            held = [p for p in account.positions if p.kind is PositionKind.PERP]
            for position in held:
                key = position.label.partition("-")[0]
                if account.liquidatable:
                    liquidated.add(position.label)
                assert account.liquidatable == contract_says(world, account.account.rpartition(":")[2], key)
    assert any(
        p.details["pending_funding_usd"] != "0" for a in result.accounts for p in a.positions if p.kind == "perp"
    )


async def test_no_position_is_silence(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    result = await reading.read(user(world.ctx, 7))
    assert result.accounts == () == result.failures


async def test_closing_leaves_cash_only(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    trader = user(world.ctx, 1)
    world.deposit(trader, 50_000)
    world.open(trader, "ETH", 20)
    move(world, "ETH", Decimal(3200))
    world.close(trader, "ETH")
    account = await reading.one(trader)
    agrees(account)
    assert account.mm_requirement_usd == 0
    assert account.withdrawable_usd == account.equity_usd
    world.withdraw(trader, account.withdrawable_usd)
    assert (await reading.read(trader)).accounts == () or (await reading.one(trader)).equity_usd < Decimal("1e-5")


async def test_what_may_be_withdrawn_is_what_the_vault_lets_out(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    trader = user(world.ctx, 1)
    world.deposit(trader, 100_000)
    world.open(trader, "BTC", "-8")
    move(world, "BTC", Decimal(58_000))
    account = await reading.one(trader)
    vault = world.contracts["vault"].functions
    theirs = vault.getFreeCollateralByToken(trader, world.ctx.token("USDC")).call()
    assert account.withdrawable_usd == Decimal(theirs).scaleb(-6)
    assert 0 < account.withdrawable_usd < account.equity_usd


@pytest.mark.parametrize(("size", "price"), [(150, 2850), (150, 3200), (-150, 2850), (-150, 3150)])
async def test_the_withdrawal_rule_foretells_what_the_vault_lets_out_at_another_mark(
    venue: tuple[PerpWorld, Bench], size: int, price: int
) -> None:
    """What may leave in a scenario does leave, and a cent more is refused by the vault."""
    world, reading = venue
    trader = user(world.ctx, 1)
    world.ctx.deployer.send(world.contracts["config"].functions.setMaxFundingRate(0))
    world.deposit(trader, 100_000)
    world.open(trader, "ETH", size)
    before = await reading.one(trader)
    move(world, "ETH", Decimal(price))
    account = await reading.one(trader)
    (was,) = (p.venue_price_usd for p in before.positions if p.kind is PositionKind.PERP)
    (moved,) = (p for p in account.positions if p.kind is PositionKind.PERP)
    factor = moved.venue_price_usd / was
    foretold = let_out(before, lambda asset: factor if asset == moved.asset else Decimal(1))
    assert account.withdrawable_usd is not None
    assert abs(foretold - account.withdrawable_usd) < Decimal("1e-5")
    assert 1 < foretold < 100_000
    with pytest.raises(DeployError, match="V_NEFC"):  # not enough free collateral
        world.withdraw(trader, foretold.quantize(Decimal("0.01")) + Decimal("0.02"))
    world.withdraw(trader, foretold.quantize(Decimal("0.01")) - Decimal("0.01"))


async def test_verdict_flips_where_surplus_changes_sign(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    ctx, trader = world.ctx, user(world.ctx, 1)
    world.deposit(trader, 70_000)
    world.open(trader, "ETH", 200)
    # The pool ahead of the index for a minute: the mark is then index + premium, between two pool TWAPs, and
    # follows the feed continuously instead of in ticks of one basis point.
    pass_time(ctx, 2000)
    chainlink.submit(ctx, "ETH", Decimal(2800))
    world.keeper_update()
    world.align_pool("ETH", Decimal(2650))
    pass_time(ctx, 60)

    async def surplus_at(price: Decimal) -> Decimal:
        before = ctx.deployer.rpc("evm_snapshot")
        chainlink.submit(ctx, "ETH", price)
        account = await reading.one(trader)
        agrees(account)
        assert account.surplus_usd is not None
        assert contract_says(world, trader, "ETH") == (account.surplus_usd < 0)
        assert ctx.deployer.rpc("evm_revert", before)
        return account.surplus_usd

    low, high = Decimal(2700), Decimal(3000)
    assert await surplus_at(low) < 0 < await surplus_at(high)
    while high - low > Decimal("1e-6") * low:
        middle = ((low + high) / 2).quantize(Decimal("1e-8"))
        low, high = (middle, high) if await surplus_at(middle) < 0 else (low, middle)
    assert high - low <= Decimal("1e-6") * low


async def test_carry_is_what_an_hour_of_funding_takes(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    ctx, (long, short) = world.ctx, (user(world.ctx, i) for i in (1, 2))
    for trader, size in ((long, 100), (short, -50)):
        world.deposit(trader, 100_000)
        world.open(trader, "ETH", size)
    world.align_pool("ETH", Decimal(3060))
    pass_time(ctx, 2000)  # beyond the TWAPs' reach back: the premium stands still
    before = (await reading.read(long, short)).accounts
    pass_time(ctx, 3600)
    after = (await reading.read(long, short)).accounts
    for then, now in zip(before, after, strict=True):
        assert then.surplus_usd is not None
        assert now.surplus_usd is not None
        assert close(then.surplus_usd - now.surplus_usd, then.carry_usd_per_day / 24, floor="2e-6", rel="1e-3")
    assert before[0].carry_usd_per_day > 5000 > 0 > before[1].carry_usd_per_day


async def test_exposures_foretell_a_moved_mark(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    trader = user(world.ctx, 1)
    world.ctx.deployer.send(world.contracts["config"].functions.setMaxFundingRate(0))
    world.deposit(trader, 300_000)
    world.open(trader, "ETH", 400)
    world.open(trader, "BTC", "-12")
    before = await reading.one(trader)
    move(world, "ETH", Decimal(2780))
    move(world, "BTC", Decimal(64_321))
    after = await reading.one(trader)
    moved = {market: mark(world, market) for market in ("ETH", "BTC")}

    def price(instrument: Instrument) -> Decimal:
        return (
            moved[instrument.market.rpartition("/")[2]] if isinstance(instrument, Perp) else at_venue(instrument)
        )

    assert after.equity_usd is not None
    assert close(total(before.exposures, "equity", price), after.equity_usd, floor="2e-6")
    assert close(total(before.exposures, "requirement", price), after.mm_requirement_usd)
    assert close(total(before.exposures, "value", price), total(after.exposures, "value"), floor="2e-6")


async def test_a_big_move_takes_the_pool_more_than_one_block(venue: tuple[PerpWorld, Bench]) -> None:
    world, _ = venue
    chainlink.submit(world.ctx, "ETH", Decimal(2400))
    world.keeper_update()
    done = [world.align_pool("ETH")]
    while not done[-1]:
        pass_time(world.ctx, 16)
        done.append(world.align_pool("ETH"))
    assert done == [False, False, True]
    pass_time(world.ctx, 16)
    # the index was ahead of the pool meanwhile, and the premium's averages remember that for 15 minutes
    assert close(mark(world, "ETH"), Decimal(2400), rel="5e-3")
    pass_time(world.ctx, 1900)
    assert close(mark(world, "ETH"), Decimal(2400), rel="2e-4")


async def test_a_million_hardly_moves_the_pool(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    trader = user(world.ctx, 1)
    world.deposit(trader, 200_000)
    world.open(trader, "ETH", 333)
    (_, position) = (await reading.one(trader)).positions
    assert position.size == 333
    paid = -Decimal(position.details["open_notional_usd"]) / 333
    assert close(paid, Decimal(3000), rel="2e-3")  # 0.1 % fee and some slippage


async def test_a_maker_is_exact_now_and_degraded(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    move(world, "ETH", Decimal(3150))
    maker, arbitrageur = [(await reading.one(a)) for a in (world.maker, world.arbitrageur)]
    for account in (maker, arbitrageur):
        agrees(account)
        assert all(check.ours == check.theirs for check in account.checks)
    assert any("maker liquidity" in reason for reason in maker.degraded)
    assert arbitrageur.degraded == ()


async def test_paused_and_closed_markets_keep_their_price(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    ctx, trader, base = world.ctx, user(world.ctx, 1), world.markets["ETH"].base
    world.deposit(trader, 100_000)
    world.open(trader, "ETH", 100)
    pass_time(ctx, 1000)
    for step in (base.functions.pause(), base.functions.close(2_222 * 10**18)):
        ctx.deployer.send(step)
        account = await reading.one(trader)
        agrees(account)
        assert all(check.ours == check.theirs for check in account.checks)
        assert any("frozen" in reason for reason in account.degraded)
        assert not any(isinstance(exposure.instrument, Perp) for exposure in account.exposures)


async def test_other_collateral_counts_by_its_ratio(venue: tuple[PerpWorld, Bench]) -> None:
    world, reading = venue
    ctx, trader = world.ctx, user(world.ctx, 1)
    world.allow_collateral("WETH", Decimal("0.7"))
    world.deposit_token(trader, "WETH", 40)
    world.open(trader, "BTC", 8)
    pass_time(ctx, 100)
    for price in ("60500", "57500", "54500", "52000"):
        move(world, "BTC", Decimal(price))
        move(world, "ETH", Decimal(price) / 20, settle_s=300)
        account = await reading.one(trader)
        agrees(account)
        assert all(check.ours == check.theirs for check in account.checks)
        assert any("collateral besides" in reason for reason in account.degraded)
    assert account.liquidatable


async def test_an_unregistered_market_is_an_unknown_mode(chain: tuple, venue: tuple[PerpWorld, Bench]) -> None:
    ctx, node, world = chain
    trader = user(ctx, 1)
    world.deposit(trader, 100_000)
    world.open(trader, "ETH", 10)
    kept = ctx.assets[:]
    ctx.assets[:] = [info for info in kept if info.symbol != "vETH"]
    try:
        async with bench(ctx, node, PerpReader, VENUE, world.addresses) as reading:
            result = await reading.read(trader)
    finally:
        ctx.assets[:] = kept
    assert result.accounts == ()
    assert [failure.reason for failure in result.failures] == ["unknown_mode"]
    assert "add it with its factor" in result.failures[0].detail
