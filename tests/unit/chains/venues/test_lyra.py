"""Lyra v1 by hand-made integers: fixed point, rules, decoding and refusals, without a chain."""

from dataclasses import replace
from decimal import Decimal
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.accounts import PositionKind
from chains.caip import Address, account_id, chain_id
from chains.errors import NoContractCode
from chains.instruments import Fixed, Option, ShortOptionFloor, Spot
from chains.types import Cut
from chains.venues.lyra import LyraReader, fixed, reader
from chains.venues.lyra.decode import Answers, decode, decode_longs, decode_short
from chains.venues.lyra.rule import OptionType, min_collateral, option_prices, shock_vol
from chains.venues.lyra.units import exact
from tests.kit import lyra_reference
from tests.kit.lyra import (
    ADAPTER,
    AT,
    CACHE,
    CHAIN,
    DAY_S,
    ETH,
    MARKET,
    NOW,
    OTHER,
    PARAMS,
    RATE,
    TOKEN,
    USER,
    WEEK_S,
    FakeMarket,
    a_leg,
    a_strike,
    answers_of,
    deployment,
    floor_call,
    wad,
)

LONG_CALL, LONG_PUT, CALL_BASE, CALL_QUOTE, PUT = OptionType
CUT = Cut({CHAIN: AT})


# --- fixed point ---


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(15, 10, 2), (14, 10, 1), (-15, 10, -2), (-14, 10, -1), (1449, 1000, 1), (1, 3, 0), (-2, -3, 1)],
)
def test_half_rounds_away_from_zero_at_one_more_digit(numerator, denominator, rounded):
    assert fixed.half_up(numerator, denominator) == rounded


@given(st.integers(-40 * 10**27, 40 * 10**27))
def test_exp_is_right_to_its_18_digits(x):
    ours = Decimal(fixed.exp(x)).scaleb(-27)
    true = Decimal(x).scaleb(-27).exp()
    assert abs(ours - true) <= true * Decimal("3e-18") + Decimal("2e-18")


@given(st.integers(1, 10**31), st.integers(0, 10**9 - 1))
def test_ln_is_right_to_its_18_digits_of_18(wads, lost):
    ours = Decimal(fixed.ln(wads * 10**9 + lost)).scaleb(-27)
    assert abs(ours - Decimal(wads).scaleb(-18).ln()) <= Decimal("4e-18")


@given(st.floats(-12, 12))
def test_normal_law_has_fifteen_digits(x):
    assert isclose(fixed.normal_cdf(int(x * 1e27)) / 1e27, lyra_reference.normal(x), rel_tol=1e-9, abs_tol=2e-15)


def test_no_logarithm_of_nothing():
    with pytest.raises(ValueError, match="at least 1e-18"):
        fixed.ln(10**9 - 1)


# --- prices ---


@pytest.mark.parametrize(
    ("seconds", "vol", "spot", "strike", "rate", "call", "put"),
    [
        # Answers of BlackScholes.optionPrices (bytecode of @lyrafinance/protocol 0.1.3-alpha) on anvil 1.7.1.
        (2592000, "0.8", 3000, 3000, "0.05", 279528999468951757427, 267225530761564858427),
        (2592000, "0.8", 3000, 2500, "0.05", 583622124620143849458, 73369234030654766958),
        (7776000, "1.25", 1800, 3800, "0.05", 90565129511059023788, 2044003428401714847588),
        (60, "0.8", 3000, 3001, "0", 880679570627205972, 1880679570627202971),
        (0, "0.8", 3000, 2900, "0.05", 100000000000000002900, 0),
        (86400, "0.00001", 3000, 3000, "-0.02", 0, 164388065385315000),
        (2592000, "2.5", 3600, 3400, "0.05", 1088190501835576600079, 874246570633871447879),
        (31536000, "3", 10, 100000, "1", 663764005898172814, 36778607881150130272814),
    ],
)
def test_prices_are_the_contracts_to_the_last_digit(seconds, vol, spot, strike, rate, call, put):
    assert option_prices(seconds, wad(vol), wad(spot), wad(strike), wad(rate)) == (call, put)


