"""Derive v2 by its ABI: contracts of our own answer in its layout, by round figures."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from aggregator.margin_rule import margin_figures
from chains.accounts import PositionKind
from chains.caip import Address
from chains.deployments import ChainDeployment
from chains.devnet.anvil import Anvil
from chains.evm.client import EvmClient
from chains.forks import node as fork_node
from chains.forks.spec import ForkSpec
from chains.instruments import Instrument, Perp
from chains.protocols import ChainClient
from chains.types import Cut, Finality
from chains.venues.derive import VENUE, DeriveReader
from oracles.catalogue import surfaces_of
from oracles.sources.vol_surfaces import DeriveVolSource
from risk.black76 import forward_price
from risk.book import Book, Expiry
from risk.book import Market as ChainMarket
from risk.models.pm2 import PortfolioMargin, load_pm
from risk.models.pm2params import Pm2Params
from tests.kit.derive import (
    DAY_S,
    FACTOR,
    OTHER,
    STRANGE,
    Market,
    check,
    collaterals,
    derive_chain,
    option_id,
    wad,
)
from tests.kit.lone_venue import Bench, at_venue, bench, close, total
from tests.kit.pm2_cases import case_files, read_case
from tests.kit.slow_pm2 import margins
from tests.kit.venue_contract import total as sum_of
from tests.kit.venue_contract import venue_contract
from tests.kit.venue_reads import client_of, cut_of, deployment_of

pytestmark = pytest.mark.devnet

OPTION_TERMS = tuple(wad(x) for x in ("0.15", "0.13", "0.09", "0.09", "0.09", "1.2", "1.1", "1.05"))
"""maxSpotReq, minSpotReq, mmCallSpotReq, mmPutSpotReq, MMPutMtMReq, unpaired IM and MM scale, mmOffsetScale."""


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[Market, Anvil]]:
    with derive_chain() as found:
        yield found


@pytest.fixture
async def venue(chain: tuple[Market, Anvil]) -> AsyncIterator[tuple[Market, Bench]]:
    market, node = chain
    mark = market.ctx.deployer.rpc("evm_snapshot")
    async with bench(market.ctx, node, with_models, VENUE, market.addresses()) as reading:
        yield market, reading
    assert market.ctx.deployer.rpc("evm_revert", mark)


def with_models(client: ChainClient, deployment: ChainDeployment) -> DeriveReader:
    assert isinstance(client, EvmClient)
    return DeriveReader(client, deployment, margin_figures)


def pm2() -> Pm2Params:
    return load_pm("pm2_v1").params


def the_book() -> Book:
    """The book that ``docs/models.md`` works by hand."""
    expiry = Expiry(
        expiry_s=30.0 * DAY_S, forward=2000.0, rate=0.05, strike=np.array([2200.0, 1800.0]),
        is_call=np.array([True, False]), amount=np.array([-1.0, -1.0]), vol=np.array([0.60, 0.65]),
    )  # fmt: skip
    perp = ChainMarket("ETH", 2000.0, perp_amount=0.5, perp_price=2000.0, expiries=(expiry,))
    return Book(cash_usd=1000.0, markets=(perp,))


def _marks(now: int, expiry: int) -> tuple[float, float]:
    """Black-76 of the put 3000 and the call 3300 at forward 3030 by the stand-in's volatilities."""
    tau = np.array((expiry - now) / 31_536_000)
    put, call = (
        forward_price(np.array(is_call), np.array(3030.0), np.array(k), tau, np.array(vol), np.array(1.0))
        for is_call, k, vol in ((False, 3000.0, 0.6), (True, 3300.0, 0.63))
    )
    return float(put), float(call)


def user(market: Market, index: int) -> Address:
    return market.ctx.deployer.accounts[index]


