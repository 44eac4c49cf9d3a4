"""GMX v2 by its ABI: a contract of our own answers in the layout of release 2.2, at prices of Chainlink feeds."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from web3.contract import Contract

from chains.accounts import PositionKind
from chains.caip import Address, account_id, chain_id
from chains.devnet import chainlink
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.shapes import shape
from chains.evm.batch import Batch, UnknownMode
from chains.instruments import Instrument, Perp, Spot
from chains.types import CallResult, Finality, LogFilter
from chains.venues.gmx import VENUE, GmxReader, layout
from chains.venues.gmx.events import EVENTS
from chains.venues.gmx.reader import positions_of
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import Bench, at_venue, bench, close, total
from tests.kit.venue_contract import venue_contract
from tests.kit.venue_reads import cut_of, deployment_of
from tests.kit.verify_venue import verified

pytestmark = pytest.mark.devnet

MARKET = Address("0x70d95587d40A2caf56bd97485aB3Eec10Bee6336")  # ETH/USD of Arbitrum, as a name
ZERO = Address("0x" + "0" * 40)
LEAST_USD, FACTOR, IMPACT_BOUND = Decimal(1), Decimal("0.005"), Decimal("0.0025")


def usd(amount: str | int | Decimal) -> int:
    return int(Decimal(amount).scaleb(30))


@dataclass(frozen=True)
class Venue:
    """The stand-in."""

    ctx: ChainContext
    contract: Contract

    @property
    def addresses(self) -> dict[str, Address]:
        address = Address(self.contract.address)
        return dict.fromkeys(("reader", "data_store", "referral_storage", "event_emitter"), address)

    def put(
        self, user: int, token: str, size_usd: str, size: str, collateral: str, *,
        long: bool = True, cost: str = "0", impact: str = "0", market: str = MARKET,
    ) -> Address:  # fmt: skip
        """A position; ``size`` in whole WETH, collateral and cost in whole tokens."""
        account = self.ctx.deployer.accounts[user]
        units = self.ctx.units
        numbers = (usd(size_usd), units("WETH", size), units(token, collateral), -7, 5, 4, 3, 2, 1, 0)
        props = ((account, market, self.ctx.token(token)), numbers, (long,))
        put = self.contract.functions.put(props, units(token, cost), usd(impact))
        self.ctx.deployer.send(put)
        return account


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[Venue, Anvil]]:
    with lone_chain(42161, "--timestamp", "1790000000") as (ctx, node):
        d = ctx.deployer
        contract = d.deploy(shape("GmxShape"))
        call = contract.functions
        for name, value in (("MIN_COLLATERAL_USD", LEAST_USD),):
            d.send(call.setUint(layout.key(name), usd(value)))
        for name, value in (
            ("MIN_COLLATERAL_FACTOR_FOR_LIQUIDATION", FACTOR),
            ("MAX_POSITION_IMPACT_FACTOR_FOR_LIQUIDATIONS", IMPACT_BOUND),
        ):
            d.send(call.setUint(layout.key_of(name, MARKET), usd(value)))
        for symbol, key, decimals in (("WETH", "ETH", 18), ("USDC", "USDC", 6)):
            token = ctx.token(symbol)
            d.send(call.setAddress(layout.key_of("PRICE_FEED", token), ctx.feeds[key].address))
            # 8 decimals of the feed to 30 - decimals: gmx-synthetics, ChainlinkPriceFeedUtils
            d.send(call.setUint(layout.key_of("PRICE_FEED_MULTIPLIER", token), 10 ** (60 - 8 - decimals)))
        d.send(call.setMarket((MARKET, ctx.token("WETH"), ctx.token("WETH"), ctx.token("USDC"))))
        yield Venue(ctx, contract), node


@pytest.fixture
async def venue(chain: tuple[Venue, Anvil]) -> AsyncIterator[tuple[Venue, Bench]]:
    world, node = chain
    mark, prices = world.ctx.deployer.rpc("evm_snapshot"), dict(world.ctx.prices)
    async with bench(world.ctx, node, GmxReader, VENUE, world.addresses) as reading:
        yield world, reading
    world.ctx.prices.update(prices)
    assert world.ctx.deployer.rpc("evm_revert", mark)


async def test_positions_agree_through_prices(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    users = [
        world.put(1, "WETH", "60000", "20", "2.5", cost="0.01", impact="-55.5"),
        world.put(1, "USDC", "30000.123", "10.00004", "3100.5", long=False, cost="12.345678"),
        world.put(2, "USDC", "90000", "29.5", "2000", impact="-9000"),
        world.put(3, "USDC", "50", "0.0166", "1.9"),
    ]
    verdicts = set()
    for price in ("3000", "2755.55", "3344.12345678", "2900"):
        chainlink.submit(world.ctx, "ETH", Decimal(price))
        result = await reading.read(*users[1:], world.ctx.deployer.accounts[9])
        assert result.failures == ()
        assert len(result.accounts) == 4
        assert len({account.id for account in result.accounts}) == 4
        for account in result.accounts:
            assert all(check.ours == check.theirs for check in account.checks), account.checks
            assert account.liquidatable == (account.surplus_usd < 0)
            assert close(total(account.exposures, "equity"), account.equity_usd, floor="1e-18")
            assert close(total(account.exposures, "requirement"), account.mm_requirement_usd, floor="1e-18")
            assert account.degraded == ()
            verdicts.add(account.liquidatable)
    assert verdicts == {True, False}


async def test_it_obeys_the_contract_of_venues(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    users = [
        world.put(1, "WETH", "60000", "20", "2.5", cost="0.01", impact="-55.5"),
        world.put(1, "USDC", "30000.123", "10.00004", "3100.5", long=False),
        world.put(2, "USDC", "9000", "3", "44"),
    ]
    accounts = sorted({reading.account(user) for user in users})
    result = await venue_contract(reading.reader, accounts, await cut_of(reading.client))
    assert len(result.accounts) == 3


async def test_rule_by_hand(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    user = world.put(1, "USDC", "30000", "10", "3000", long=False, cost="20", impact="-1000")
    chainlink.submit(world.ctx, "ETH", Decimal(3100))
    account = await reading.one(user)
    # 3000 - 20 of costs - 1000 of result - 75 of impact (0.25 % of the size) against 0.5 % of the size.
    assert (account.equity_usd, account.mm_requirement_usd) == (Decimal(1905), Decimal(150))
    assert total(account.exposures, "value") == Decimal(1980)
    assert [(p.kind, p.label, p.size) for p in account.positions] == [
        (PositionKind.PERP, "WETH-PERP short", Decimal(-10)),
        (PositionKind.COLLATERAL, "USDC collateral", Decimal(3000)),
    ]


async def test_exposures_foretell_a_moved_price(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    user = world.put(1, "WETH", "60000", "20", "2.5", cost="0.01", impact="-55.5")
    before = await reading.one(user)
    for price in ("2400", "3700.5"):
        chainlink.submit(world.ctx, "ETH", Decimal(price))
        after = await reading.one(user)

        def moved(instrument: Instrument, price: str = price) -> Decimal:
            eth = isinstance(instrument, Perp) or (
                isinstance(instrument, Spot) and instrument.venue_price_usd == 3000
            )
            return Decimal(price) if eth else at_venue(instrument)

        assert close(total(before.exposures, "equity", moved), after.equity_usd)


async def test_a_capped_profit_degrades(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    user = world.put(1, "USDC", "30000", "10", "3000")
    world.ctx.deployer.send(world.contract.functions.setCap(usd(500)))
    chainlink.submit(world.ctx, "ETH", Decimal(3200))
    account = await reading.one(user)
    assert account.equity_usd == Decimal(3500)
    assert all(check.ours == check.theirs for check in account.checks)
    assert len(account.degraded) == 1
    assert "capped at 500.00" in account.degraded[0]
    assert total(account.exposures, "equity") == account.equity_usd


async def test_unknown_markets_and_feeds_are_named(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    user = world.put(1, "USDC", "30000", "10", "3000")
    kept = list(world.ctx.assets)
    try:
        world.ctx.assets[:] = [info for info in kept if info.symbol != "WETH"]
        blind = GmxReader(reading.client, deployment_of(world.ctx, {VENUE: world.addresses}))
        result = await Bench(world.ctx, reading.client, blind).read(user)
        assert [failure.reason for failure in result.failures] == ["unknown_mode"]
    finally:
        world.ctx.assets[:] = kept
    feed = layout.key_of("PRICE_FEED", world.ctx.token("WETH"))
    world.ctx.deployer.send(world.contract.functions.setAddress(feed, ZERO))
    result = await reading.read(user)
    assert [failure.reason for failure in result.failures] == ["unpriced"]


def test_a_struct_of_another_release_is_refused() -> None:
    account = account_id(chain_id(42161), MARKET)
    batch = Batch()
    batch.ask(account, layout.POSITIONS, MARKET, MARKET, MARKET, 0, 1)
    older = (32).to_bytes(32) + (1).to_bytes(32) + bytes(15 * 32)  # one position of 15 words, as before 2.2
    batch._results = {account: CallResult(True, older)}
    with pytest.raises(UnknownMode, match=r"expected 512 of release 2\.2"):
        positions_of(batch, account)


async def test_a_missing_contract_is_said(chain: tuple[Venue, Anvil]) -> None:
    world, node = chain
    nowhere = dict.fromkeys(world.addresses, Address("0x000000000000000000000000000000000000dEaD"))
    async with bench(world.ctx, node, GmxReader, VENUE, nowhere) as reading:
        result = await reading.read(world.ctx.deployer.accounts[1])
    assert [failure.reason for failure in result.failures] == ["no_code"]


async def test_the_emitters_events_name_whose_position_changed_and_nobody_else(venue: tuple[Venue, Bench]) -> None:
    world, reading = venue
    since = int(world.ctx.deployer.rpc("eth_blockNumber"), 16) + 1
    user = world.put(4, "USDC", "3000", "1", "1000")
    world.ctx.deployer.send(world.contract.functions.emitAbout("PoolAmountUpdated", MARKET))
    world.ctx.deployer.send(world.contract.functions.emitAbout("PositionDecrease", user))
    head = await reading.client.head(Finality.LATEST)
    emitters = await EVENTS.contracts(reading.client, world.addresses, head)
    assert emitters == {world.contract.address}
    logs = await reading.client.logs(LogFilter(since, head.number, tuple(emitters), (tuple(EVENTS.by_topic),)))
    assert [EVENTS.dirty_accounts(log) for log in logs] == [{user}, frozenset(), {user}]
    assert [EVENTS.names(log) is None for log in logs] == [False, True, False]
    assert await EVENTS.contracts(reading.client, {"reader": user}, head) == frozenset()


async def test_the_model_is_the_contract_after_a_move_of_its_feeds(venue: tuple[Venue, Bench], chain) -> None:
    world, reading = venue
    users = [
        world.put(1, "WETH", "60000", "20", "2.5", cost="0.01", impact="-55.5"),
        world.put(2, "USDC", "30000.123", "10.00004", "3100.5", long=False, cost="12.345678"),
    ]
    falls, rises = {"ETH": Decimal("-0.1")}, {"ETH": Decimal("0.11")}
    rows = await verified(reading, chain[1].http_url, VENUE, world.addresses, users, falls, rises)
    assert len(rows) == 4
    assert all(row.ok for row in rows), rows
    assert {row.contract_liquidatable for row in rows} == {True, False}