def test_price_of_the_textbook():
    # J. Hull, Options, Futures and Other Derivatives: S 42, K 40, r 10 %, sigma 20 %, half a year: 4.76 and 0.81
    call, put = option_prices(15_768_000, wad("0.2"), wad(42), wad(40), wad("0.1"))
    assert (round(call / 1e18, 2), round(put / 1e18, 2)) == (4.76, 0.81)


@given(
    st.integers(3600, 360 * DAY_S), st.floats(0.05, 3), st.floats(100, 20_000), st.floats(0.3, 3), st.booleans()
)
def test_prices_are_black_scholes(seconds, vol, spot, moneyness, is_call):
    call, put = option_prices(seconds, wad(Decimal(vol)), wad(Decimal(spot)), wad(Decimal(spot * moneyness)), RATE)
    years = seconds / lyra_reference.YEAR_S
    plain = lyra_reference.black_scholes(is_call, spot, spot * moneyness, years, vol, 0.05)
    assert isclose((call if is_call else put) / 1e18, plain, rel_tol=1e-9, abs_tol=1e-9)


def test_price_refuses_what_has_no_logarithm():
    with pytest.raises(ValueError, match="must be positive"):
        option_prices(60, wad(1), 0, wad(1), 0)


# --- the collateral rule ---


def test_shock_vol_falls_in_a_straight_line_between_its_points():
    assert [shock_vol(PARAMS, weeks * WEEK_S) for weeks in (0, 2, 5, 8, 20)] == [
        wad(v) for v in ("2.5", "2.5", "2.15", "1.8", "1.8")
    ]
    # the subtracted part is truncated: 0.7 / 6 weeks x 1 s
    assert shock_vol(PARAMS, 2 * WEEK_S + 1) == wad("2.5") - wad("0.7") // (6 * WEEK_S)


@pytest.mark.parametrize(
    ("kind", "strike", "days", "spot", "amount", "floor"),
    [
        # Answers of OptionGreekCache.getMinCollateral (same bytecode and default parameters) on anvil 1.7.1.
        (CALL_BASE, 3400, 30, 3000, "5", 1372326972575753385),
        (CALL_BASE, 3400, 30, 3000, "0.1", 100000000000000000),
        (CALL_BASE, 2500, 30, 9000, "5", 3852869143353900800),
        (CALL_QUOTE, 3600, 30, 3000, "5", 4548188906643474594350),
        (CALL_QUOTE, 3800, 90, 3000, "0.5", 596627515975380732838),
        (PUT, 2500, 30, 3000, "5", 3299228060302493675730),
        (PUT, 2500, 30, 900, "5", 8889989020239359033710),
        (PUT, 2400, 7, 3000, "0.02", 48000000000000000000),
        (PUT, 3000, 1, 3000, "1", 605934048158429424027),
    ],
)
def test_min_collateral_is_the_contracts_to_the_last_digit(kind, strike, days, spot, amount, floor):
    assert min_collateral(PARAMS, kind, wad(strike), days * DAY_S, wad(spot), wad(amount), RATE) == floor


def test_static_minimum_and_full_collateral_bound_the_floor():
    def floor(kind, strike, amount):
        return min_collateral(PARAMS, kind, wad(strike), 30 * DAY_S, wad(3000), wad(amount), RATE)

    assert floor(CALL_QUOTE, 9000, "0.001") == wad(200)
    assert floor(PUT, 1000, "0.001") == wad(1), "a put needs no more than its strike"
    assert floor(CALL_BASE, 9000, "0.5") == wad("0.2")
    assert floor(CALL_BASE, 9000, "0.05") == wad("0.05"), "a covered call needs no more than its amount"
    assert floor(PUT, 1000, 0) == 0


def test_longs_have_no_minimum():
    with pytest.raises(ValueError, match="LONG_CALL"):
        min_collateral(PARAMS, LONG_CALL, wad(3000), DAY_S, wad(3000), wad(1), RATE)


