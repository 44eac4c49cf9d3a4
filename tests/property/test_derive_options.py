"""Exposures of Derive's options against the standard manager's own rule, in any state of the world."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregator.margin_rule import margin_figures
from chains.caip import Address, chain_id, erc20
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Option, Spot
from chains.margin_state import CannotModel, ExpiryState, MarginState, MarketState, OptionHeld
from chains.venues.derive.options import never_loses, option_exposures
from tests.kit.unit_values import unit_value

DAY_S = 86_400
NOW = 1_800_000_000
SPOT, FORWARD = Decimal(3000), Decimal("3030")
ETH = AssetInfo(erc20(chain_id(957), Address("0x" + "2" * 40)), "WETH", 18, "ETH", "ETH")
RULE = {
    "market": "1", "perp_mm": "0.065", "perp_im": "0.1", "base_factor": "0.8", "base_im_scale": "0.9375",
    "max_spot_req": "0.15", "min_spot_req": "0.13", "mm_call_spot": "0.09", "mm_put_spot": "0.09",
    "mm_put_mtm": "0.09", "unpaired_mm": "1.1", "unpaired_im": "1.2", "mm_offset": "1.05",
    "perp_threshold": "0.55", "option_threshold": "0.55", "base_threshold": "0.55", "confidence_factor": "1",
}  # fmt: skip

strikes = st.integers(1000, 6000).map(Decimal)
amounts = st.integers(1, 500).map(lambda n: Decimal(n) / 10)
vols = st.integers(20, 200).map(lambda n: Decimal(n) / 100)
signed = st.tuples(amounts, st.sampled_from((1, -1))).map(lambda pair: pair[0] * pair[1])
anything = st.builds(OptionHeld, strikes, st.booleans(), signed, vols)
plain = st.tuples(strikes, amounts, vols)
spread = st.tuples(strikes, st.integers(1, 3000), st.booleans(), amounts)
books = st.lists(anything, min_size=1, max_size=4).map(tuple)
moves = st.integers(5, 400).map(lambda n: Decimal(n) / 100)


def state_of(*ends: tuple[OptionHeld, ...], seconds: int = 30 * DAY_S, **rule: str) -> MarginState:
    expiries = tuple(
        ExpiryState(NOW + seconds + i * DAY_S, seconds + i * DAY_S, FORWARD, Decimal(0), Decimal(0), options)
        for i, options in enumerate(ends)
    )
    terms = {key: value if key == "market" else Decimal(value) for key, value in (RULE | rule).items()}
    parameters = {
        "id": "standard", "version": "1", "provenance": "test", "depeg_threshold": Decimal("0.99"),
        "depeg_factor": Decimal(2), "markets": (terms,),
    }  # fmt: skip
    return MarginState(
        "standard", parameters, Decimal(0), Decimal(1), (MarketState("1", SPOT, expiries=expiries),)
    )


def moved(state: MarginState, spot: Decimal, vol: Decimal) -> MarginState:
    """The same account where spot and forward are so many times as high, and all volatilities."""
    (market,) = state.markets
    ends = tuple(
        replace(
            end,
            forward_moving=end.forward_moving * spot,
            options=tuple(replace(one, vol=one.vol * vol) for one in end.options),
        )
        for end in market.expiries
    )
    return replace(state, markets=(replace(market, spot=market.spot * spot, expiries=ends),))


def surplus(exposures: tuple[Exposure, ...], spot: Decimal, vol: Decimal) -> Decimal:
    """E - k·MM by the exposures as they were, their instruments moved."""
    total = Decimal(0)
    for exposure in exposures:
        match exposure.instrument:
            case Option() as option:
                there = replace(option, venue_price_usd=option.venue_price_usd * spot, vol=option.vol * vol)
            case Spot(venue_price_usd=price) as token if price is not None:
                there = replace(token, venue_price_usd=price * spot)
        total += (exposure.equity - exposure.requirement) * unit_value(there, NOW)
    return total


def must_be_the_managers(state: MarginState, spot: Decimal, vol: Decimal) -> None:
    exposures = option_exposures(state, {"1": ETH})
    theirs = margin_figures(moved(state, spot, vol)).maintenance_excess_usd
    size = sum(abs(one.amount) for end in state.markets[0].expiries for one in end.options) * SPOT * max(spot, 1)
    assert abs(surplus(exposures, spot, vol) - theirs) <= Decimal("1e-9") * size


@given(books, books, moves, moves)
def test_whatever_has_exposures_moves_as_its_manager_says(first, second, spot, vol) -> None:
    try:
        must_be_the_managers(state_of(first, second), spot, vol)
    except CannotModel:
        assume(False)


@given(st.lists(spread, min_size=1, max_size=3), moves, moves)
def test_bought_spreads_need_nothing_anywhere(legs, spot, vol) -> None:
    """Each short is covered by a long that pays at least as much at any price."""
    held = []
    for strike, width, is_call, amount in legs:
        bought = strike - width * Decimal("0.3") if is_call else strike + width
        held += [
            OptionHeld(bought, is_call, amount, Decimal("0.8")),
            OptionHeld(strike, is_call, -amount, Decimal("0.7")),
        ]
    assert never_loses(held)
    state = state_of(tuple(held))
    must_be_the_managers(state, spot, vol)
    assert abs(margin_figures(moved(state, spot, vol)).maintenance_excess_usd) < Decimal("1e-6")


@given(st.lists(plain, min_size=1, max_size=3), st.lists(plain, max_size=2), moves, moves)
def test_naked_calls_are_counted_on_their_own_anywhere(shorts, puts, spot, vol) -> None:
    held = [OptionHeld(strike, True, -amount, sigma) for strike, amount, sigma in shorts]
    held += [OptionHeld(strike, False, amount, sigma) for strike, amount, sigma in puts]
    must_be_the_managers(state_of(tuple(held)), spot, vol)


ONE = Decimal(1)
SHORT_PUT = OptionHeld(SPOT, False, -ONE, Decimal("0.6"))
SHORT_CALL = OptionHeld(SPOT, True, -ONE, Decimal("0.6"))
LONG_CALL = OptionHeld(SPOT + 500, True, ONE, Decimal("0.6"))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (state_of((SHORT_PUT,)), "larger of two sums"),
        (state_of((SHORT_CALL, LONG_CALL)), "larger of two sums"),
        (state_of((LONG_CALL,), (SHORT_PUT,)), f"expiry {NOW + 31 * DAY_S}"),
        (state_of((LONG_CALL,), seconds=1799), "being settled"),
        (state_of((SHORT_CALL,), unpaired_mm="1.05"), "unpaired calls"),
    ],
)
def test_where_two_sums_compete_there_is_no_exposure(state: MarginState, why: str) -> None:
    with pytest.raises(CannotModel, match=why):
        option_exposures(state, {"1": ETH})