async def test_standard_sub_accounts_agree_with_their_manager(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    ids = [
        market.open(1, cash="2000", perp="-10"),
        market.open(1, cash="-1500.123456789", base="3.3"),
        market.open(2, cash="100000.5", perp="41.000000000000000007", base="0.333"),
    ]
    verdicts = set()
    for price, result in (("3000", "0"), ("3111.123456789012345678", "-1111.23"), ("1999.9", "333.000000001")):
        for sub_account in ids:
            market.move(price, sub_account, result)
        read = await reading.read(user(market, 1), user(market, 2), user(market, 3))
        assert read.failures == ()
        assert [account.sub_account for account in read.accounts] == [str(i) for i in ids]
        for account in read.accounts:
            assert all(check.ours == check.theirs for check in account.checks)
            assert account.liquidatable == (account.surplus_usd < 0)
            assert close(total(account.exposures, "equity"), account.equity_usd, floor="1e-15")
            assert close(total(account.exposures, "requirement"), account.mm_requirement_usd, floor="1e-15")
            verdicts.add(account.liquidatable)
    assert verdicts == {True, False}


async def test_exposures_foretell_a_moved_price(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    sub_account = market.open(1, cash="9000", perp="-20", base="4")
    market.move("3000", sub_account, "0")
    before = await reading.one(user(market, 1))
    for price in ("2500", "3900.5"):
        market.move(price, sub_account, str(-20 * (Decimal(price) - 3000)))
        after = await reading.one(user(market, 1))

        def moved(instrument: Instrument, price: str = price) -> Decimal:
            eth = isinstance(instrument, Perp) or at_venue(instrument) == 3000
            return Decimal(price) if eth else at_venue(instrument)

        assert close(total(before.exposures, "equity", moved), after.equity_usd)
        assert close(total(before.exposures, "requirement", moved), after.mm_requirement_usd)


async def test_it_obeys_the_contract_of_venues(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.open(1, cash="9000", perp="-20", base="4")
    market.open(2, cash="-7.5")
    held, params = the_book(), pm2()
    book = replace(held, markets=(replace(held.markets[0], perp_amount=0.0),))  # the perp's price is the other's
    said = (*margins(params, book), PortfolioMargin(params).margin(book).mark_usd)
    market.hold(2, book, params, said)
    accounts = [reading.account(user(market, index)) for index in (1, 2)]
    result = await venue_contract(reading.reader, accounts, await cut_of(reading.client))
    assert len(result.accounts) == 3


async def test_legs_and_value(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.open(1, cash="9000", perp="-20", base="4")
    account = await reading.one(user(market, 1))
    assert [(p.kind, p.label, p.size) for p in account.positions] == [
        (PositionKind.COLLATERAL, "USDC cash", Decimal(9000)),
        (PositionKind.PERP, "WETH-PERP short", Decimal(-20)),
        (PositionKind.COLLATERAL, "WETH collateral", Decimal(4)),
    ]
    assert total(account.exposures, "value") == 9000 + 4 * 3000
    assert account.equity_usd == 9000 + 4 * 3000 * FACTOR


async def test_short_options_are_margined_by_the_position_based_model(venue: tuple[Market, Bench]) -> None:
    """Worked by hand: forward 3030, the spot 3000, one short put 3000 and one short call 3300, 30 days."""
    market, reading = venue
    market.send(market.main.functions.setOptions(1, OPTION_TERMS))
    expiry = market.now + 30 * DAY_S
    held = {option_id(expiry, 3000, is_call=False): "-1", option_id(expiry, 3300, is_call=True): "-1"}
    sub_account = market.open(1, cash="5000", perp="2", options=held)
    market.move("3000", sub_account, "100")
    put, call = _marks(market.now, expiry)
    maintenance = 5000 + 100 - 2 * 3000 * 0.05 - (put + max(0.09 * 3000, 0.09 * put)) - (call + 0.09 * 3000)
    # Confidence 0.5 of the volatilities is below 0.55: initial margin pays for it, short by short.
    low = 0.5 * 1.0 * 3000
    initial = 5000 + 100 - 2 * 3000 * 0.10 - max(put + 0.15 * 3000, 1.05 * (put + 0.09 * 3000)) - low
    initial += -(call + 0.13 * 3000) - low
    mark = 5000 + 100 - put - call
    market.say(sub_account, maintenance, initial, mark, portfolio=False)
    account = await reading.one(user(market, 1))
    for one in account.checks:
        assert one.rel_error < Decimal("1e-6"), one  # a second or two passed since the marks were taken
    assert {one.name for one in account.checks} == {
        "maintenance_margin_usd", "initial_margin_usd", "mark_to_market_usd",
    }  # fmt: skip
    assert account.exposures == ()
    assert len(account.degraded) == 1
    assert "scenarios are unknown" in account.degraded[0]
    assert [position.label for position in account.positions][2:] == [
        "WETH 3000 put short",
        "WETH 3300 call short",
    ]
    assert close(account.surplus_usd or Decimal(0), Decimal(maintenance))

    market.say(sub_account, maintenance + 25, initial, mark, portfolio=False)
    lying = await reading.one(user(market, 1))
    assert check(lying, "maintenance_margin_usd").rel_error > Decimal("0.001")
    assert check(lying, "initial_margin_usd").rel_error < Decimal("1e-6")


async def test_a_bought_spread_behaves_under_scenarios_as_its_manager_says(venue: tuple[Market, Bench]) -> None:
    """Two calls 3000 bought, two calls 3300 sold: nothing can be lost at expiry, so they need and give nothing."""
    market, reading = venue
    market.send(market.main.functions.setOptions(1, OPTION_TERMS))
    expiry = market.now + 30 * DAY_S
    held = {option_id(expiry, 3000, is_call=True): "2", option_id(expiry, 3300, is_call=True): "-2"}
    sub_account = market.open(1, cash="5000", perp="2", base="1", options=held)
    market.move("3000", sub_account, "100")
    put, sold = _marks(market.now, expiry)
    bought = put + 3030 - 3000  # put-call parity with a discount of 1
    maintenance = 5000 + 100 - 2 * 3000 * 0.05 + 0.8 * 3000
    mark = 5000 + 100 + 3000 + 2 * (bought - sold)
    market.say(sub_account, maintenance, maintenance, mark, portfolio=False)
    account = await reading.one(user(market, 1))
    assert account.degraded == ()
    assert check(account, "maintenance_margin_usd").rel_error < Decimal("1e-12")
    stamp = account.at.timestamp
    equity, needed = (sum_of(account.exposures, part, stamp) for part in ("equity", "requirement"))
    assert abs(equity - account.equity_usd) < Decimal("0.01")  # a second or two passed since the marks were taken
    assert abs(equity - needed - Decimal(maintenance)) < Decimal("1e-9")
    assert abs(sum_of(account.exposures, "value", stamp) - Decimal(mark)) < Decimal("0.01")

    naked = market.open(2, cash="5000", options={option_id(expiry, 3300, is_call=True): "-2"})
    market.say(naked, 5000 - 2 * (sold + 0.09 * 3000), 0, 5000 - 2 * sold, portfolio=False)
    other = await reading.one(user(market, 2))
    assert other.degraded == ()
    assert abs(sum_of(other.exposures, "requirement", stamp) - 2 * Decimal("0.09") * 3000) < Decimal("1e-9")


async def test_a_book_of_the_portfolio_manager_is_recomputed(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    book, params = the_book(), pm2()
    maintenance, initial = margins(params, book)
    mark = PortfolioMargin(params).margin(book).mark_usd
    market.hold(1, book, params, (maintenance, initial, mark))
    account = await reading.one(user(market, 1))
    assert [one.name for one in account.checks] == [
        "maintenance_margin_usd", "initial_margin_usd", "mark_to_market_usd",
    ]  # fmt: skip
    assert all(one.rel_error < Decimal("1e-12") for one in account.checks)
    assert close(account.surplus_usd or Decimal(0), Decimal(maintenance))
    assert (account.liquidatable, account.exposures) == (False, ())
    assert [position.kind.value for position in account.positions] == ["collateral", "perp", "option", "option"]


async def test_a_portfolio_managers_worst_scenario_decides_not_its_first(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.hold(1, the_book(), pm2(), (-1.5, -200.0, 872.0))
    account = await reading.one(user(market, 1))
    assert account.surplus_usd == Decimal("-1.5")
    assert account.liquidatable is True
    assert check(account, "maintenance_margin_usd").rel_error > 1  # the stand-in lies: it shows


@pytest.mark.parametrize("missing", ["parameter", "volatility"])
async def test_what_cannot_be_read_leaves_the_managers_figure_unchecked(
    venue: tuple[Market, Bench], missing: str
) -> None:
    market, reading = venue
    sub_account = market.hold(1, the_book(), pm2(), (700.0, 600.0, 872.0))
    if missing == "parameter":
        market.send(market.portfolio.functions.hush(True))
    else:
        strike = option_id(market.now + 30 * DAY_S, 2222, is_call=True)
        market.open(1, manager=market.portfolio.address, cash="500", options={strike: "1"})
    read = await reading.read(user(market, 1))
    assert read.failures == ()
    account = read.accounts[-1]
    assert (account.checks, account.exposures) == ((), ())
    assert "could not be read" in account.degraded[1]
    if missing == "parameter":
        assert account.sub_account == str(sub_account)
        assert account.surplus_usd == 700


async def test_without_a_model_the_managers_figure_stands_unchecked(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    market.hold(4, the_book(), pm2(), (700.0, 600.0, 872.0))
    async with bench(market.ctx, node, DeriveReader, VENUE, market.addresses()) as reading:
        account = await reading.one(user(market, 4))
    assert account.surplus_usd == 700
    assert account.checks == ()
    assert "no margin model" in account.degraded[1]


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
async def test_published_cases_from_contract_state_to_margin(venue: tuple[Market, Bench], path: Path) -> None:
    """Positions, feeds and parameters of the published PM2 cases as contract state, read and recomputed."""
    market, reading = venue
    book, params, wanted = read_case(path)
    market.hold(1, book, params, (wanted["MM"], wanted["IM"], wanted["PortfolioMTM"]))
    names, infos = collaterals(market.ctx, len(book.collaterals))
    found = deployment_of(market.ctx, {VENUE: market.addresses() | names})
    reader = with_models(reading.client, replace(found, assets=found.assets + infos))
    result = await reader.read([reading.account(user(market, 1))], await cut_of(reading.client))
    assert result.failures == ()
    (account,) = result.accounts
    assert len(account.checks) == 3, account.degraded
    for one in account.checks:
        assert one.rel_error < Decimal("1e-9"), one


async def test_what_is_not_known_is_unknown(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    market.open(1, cash="5", strange="1")
    market.open(2, cash="5", manager=OTHER)
    read = await reading.read(user(market, 1), user(market, 2))
    assert read.accounts == ()
    assert [failure.reason for failure in read.failures] == ["unknown_mode", "unknown_mode"]
    details = {failure.account: failure.detail for failure in read.failures}
    assert STRANGE in details[reading.account(user(market, 1))]
    assert OTHER in details[reading.account(user(market, 2))]


async def test_a_sub_account_goes_with_its_nft(venue: tuple[Market, Bench]) -> None:
    market, reading = venue
    sub_account = market.open(1, cash="77")
    market.open(2)
    market.ctx.deployer.send(market.main.functions.give(sub_account, user(market, 5)))
    read = await reading.read(user(market, 1), user(market, 2))
    assert (read.accounts, read.failures) == ((), ())


async def test_a_missing_contract_is_said(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    nowhere = market.addresses() | {"sub_accounts": Address("0x000000000000000000000000000000000000dEaD")}
    async with bench(market.ctx, node, DeriveReader, VENUE, nowhere) as reading:
        read = await reading.read(user(market, 1))
    assert [failure.reason for failure in read.failures] == ["no_code"]


async def test_the_vol_feed_answers_for_the_strikes_asked_for(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    names = {**market.addresses(), "vol_feed:ETH": Address(market.main.address)}
    wanted = [(1_800_000_000, Decimal(strike)) for strike in (2000, 3000, 40_000)]
    async with client_of(market.ctx, node) as client:
        (source,) = surfaces_of(client, deployment_of(market.ctx, {VENUE: names}), "ETH", wanted)
        found = await source.surface(await cut_of(client))
        (bare,) = surfaces_of(client, deployment_of(market.ctx, {VENUE: names}), "ETH")
        nothing = await bare.surface(await cut_of(client))
    assert [(q.strike_usd, q.vol, q.confidence) for q in found.found] == [
        (2000, Decimal("0.7"), Decimal("0.95")),
        (3000, Decimal("0.6"), Decimal("0.95")),
    ]
    assert [(gap.reason, "no surface" in gap.detail) for gap in found.gaps] == [("no_answer", True)]
    assert nothing.found == ()
    assert "name the expiries and strikes" in nothing.gaps[0].detail


async def test_a_fork_pinned_at_a_block_gives_the_same_surface_as_the_chain(chain: tuple[Market, Anvil]) -> None:
    market, node = chain
    wanted = [(1_800_000_000, Decimal(strike)) for strike in (2000, 3000, 40_000)]
    async with client_of(market.ctx, node) as client:
        head = await client.head(Finality.LATEST)
        cut = Cut({market.ctx.chain: head})
        there = await DeriveVolSource(client, "ETH", Address(market.main.address), wanted).surface(cut)
    pinned = ForkSpec(market.ctx.chain, node.http_url, head.number)
    forks = await asyncio.to_thread(fork_node.start, [pinned])
    try:
        async with client_of(market.ctx, forks.by_chain[market.ctx.chain].node) as client:
            forked = await DeriveVolSource(client, "ETH", Address(market.main.address), wanted).surface(cut)
    finally:
        forks.stop()
    assert len(there.found) == 2
    assert forked == there