# --- decoding ---


@pytest.mark.parametrize("kind", [CALL_BASE, CALL_QUOTE, PUT])
def test_surplus_changes_sign_with_the_last_wei(kind):
    strike = a_strike(3300 if kind.is_call else 2500)
    floor = a_leg(kind, strike).answers.min_collateral
    for collateral, doomed in ((floor - 1, True), (floor, False), (floor + 1, False)):
        account = decode_short(USER, AT, ETH, a_leg(kind, strike, collateral=collateral))
        assert account.liquidatable is doomed
        assert (account.surplus_usd < 0) is doomed


def test_covered_call_stands_on_the_line_and_is_safe():
    odd_spot = replace(ETH, spot=wad("3123.123456789012345678"))
    strike = a_strike(3000)
    leg = a_leg(CALL_BASE, strike, "0.123456789012345678", wad("0.123456789012345678"), market=odd_spot)
    account = decode_short(USER, AT, odd_spot, leg)
    assert account.surplus_usd == 0
    assert account.liquidatable is False
    assert account.withdrawable_usd == 0


def test_quote_short_counts_its_tokens_at_par_in_equity_only():
    account = decode_short(USER, AT, ETH, a_leg(PUT, a_strike(2500), collateral=wad(7000)))
    held, par, option, floor = account.exposures
    assert (held.instrument, held.value, held.equity) == (Spot(ETH.quote, Decimal(1)), 7000, 0)
    assert (par.instrument, par.value, par.equity) == (Fixed(), 0, 7000)
    assert isinstance(option.instrument, Option)
    assert (option.value, option.equity, option.requirement) == (-5, 0, 0)
    assert option.instrument.vol == Decimal("0.88")
    assert isinstance(floor.instrument, ShortOptionFloor)
    assert floor.instrument.full_collateral_usd == 12_500
    assert floor.instrument.full_collateral_base is None
    assert account.sub_account == "ETH-3"
    assert account.withdrawable_usd == account.surplus_usd


def test_base_short_holds_ether():
    account = decode_short(USER, AT, ETH, a_leg(CALL_BASE, a_strike(3300), collateral=wad(3)))
    held, _, floor = account.exposures
    assert (held.instrument, held.value, held.equity) == (Spot(ETH.base, Decimal(3000)), 3, 3)
    assert account.equity_usd == 9000
    assert (floor.instrument.static_min_usd, floor.instrument.static_min_base) == (0, Decimal("0.2"))
    assert (floor.instrument.full_collateral_usd, floor.instrument.full_collateral_base) == (None, 5)


@pytest.mark.parametrize("kind", list(OptionType))
def test_exposures_add_up_to_the_figures(kind):
    (account,) = decode(USER, AT, ETH, [a_leg(kind, a_strike(3100), "4.5", wad(3))])
    value, equity, requirement = lyra_reference.revalued(account, 3000.0, NOW)
    assert isclose(equity, float(account.equity_usd), rel_tol=1e-12)
    assert isclose(requirement, float(account.mm_requirement_usd), rel_tol=1e-12)
    option = account.positions[0]
    stake = 9000 if kind is CALL_BASE else 3 if kind.is_short else 0
    assert isclose(value, stake + float(option.size * option.venue_price_usd), rel_tol=1e-12)


def test_longs_share_an_account_that_nobody_liquidates():
    legs = [
        a_leg(LONG_CALL, a_strike(3000), "2", position_id=1),
        a_leg(LONG_PUT, a_strike(2500), "3", position_id=2),
    ]
    account = decode_longs(USER, AT, ETH, legs)
    call, put = legs[0].answers.call, legs[1].answers.put
    assert account.equity_usd == exact(2 * call + 3 * put)
    assert (account.mm_requirement_usd, account.liquidatable, account.withdrawable_usd) == (0, False, 0)
    assert account.sub_account == "ETH-long"
    assert [check.name for check in account.checks] == ["option_price_1", "option_price_2"]
    assert [p.size for p in account.positions] == [2, 3]


