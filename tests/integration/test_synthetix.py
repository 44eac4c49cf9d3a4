"""PerpsV2 on a local chain: our figures beside the contract's after feed moves, time, trades and liquidations."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import pytest

from chains.accounts import PositionKind, ReadResult, VenueAccount
from chains.caip import AccountId, Address, account_id
from chains.devnet import chainlink, synthetix
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.deploy import DeployError
from chains.evm.client import EvmClient
from chains.venues.synthetix import VENUE, SynthetixReader
from tests.kit.lone_chain import BOOT_LEAD_S, lone_chain
from tests.kit.synthetix import sums
from tests.kit.venue_reads import client_of, cut_of, deployment_of

pytestmark = pytest.mark.devnet
ETH, BTC = "sETHPERP", "sBTCPERP"
TICK = Decimal("1e-8")
"""Smallest step of a Chainlink feed of 8 decimals."""


@dataclass
class Stage:
    """A chain with PerpsV2 and a cast; every test gets it back in its first state."""

    ctx: ChainContext
    node: Anvil
    world: synthetix.SynthetixWorld

    def user(self, number: int) -> str:
        return self.ctx.deployer.accounts[number]

    def account(self, number: int) -> AccountId:
        return account_id(self.ctx.chain, Address(self.user(number)))

    def now(self) -> int:
        return int(self.ctx.deployer.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def set_price(self, key: str, price: Decimal, at: int | None = None) -> None:
        """Really move the feed, at a given time where it must not pass."""
        if at is not None:
            self.ctx.deployer.rpc("evm_setNextBlockTimestamp", at)
        chainlink.submit(self.ctx, key, price)

    def wait(self, seconds: int) -> None:
        self.ctx.deployer.rpc("evm_increaseTime", seconds)
        self.ctx.deployer.rpc("evm_mine")

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[tuple[SynthetixReader, EvmClient]]:
        async with client_of(self.ctx, self.node) as client:
            deployment = deployment_of(self.ctx, {VENUE: self.world.addresses})
            yield SynthetixReader(client, deployment), client

    async def read(self, *numbers: int) -> dict[int, VenueAccount]:
        """Accounts of users with one account each."""
        result = await self.read_all(*numbers)
        assert result.failures == ()
        by_account = {account.account: account for account in result.accounts}
        return {n: by_account[self.account(n)] for n in numbers if self.account(n) in by_account}

    async def read_all(self, *numbers: int) -> ReadResult:
        async with self.reader() as (reader, client):
            return await reader.read([self.account(n) for n in numbers], await cut_of(client))


CAST: dict[int, tuple[str, str, str | None]] = {
    1: (ETH, "10000", "20"),  # fee 12: inside its bounds; about 6x
    2: (ETH, "4000", "-12"),
    3: (BTC, "8000", "0.8"),
    4: (BTC, "500", "-0.03"),  # fee at its smallest
    5: (ETH, "2500000", "9000"),  # fee at its largest, premium of 1.4 % of the notional
    6: (ETH, "777.123456789", None),  # idle
    7: (ETH, "300", "-5.000000000000000001"),  # 50x
}


@pytest.fixture(scope="module")
def deployed() -> Iterator[Stage]:
    with lone_chain(10, "--timestamp", "1790000000") as (ctx, node):
        world = synthetix.deploy(ctx)
        stage = Stage(ctx, node, world)
        for number, (market, posted, size) in CAST.items():
            world.mint_susd(stage.user(number), "3000000")
            world.deposit(stage.user(number), market, posted)
            if size is not None:
                world.trade(stage.user(number), market, size)
        stage.wait(BOOT_LEAD_S)
        yield stage


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    rpc, prices = deployed.ctx.deployer.rpc, dict(deployed.ctx.prices)
    mark = rpc("evm_snapshot")
    yield deployed
    rpc("evm_revert", mark)
    deployed.ctx.prices.update(prices)


def assert_lawful(account: VenueAccount) -> None:
    """Checks agree to the last digit, S < 0 iff liquidatable, exposures sum to E and k·MM."""
    assert account.checks
    for check in account.checks:
        assert check.ours == check.theirs, (account.id, check)
    assert account.surplus_usd is not None
    assert account.equity_usd is not None
    assert (account.surplus_usd < 0) is account.liquidatable, account
    total, scale = sums(account), Decimal("1e-9")
    assert abs(total.equity - account.equity_usd) <= scale * max(account.equity_usd, Decimal(1))
    assert abs(total.requirement - account.mm_requirement_usd) <= scale * account.mm_requirement_usd
    assert account.degraded == ()


async def assert_all_lawful(stage: Stage) -> dict[int, VenueAccount]:
    found = await stage.read(*CAST)
    assert set(found) == set(CAST)
    for account in found.values():
        assert_lawful(account)
    return found


async def test_figures_agree_through_moves_and_time(stage):
    await assert_all_lawful(stage)
    verdicts: set[tuple[int, bool | None]] = set()
    steps = (
        (60, "3050", "60500"), (3600, "2801.5", "58000.12345678"), (43_000, "3333.33333333", "66000"),
        (600, "2650", "52000"), (86_000, "3120", "61000"), (1, "2200", "45000"), (7200, "4800", "99000"),
    )  # fmt: skip
    for seconds, eth, btc in steps:
        stage.wait(seconds)
        stage.set_price("ETH", Decimal(eth))
        stage.set_price("BTC", Decimal(btc))
        found = await assert_all_lawful(stage)
        verdicts |= {(n, account.liquidatable) for n, account in found.items()}
    for number in set(CAST) - {6}:
        assert (number, True) in verdicts, number  # each one died somewhere on the way
        assert (number, False) in verdicts or number == 7
    assert (6, True) not in verdicts


async def test_funding_accrues_and_a_trade_of_others_records_it(stage):
    before = (await stage.read(2))[2]
    ahead = (await stage.read(1))[1]
    stage.wait(40_000)
    day_share = Decimal(stage.now() - ahead.at.timestamp) / 86_400
    paid = ahead.equity_usd - (await stage.read(1))[1].equity_usd
    assert 0 < paid <= ahead.carry_usd_per_day * day_share
    accrued = (await stage.read(2))[2]
    assert accrued.equity_usd > before.equity_usd  # longs outweigh: shorts receive
    stage.world.trade(stage.user(1), ETH, "-3")
    recorded = (await stage.read(2))[2]
    assert recorded.equity_usd > before.equity_usd
    stage.wait(40_000)
    later = (await stage.read(2))[2]
    for account in (accrued, recorded, later):
        assert_lawful(account)
    assert Decimal(later.positions[1].details["accrued_funding_usd"]) > 0


async def test_deposits_trades_and_closing_leave_figures_that_agree(stage):
    user, world = stage.user(1), stage.world
    stage.wait(5000)
    world.deposit(user, ETH, "123.456")
    stage.set_price("ETH", Decimal("2990.5"))
    world.trade(user, ETH, "7.5")
    world.trade(user, ETH, "-30")  # flips to a short
    flipped = (await stage.read(1))[1]
    assert flipped.positions[1].size == Decimal("-2.5")
    assert_lawful(flipped)
    world.trade(user, ETH, "2.5")
    closed = (await stage.read(1))[1]
    assert [p.kind for p in closed.positions] == [PositionKind.COLLATERAL]
    assert closed.mm_requirement_usd == 0
    assert_lawful(closed)
    assert closed.withdrawable_usd is not None
    world.withdraw(user, ETH, closed.withdrawable_usd)
    assert await stage.read(1) == {}


async def test_each_market_is_an_account_of_its_own(stage):
    stage.world.deposit(stage.user(1), BTC, "1000")
    result = await stage.read_all(1)
    assert {a.sub_account for a in result.accounts} == {ETH, BTC}
    assert len({a.id for a in result.accounts}) == 2


async def test_who_holds_nothing_is_not_there(stage):
    result = await stage.read_all(8, 9)
    assert (result.accounts, result.failures) == ((), ())


@pytest.mark.parametrize("number", [1, 2, 4, 5])
async def test_exposures_follow_a_real_feed_move(stage, number):
    market = CAST[number][0]
    key = "ETH" if market == ETH else "BTC"
    stage.wait(20_000)
    stage.set_price(key, stage.ctx.prices[key])
    start, at = stage.ctx.prices[key], stage.now()
    base = (await stage.read(number))[number]
    notional = abs(base.positions[1].size) * start
    for shock in ("0.7", "0.9", "0.95", "0.99", "1.01", "1.05", "1.1", "1.3"):
        stage.set_price(key, (start * Decimal(shock)).quantize(TICK), at)
        assert stage.now() == at
        moved, predicted = (await stage.read(number))[number], sums(base, Decimal(shock))
        remaining = next(c.theirs for c in moved.checks if c.name == "remainingMargin")
        assert abs(max(predicted.equity, Decimal(0)) - remaining) <= Decimal("1e-12") * notional
        error = abs(predicted.requirement - moved.mm_requirement_usd)
        assert error <= Decimal("1e-12") * moved.mm_requirement_usd + Decimal("1e-17")
        assert (predicted.equity < predicted.requirement) is moved.liquidatable
        if moved.equity_usd:
            value = base.equity_usd + (predicted.value - sums(base).value)
            assert abs(value - moved.equity_usd) <= Decimal("1e-12") * notional


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
async def test_surplus_changes_sign_where_the_verdict_flips(stage, number):
    """Bisect to one tick of the feed, with time standing still, and look at both sides."""
    market, _, size = CAST[number]
    key, long = ("ETH" if market == ETH else "BTC"), not str(size).startswith("-")
    stage.wait(3000)
    stage.set_price(key, stage.ctx.prices[key])
    start, at = stage.ctx.prices[key], stage.now()
    base = (await stage.read(number))[number]
    verdict = stage.world.markets[market].functions.canLiquidate(stage.user(number))

    def probe(price: Decimal) -> bool:
        stage.set_price(key, price, at)
        return bool(verdict.call())

    safe, dead = start, (start * (Decimal("0.5") if long else Decimal("1.9"))).quantize(TICK)
    assert (probe(safe), probe(dead)) == (False, True)
    while abs(safe - dead) > TICK:
        middle = ((safe + dead) / 2).quantize(TICK)
        safe, dead = (safe, middle) if probe(middle) else (middle, dead)
    for price, doomed in ((safe, False), (dead, True)):
        stage.set_price(key, price, at)
        account = (await stage.read(number))[number]
        assert account.surplus_usd is not None
        assert (account.surplus_usd < 0) is account.liquidatable is doomed
        predicted = sums(base, price / start)
        assert (predicted.equity - predicted.requirement < 0) is doomed


async def test_what_is_withdrawable_can_be_withdrawn_and_more_cannot(stage):
    stage.wait(9000)
    stage.set_price("ETH", Decimal(3001))
    at = stage.now()
    for number in (1, 2, 5, 6):
        account = (await stage.read(number))[number]
        assert account.withdrawable_usd is not None
        assert account.withdrawable_usd > 0
        # The view takes a thousandth off the leverage and a tenth of a cent off the rest.
        notional = sum((abs(p.size * 3001) for p in account.positions[1:]), Decimal(0))
        more = account.withdrawable_usd + Decimal("0.01") + notional / 10**6
        stage.ctx.deployer.rpc("evm_setNextBlockTimestamp", at)
        with pytest.raises(DeployError):
            stage.world.withdraw(stage.user(number), ETH, more)
        stage.ctx.deployer.rpc("evm_setNextBlockTimestamp", at)
        stage.world.withdraw(stage.user(number), ETH, account.withdrawable_usd)
        after = (await stage.read(number)).get(number)
        if after is not None:
            assert_lawful(after)
            assert after.liquidatable is False
        else:
            assert number == 6


async def test_a_flagged_account_stays_lost_and_is_liquidated(stage):
    stage.set_price("ETH", Decimal(2400))
    assert (await stage.read(1))[1].liquidatable is True
    stage.world.flag(stage.user(1), ETH)
    stage.set_price("ETH", Decimal(3100))
    account = (await stage.read(1))[1]
    verdict = next(c for c in account.checks if c.name == "canLiquidate")
    assert (verdict.ours, verdict.theirs) == (0, 0)  # the view forgets, the flag does not
    assert account.liquidatable is True
    assert_lawful(account)
    with pytest.raises(DeployError):
        stage.world.deposit(stage.user(1), ETH, 100)
    with pytest.raises(DeployError):
        stage.world.trade(stage.user(1), ETH, "-20")
    stage.world.liquidate(stage.user(1), ETH)
    assert await stage.read(1) == {}
    await stage.read(2, 5)


async def test_a_pending_order_locks_the_account(stage):
    stage.world.submit_delayed(stage.user(2), ETH, "-1")
    account = (await stage.read(2))[2]
    assert account.withdrawable_usd == 0
    assert account.positions[1].details["pending_order_size"].startswith("-1.0")
    assert_lawful(account)
    with pytest.raises(DeployError):
        stage.world.withdraw(stage.user(2), ETH, 1)


async def test_a_stale_feed_gives_no_verdict(stage):
    stage.wait(synthetix.RATE_STALE_PERIOD_S + 8000)
    found = await stage.read(1, 6)
    assert found[1].liquidatable is None
    assert found[1].withdrawable_usd == found[6].withdrawable_usd == 0
    assert "invalid" in found[1].degraded[0]
    assert found[6].degraded == ()
    for check in (*found[1].checks, *found[6].checks):
        assert check.ours == check.theirs
    stage.set_price("ETH", Decimal(3000))
    await assert_all_eth_fresh(stage)


async def assert_all_eth_fresh(stage: Stage) -> None:
    for account in (await stage.read(1, 2, 6)).values():
        assert_lawful(account)


async def test_a_suspended_market_lets_nothing_out(stage):
    d, status = stage.ctx.deployer, stage.world.system["SystemStatus"].functions
    d.send(status.updateAccessControl(synthetix.key32("Futures"), d.owner, True, True))
    d.send(status.suspendFuturesMarket(synthetix.key32(ETH), 1))
    account = (await stage.read(1))[1]
    assert account.withdrawable_usd == 0
    assert "suspended" in account.positions[1].details
    assert_lawful(account)
    with pytest.raises(DeployError):
        stage.world.withdraw(stage.user(1), ETH, 1)


async def test_a_venue_without_code_fails_for_everybody(stage):
    async with stage.reader() as (_, client):
        nowhere = Address("0x000000000000000000000000000000000000dEaD")
        for name in ("futures_market_manager", "settings", "system_status"):
            deployment = deployment_of(stage.ctx, {VENUE: {**stage.world.addresses, name: nowhere}})
            accounts = [stage.account(1), stage.account(8)]
            result = await SynthetixReader(client, deployment).read(accounts, await cut_of(client))
            assert result.accounts == ()
            assert [f.account for f in result.failures] == accounts
            assert {f.reason for f in result.failures} == {"no_code"}


async def test_spot_follows_the_chainlink_feed(stage):
    stage.set_price("ETH", Decimal("2712.34"))
    rate = stage.ctx.extra[synthetix.EXCHANGE_RATES].functions.rateForCurrency(synthetix.key32("sETH")).call()
    assert rate == 271_234 * 10**16
