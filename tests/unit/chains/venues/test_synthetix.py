"""PerpsV2 by hand-made integers: rules, decoding and refusals, without a chain."""

from dataclasses import replace
from decimal import Decimal

from chains.accounts import PositionKind
from chains.caip import Address, account_id, chain_id
from chains.instruments import ClippedFee, Fixed, Perp, Spot
from chains.types import Cut
from chains.venues.synthetix import SynthetixReader, rules
from chains.venues.synthetix.decode import Assets, decode_account
from chains.venues.synthetix.rules import UNIT, Holding
from tests.kit.synthetix import (
    ASSETS,
    CHAIN,
    ETH_MARKET,
    ETH_TERMS,
    MANAGER,
    MARKET,
    NOW,
    SETTINGS,
    STATUS,
    USER,
    FakeVenue,
    a_read,
    exposure_to,
    sums,
    theirs_of,
    wei,
)  # fmt: skip
from tests.kit.transport import a_block

CUT = Cut({CHAIN: a_block(CHAIN, 100, NOW)})
OTHER = account_id(CHAIN, Address("0x9999999999999999999999999999999999999999"))
LONG = Holding(wei(1000), wei(3000), wei(2), 1, 0)


# --- rules ---


def test_division_goes_towards_zero_like_the_evm():
    assert rules.times(-1, UNIT - 1) == 0
    assert rules.over(-1, 3 * UNIT) == 0
    assert rules.over(-10, 3) == -(10 * UNIT // 3)


def test_premium_of_the_contracts_own_example():
    # PerpsV2MarketBase.sol, _liquidationPremium: size -100, price 1200, scale 1m, multiplier 1 -> 12
    terms = replace(ETH_TERMS, premium_multiplier=UNIT)
    assert rules.liquidation_premium(wei(-100), wei(1200), terms) == wei(12)


def test_funding_of_the_contracts_own_example():
    # PerpsV2MarketBase.sol, _currentFundingRate: velocity 0.0025 for 29,000 s -> 0.00083912 (its digits)
    terms = replace(ETH_TERMS, skew_scale=wei(10_000), max_funding_velocity=wei("0.025"))
    market = replace(ETH_MARKET, skew=wei(1000))
    rate = rules.funding(market, terms, NOW + 29_000).rate
    assert abs(rate - wei("0.000839120370")) < 10**6


def test_longs_pay_when_longs_outweigh():
    market = replace(ETH_MARKET, skew=wei(1000), funded_at=NOW - 86_400, funded_rate=wei("0.01"))
    accrual = rules.funding(market, ETH_TERMS, NOW)
    # rate 0.01 + 1000/1m x 9 = 0.019 a day; mean 0.0145 of 3000 dollars over one day
    assert accrual.rate == wei("0.019")
    assert rules.accrued_funding(LONG, accrual) == wei(2) * wei("-43.5") // UNIT
    assert rules.accrued_funding(replace(LONG, size=wei(-2)), accrual) == wei(87)


def test_skew_counts_up_to_the_scale():
    market = replace(ETH_MARKET, skew=wei(5_000_000))
    assert rules.funding(market, ETH_TERMS, NOW).velocity == ETH_TERMS.max_funding_velocity


def test_fee_is_clipped_from_both_sides():
    assert rules.liquidation_fee(wei(1), wei(3000), ETH_TERMS) == wei(4)
    assert rules.liquidation_fee(wei(-20), wei(3000), ETH_TERMS) == wei(12)
    assert rules.liquidation_fee(wei(1000), wei(3000), ETH_TERMS) == wei(100)


def test_requirement_is_buffer_and_both_fees():
    # 20 x 3000 x 0.0075 = 450, flagger 12, keeper 2
    assert rules.liquidation_requirement(wei(-20), wei(3000), ETH_TERMS) == wei(464)


def test_accessible_leaves_the_leverage_and_the_smallest_initial():
    accrual = rules.funding(ETH_MARKET, ETH_TERMS, NOW)
    locked = 6000 * UNIT * UNIT // (wei(55) - 10**15) + 10**15
    assert rules.accessible(LONG, accrual, wei(3000), ETH_TERMS) == wei(1000) - locked
    small = replace(LONG, size=wei("0.1"))
    assert rules.accessible(small, accrual, wei(3000), ETH_TERMS) == wei(1000) - wei(40) - 10**15
    assert rules.accessible(replace(LONG, size=0), accrual, wei(3000), ETH_TERMS) == wei(1000)


# --- decoding ---


def test_figures_of_a_long():
    account = decode_account(a_read(wei(20), wei(5000), last_price=wei(2900)))
    # equity 5000 + 20 x 100; requirement 450 + 12 + 2 + premium 20/1m x 60,000 x 1.5625 = 1.875, and a wei
    assert account.equity_usd == 7000
    assert account.mm_requirement_usd == Decimal("465.875000000000000001")
    assert account.sub_account == "sETHPERP"
    assert account.liquidatable is False
    assert account.degraded == ()


def test_exposures_sum_to_the_figures():
    for size, posted, last in ((20, 5000, 2900), (-20, 5000, 2900), ("0.5", 100, 3100), (-3000, 900_000, 3001)):
        account = decode_account(a_read(wei(size), wei(posted), last_price=wei(last)))
        total = sums(account)
        assert account.equity_usd is not None
        assert abs(total.equity - account.equity_usd) <= Decimal("1e-14")
        assert abs(total.requirement - account.mm_requirement_usd) <= Decimal("1e-14")
        assert abs(total.value - account.equity_usd) <= Decimal("1e-14")


def test_susd_is_worth_its_own_price_in_value_and_par_in_equity():
    account = decode_account(a_read(wei(20), wei(5000), last_price=wei(2900)))
    spot = exposure_to(account, Spot)
    assert (spot.value, spot.equity) == (7000, 0)
    assert exposure_to(account, Perp).value == exposure_to(account, Perp).equity == 20
    assert exposure_to(account, Fixed).value == -60_000


def test_unrecorded_funding_moves_with_the_price():
    market = replace(ETH_MARKET, skew=wei(1000), funded_at=NOW - 86_400, funded_rate=wei("0.01"))
    account = decode_account(a_read(wei(2), wei(1000), market=market))
    assert exposure_to(account, Perp).equity == 2 * (1 - Decimal("0.0145"))


def test_equality_is_liquidatable_and_one_wei_more_is_not():
    need = rules.liquidation_requirement(wei(20), wei(3000), ETH_TERMS)
    need += rules.liquidation_premium(wei(20), wei(3000), ETH_TERMS)
    for posted, doomed in ((need - 1, True), (need, True), (need + 1, False)):
        account = decode_account(a_read(wei(20), posted))
        assert account.liquidatable is doomed
        assert account.surplus_usd is not None
        assert (account.surplus_usd < 0) is doomed


def test_idle_susd_requires_nothing():
    account = decode_account(a_read(0, wei(250)))
    assert (account.equity_usd, account.mm_requirement_usd) == (250, 0)
    assert account.withdrawable_usd == 250
    assert [p.kind for p in account.positions] == [PositionKind.COLLATERAL]
    assert (sums(account).value, sums(account).equity) == (250, 250)
    assert account.liquidatable is False


def test_an_account_below_zero_owes_nothing():
    account = decode_account(a_read(wei(20), wei(1000), last_price=wei(3200)))
    assert account.equity_usd == 0
    assert account.liquidatable is True
    assert (sums(account).value, sums(account).equity) == (0, 0)
    assert all(check.rel_error == 0 for check in account.checks)


def test_a_flagged_account_is_lost_even_after_recovery():
    account = decode_account(a_read(wei(20), wei(9000), flagged=True))
    assert account.liquidatable is True
    assert account.equity_usd == 0
    assert account.surplus_usd is not None
    assert account.surplus_usd < 0
    assert sums(account, Decimal("1.5")).value == sums(account, Decimal("1.5")).equity == 0
    assert account.withdrawable_usd == 0
    assert account.positions[1].details["flagged"]


def test_nothing_leaves_while_an_order_is_pending():
    account = decode_account(a_read(wei(20), wei(9000), pending_size=wei(-1)))
    assert account.withdrawable_usd == 0
    assert account.positions[1].details["pending_order_size"] == "-1.000000000000000000"


def test_nothing_leaves_a_suspended_market():
    account = decode_account(a_read(wei(20), wei(9000), market=replace(ETH_MARKET, active=False)))
    assert account.withdrawable_usd == 0
    assert "suspended" in account.positions[1].details


def test_withdrawal_stops_before_liquidation_where_the_premium_is_large():
    # 20,000 ETH: leverage keeps 1.1m, buffer 450,000 + premium 20,000/1m x 60m x 1.5625 = 1.875m keep more
    account = decode_account(a_read(wei(20_000), wei(4_000_000)))
    assert account.withdrawable_usd == account.surplus_usd
    assert account.surplus_usd is not None
    assert account.surplus_usd < Decimal(4_000_000 - 60_000_000 // 55)


def test_an_invalid_price_gives_no_verdict():
    market = replace(ETH_MARKET, price_invalid=True)
    account = decode_account(a_read(wei(20), wei(10), market=market))
    assert account.liquidatable is None
    assert account.withdrawable_usd == 0
    assert "sETHPERP" in account.degraded[0]
    assert "3000" in account.degraded[0]
    assert all(check.rel_error == 0 for check in account.checks)
    assert decode_account(a_read(0, wei(10), market=market)).degraded == ()


def test_an_unregistered_base_asset_degrades():
    assets = Assets(ASSETS.susd, ASSETS.base, False)
    account = decode_account(a_read(wei(20), wei(9000), assets=assets))
    assert "sETH is not registered" in account.degraded[0]


def test_checks_show_a_contract_that_disagrees():
    account = decode_account(a_read(wei(20), wei(5000), remaining=wei(5001)))
    errors = {check.name: check.rel_error for check in account.checks}
    assert errors.pop("remainingMargin") > Decimal("1e-4")
    assert set(errors.values()) == {0}


def test_carry_is_the_worse_of_the_rate_now_and_the_coming_days_mean():
    # notional 60,000; rate 1 % a day; skew 1000 of 1m x 9 adds 0.9 % a day each day, 0.45 % in the mean
    for skew, size, cost in (
        (0, 20, 600),
        (1000, 20, 870),
        (1000, -20, -600),
        (-1000, 20, 600),
        (-1000, -20, -330),
    ):
        market = replace(ETH_MARKET, funded_rate=wei("0.01"), skew=wei(skew))
        account = decode_account(a_read(wei(size), wei(5000), market=market))
        assert account.carry_usd_per_day == cost
        details = account.positions[1].details
        assert details["funding_rate_per_day"] == "0.010000000000000000"
        assert Decimal(details["funding_cost_usd_per_day"]) == cost


def test_what_is_lost_or_idle_costs_nothing():
    market = replace(ETH_MARKET, funded_rate=wei("0.01"))
    assert decode_account(a_read(wei(20), wei(5000), market=market, flagged=True)).carry_usd_per_day == 0
    assert decode_account(a_read(0, wei(5000), market=market)).carry_usd_per_day == 0


def test_amounts_beyond_the_decimal_context_stay_exact():
    account = decode_account(a_read(0, 10**32 + 1))
    assert account.equity_usd == Decimal("100000000000000.000000000000000001")


# --- reading ---


async def read(venue: FakeVenue, *accounts, assets=None, cut=CUT):
    return await SynthetixReader(venue.client, venue.deployment(assets)).read(list(accounts), cut)


def holding_venue(held: Holding = LONG, **theirs) -> FakeVenue:
    venue = FakeVenue().stand_up()
    empty = Holding(0, 0, 0, 0, 0)
    venue.hold(OTHER, empty, theirs_of(ETH_MARKET, ETH_TERMS, empty))
    venue.hold(USER, held, theirs_of(ETH_MARKET, ETH_TERMS, held, **theirs))
    return venue


async def test_reader_reads_a_position_and_skips_who_has_none():
    result = await read(holding_venue(), USER, OTHER)
    (account,) = result.accounts
    assert result.failures == ()
    assert account.account == USER
    assert account.equity_usd == 1000
    assert all(check.rel_error == 0 for check in account.checks)
    assert isinstance(exposure_to(account, ClippedFee).instrument, ClippedFee)


async def test_accounts_of_other_chains_are_ignored():
    venue = holding_venue()
    stranger = account_id(chain_id(1), Address("0x1111111111111111111111111111111111111111"))
    result = await read(venue, stranger)
    assert (result.accounts, result.failures, venue.client.asked) == ((), (), [])


async def test_no_block_is_a_failure_of_every_account():
    result = await read(holding_venue(), USER, OTHER, cut=Cut({}, {CHAIN: "unreachable for 30 s"}))
    assert {(f.account, f.reason) for f in result.failures} == {(USER, "no_block"), (OTHER, "no_block")}
    assert "30 s" in result.failures[0].detail


async def test_a_venue_that_does_not_answer_fails_for_every_account():
    for to, signature, arguments in (
        (MANAGER, "allMarkets(bool)", (True,)),
        (SETTINGS, "keeperLiquidationFee()", ()),
        (STATUS, "systemSuspended()", ()),
    ):
        venue = holding_venue()
        venue.refuse(to, signature, *arguments)
        result = await read(venue, USER, OTHER)
        assert result.accounts == ()
        assert [f.reason for f in result.failures] == ["reverted", "reverted"]


async def test_one_reverting_account_leaves_the_others():
    venue = holding_venue()
    venue.refuse(MARKET, "positions(address)", "0x9999999999999999999999999999999999999999")
    result = await read(venue, USER, OTHER)
    assert [a.account for a in result.accounts] == [USER]
    assert [(f.account, f.reason) for f in result.failures] == [(OTHER, "reverted")]


async def test_a_missing_own_figure_is_a_failure_not_a_zero():
    venue = holding_venue()
    venue.refuse(MARKET, "accessibleMargin(address)", "0x1111111111111111111111111111111111111111")
    result = await read(venue, USER)
    assert [(f.account, f.reason) for f in result.failures] == [(USER, "reverted")]
    assert "accessibleMargin" in result.failures[0].detail


async def test_a_market_of_another_release_is_an_unknown_mode():
    venue = holding_venue()
    venue.refuse(SETTINGS, "liquidationBufferRatio(bytes32)", b"sETHPERP".ljust(32, b"\0"))
    result = await read(venue, USER)
    assert [f.reason for f in result.failures] == ["unknown_mode"]
    assert "sETHPERP" in result.failures[0].detail


async def test_a_position_without_a_price_is_a_failure_and_idle_susd_is_not():
    market = replace(ETH_MARKET, price=0, price_invalid=True)
    for held, reasons in ((LONG, ["unpriced"]), (replace(LONG, size=0, funding_index=0), [])):
        venue = FakeVenue().stand_up(market)
        venue.hold(USER, held, theirs_of(market, ETH_TERMS, held))
        result = await read(venue, USER)
        assert [f.reason for f in result.failures] == reasons
        assert len(result.accounts) == 1 - len(reasons)


async def test_a_suspended_market_is_seen():
    venue = holding_venue()
    venue.refuse(STATUS, "requireFuturesMarketActive(bytes32)", b"sETHPERP".ljust(32, b"\0"))
    (account,) = (await read(venue, USER)).accounts
    assert account.withdrawable_usd == 0


async def test_base_asset_is_found_by_symbol():
    (account,) = (await read(holding_venue(), USER)).accounts
    assert exposure_to(account, Perp).instrument.asset == ASSETS.base
    (account,) = (await read(holding_venue(), USER, assets={"sUSD": ASSETS.susd})).accounts
    assert account.degraded