def test_checks_do_not_copy_the_contracts_answers():
    leg = a_leg(PUT, a_strike(2500), collateral=wad(7000))
    wrong = replace(leg, answers=Answers(1, 2, False, 3))
    checks = {check.name: check for check in decode_short(USER, AT, ETH, wrong).checks}
    assert checks["min_collateral"].theirs == Decimal("3e-18")
    assert checks["min_collateral"].rel_error > Decimal("0.99")
    assert checks["option_price_3"].rel_error > Decimal("0.99")


def test_details_tell_the_terms():
    account = decode_short(USER, AT, ETH, a_leg(PUT, a_strike(2500), collateral=wad(7000)))
    option, collateral = account.positions
    assert option.kind is PositionKind.OPTION
    assert option.label == "ETH 2500 put short, 2023-12-14"
    assert option.raw == -wad(5)
    assert {k: option.details[k] for k in ("iv", "strike_usd", "type", "expiry")} == {
        "iv": "0.88", "strike_usd": "2500", "type": "short_put_quote", "expiry": "2023-12-14T22:13:20Z",
    }  # fmt: skip
    assert (collateral.kind, collateral.size) == (PositionKind.COLLATERAL, 7000)


def test_expired_board_degrades_until_settlement():
    account = decode_short(USER, AT, ETH, a_leg(CALL_QUOTE, a_strike(2900, days=-1), collateral=wad(5000)))
    assert account.degraded
    assert "not settled" in account.degraded[0]
    # at 1.2 x 3000, intrinsic value 700, 5 options
    assert abs(account.mm_requirement_usd - 3500) < Decimal("1e-9")


@pytest.mark.parametrize(
    ("kind", "collateral", "rest_usd"),
    [
        (CALL_QUOTE, wad(5000), 4500),
        (CALL_QUOTE, wad(400), 0),
        (PUT, wad(5000), 5000),
        (CALL_BASE, wad(3), Decimal("2.5") * 3000),
    ],
)
def test_settled_short_is_the_rest_of_its_collateral(kind, collateral, rest_usd):
    strike = a_strike(2900, days=-1, settled_price=wad(3000), base_ratio=wad("0.1"))
    account = decode_short(USER, AT, ETH, a_leg(kind, strike, collateral=collateral))
    assert account.equity_usd == account.withdrawable_usd == rest_usd
    assert (account.mm_requirement_usd, account.liquidatable) == (0, False)
    _, equity, requirement = lyra_reference.revalued(account, 3000.0, NOW)
    assert (equity, requirement) == (float(rest_usd), 0)


def test_settled_longs_are_their_payoff():
    strike = a_strike(2900, days=-1, settled_price=wad(3000))
    live = a_leg(LONG_PUT, a_strike(2500, strike_id=8), position_id=2)
    account = decode_longs(USER, AT, ETH, [a_leg(LONG_CALL, strike, "2", position_id=1), live])
    assert account.equity_usd == 200 + exact(5 * live.answers.put)
    assert account.withdrawable_usd == 200
    _, equity, _ = lyra_reference.revalued(account, 3000.0, NOW)
    assert isclose(equity, float(account.equity_usd), rel_tol=1e-12)


# --- reading ---


def a_market() -> FakeMarket:
    market = FakeMarket().stand_up()
    market.own(OTHER)
    return market


async def test_reads_all_owners_and_is_silent_about_the_rest():
    market = a_market()
    market.hold(
        USER,
        a_leg(PUT, a_strike(2500), collateral=wad(7000), position_id=3),
        a_leg(LONG_CALL, a_strike(3300, strike_id=8), position_id=4),
    )
    elsewhere = account_id(chain_id(1), Address("0x1111111111111111111111111111111111111111"))
    result = await LyraReader(market.client, deployment()).read([OTHER, USER, elsewhere], CUT)
    assert result.failures == ()
    assert [a.sub_account for a in result.accounts] == ["ETH-3", "ETH-long"]
    assert all(check.rel_error == 0 for account in result.accounts for check in account.checks)


async def test_settled_board_asks_for_no_verdict():
    market = a_market()
    settled = a_strike(2900, days=-1, settled_price=wad(3000))
    market.hold(USER, a_leg(CALL_QUOTE, settled, collateral=wad(5000)))
    result = await LyraReader(market.client, deployment()).read([USER], CUT)
    assert result.failures == ()
    assert [a.equity_usd for a in result.accounts] == [4500]


async def failure_of(market: FakeMarket, *accounts):
    result = await LyraReader(market.client, deployment()).read(accounts or [USER], CUT)
    (failure,) = result.failures
    return failure, result.accounts


def a_holder() -> tuple[FakeMarket, object]:
    market, leg = a_market(), a_leg(PUT, a_strike(2500), collateral=wad(7000))
    market.hold(USER, leg)
    return market, leg


async def test_stale_spot_fails_owners_only():
    market, _ = a_holder()
    market.refuse(reader._SPOT.call(ADAPTER, MARKET), bytes.fromhex("473da07e") + bytes(96))
    failure, accounts = await failure_of(market, USER, OTHER)
    assert (failure.account, failure.reason, accounts) == (USER, "reverted", ())
    assert "stale or invalid" in failure.detail


async def test_unreadable_owner_leaves_the_others():
    market, _ = a_holder()
    market.refuse(reader._OWNER_POSITIONS.call(TOKEN, "0x" + "9" * 40))
    failure, accounts = await failure_of(market, USER, OTHER)
    assert (failure.account, failure.reason) == (OTHER, "reverted")
    assert [a.account for a in accounts] == [USER]


@pytest.mark.parametrize(("kind", "state"), [(5, 1), (4, 2)])
async def test_unknown_type_or_state_is_a_gap_beside_what_is_known(kind, state):
    market, leg = a_holder()
    market.own(USER, leg.raw, (9, leg.strike.id, kind, wad(1), 0, state))
    failure, accounts = await failure_of(market)
    assert failure.reason == "unknown_mode"
    assert "position 9" in failure.detail
    assert len(accounts) == 1


async def test_missing_contract_has_its_code():
    market, _ = a_holder()
    market.answer(reader._CACHE_PARAMS.call(CACHE), [], [])
    failure, accounts = await failure_of(market)
    assert (failure.reason, accounts) == ("no_code", ())


async def test_short_answer_is_undecodable():
    market, _ = a_holder()
    market.answer(reader._CACHE_PARAMS.call(CACHE), ["uint256"], [1])
    assert (await failure_of(market))[0].reason == "undecodable"


async def test_position_without_a_verdict_is_not_reported():
    market, leg = a_holder()
    market.refuse(floor_call(leg))
    failure, accounts = await failure_of(market)
    assert (failure.reason, accounts) == ("reverted", ())
    assert "ETH position 3" in failure.detail


async def test_strike_that_is_not_listed_is_a_gap():
    market, _ = a_holder()
    market.list_strike(a_strike(0))
    failure, accounts = await failure_of(market)
    assert (failure.reason, accounts) == ("undecodable", ())


async def test_no_block_fails_everyone():
    cut = Cut({}, {CHAIN: "endpoint down"})
    result = await LyraReader(FakeMarket().client, deployment()).read([USER], cut)
    assert [(f.reason, f.detail) for f in result.failures] == [("no_block", "endpoint down")]


async def test_asks_nothing_without_accounts():
    market = a_market()
    assert (await LyraReader(market.client, deployment()).read([], CUT)).accounts == ()
    assert market.client.asked == []


@pytest.mark.parametrize("name", ["synthetix_adapter", "black_scholes", "ETH.greek_cache"])
def test_missing_address_is_named(name):
    with pytest.raises(NoContractCode, match=name):
        LyraReader(FakeMarket().client, deployment(**{name: None}))


def test_answers_of_the_kit_are_the_rules_own():
    leg = a_leg(LONG_PUT, a_strike(2500))
    assert answers_of(leg.raw, leg.strike).min_collateral is None
