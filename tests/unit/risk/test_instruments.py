"""Debt, funding, futures and inverse contracts by hand; options and their Greeks against QuantLib."""

import math

import numpy as np
import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.arrays import Kind
from risk.black76 import YEAR_S, forward_price, option_greeks, option_price
from risk.distance import distance_to_liquidation
from risk.errors import RiskInputError
from risk.greeks import greeks_by_expiry, portfolio_greeks
from risk.pricing import linear_slopes, unit_values, value_of
from risk.svi import SviSlice, SviSurface
from tests.kit.market import a_book, accounts_of, instruments_of, one_instrument, some_factors

DAY_S, HALF_S = 86_400.0, YEAR_S / 2
REL = 1e-10
TERMS = st.tuples(
    st.booleans(),
    st.floats(100.0, 5_000.0),
    st.floats(-0.5, 0.5),
    st.integers(2, 700),
    st.floats(0.1, 2.0),
    st.floats(-0.05, 0.2),
)


def by_quantlib(is_call: bool, spot: float, strike: float, days: int, vol: float, rate: float):
    today = QuantLib.Date(1, 1, 2026)
    QuantLib.Settings.instance().evaluationDate = today
    count = QuantLib.Actual365Fixed()
    rates = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, rate, count))
    none = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, 0.0, count))
    vols = QuantLib.BlackVolTermStructureHandle(
        QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), vol, count)
    )
    quote = QuantLib.QuoteHandle(QuantLib.SimpleQuote(spot))
    process = QuantLib.BlackScholesMertonProcess(quote, none, rates, vols)
    side = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    payoff = QuantLib.PlainVanillaPayoff(side, strike)
    option = QuantLib.VanillaOption(payoff, QuantLib.EuropeanExercise(today + days))
    option.setPricingEngine(QuantLib.AnalyticEuropeanEngine(process))
    return option


@settings(max_examples=500)
@given(terms=TERMS)
def test_black_scholes_and_its_greeks_are_those_of_quantlib(terms) -> None:
    is_call, spot, moneyness, days, vol, rate = terms
    strike, tau = spot * math.exp(moneyness), days / 365.0
    other = by_quantlib(is_call, spot, strike, days, vol, rate)
    x = [np.float64(v) for v in (spot, strike, tau, vol, rate)]
    ours, price = option_greeks(is_call, *x), option_price(is_call, *x)
    for mine, theirs, scale in (
        (price, other.NPV(), spot),
        (ours.delta, other.delta(), 1.0),
        (ours.gamma, other.gamma(), 1.0 / spot),
        (ours.vega, other.vega(), spot),
        (ours.theta, other.theta(), spot),
        (ours.rho, other.rho(), spot),
    ):
        assert abs(float(mine) - theirs) <= REL * max(abs(theirs), scale)


@settings(max_examples=500)
@given(terms=TERMS)
def test_black_76_is_quantlibs(terms) -> None:
    is_call, forward, moneyness, days, vol, rate = terms
    strike, tau = forward * math.exp(moneyness), days / 365.0
    discount = math.exp(-rate * tau)
    side = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    theirs = QuantLib.blackFormula(side, strike, forward, vol * math.sqrt(tau), discount)
    ours = forward_price(is_call, *(np.float64(v) for v in (forward, strike, tau, vol, discount)))
    assert abs(float(ours) - theirs) <= REL * max(theirs, 1e-4 * forward)


def test_debt_and_funding_run_with_time() -> None:
    rows = instruments_of(
        one_instrument(Kind.DEBT, 2_000.0, rate=0.08),
        one_instrument(Kind.PERP, 2_000.0, rate=0.10),
        one_instrument(Kind.PERP, 2_000.0),
        one_instrument(Kind.INVERSE_PERP, 2_000.0, strike=1_600.0, rate=0.10),
    )
    later = unit_values(rows, rows.price[:, None], elapsed_s=HALF_S)[:, 0]
    assert later == pytest.approx([2_000 * math.exp(0.04), 2_000 * 0.95, 2_000, 2_000 / 1_600 - 1 - 0.05])


def test_dated_futures_carry_and_roll_down() -> None:
    rows = instruments_of(
        one_instrument(Kind.FUTURE, 2_000.0, expiry_s=YEAR_S, rate=0.1),
        one_instrument(Kind.INVERSE_FUTURE, 2_000.0, strike=1_600.0, expiry_s=YEAR_S, rate=0.1),
    )
    forward = 2_000 * math.exp(0.1)
    assert value_of(rows) == pytest.approx([forward, 2_000 * (1 / 1_600 - 1 / forward)])
    at_end = unit_values(rows, rows.price[:, None], elapsed_s=2 * YEAR_S)[:, 0]
    assert at_end == pytest.approx([2_000, 2_000 / 1_600 - 1])


def test_inverse_contracts_pay_in_coin_what_the_coin_is_then_worth() -> None:
    # 10,000 contracts of 1 USD bought at 1,600: at 2,000 they made 10,000·(1/1,600 - 1/2,000) = 1.25 coins.
    row = instruments_of(one_instrument(Kind.INVERSE_PERP, 2_000.0, strike=1_600.0, rate=0.0))
    assert 10_000 * value_of(row)[0] / 2_000.0 == pytest.approx(1.25)


def test_linear_slopes_are_what_doubling_gains() -> None:
    kinds = (Kind.SPOT, Kind.PERP, Kind.DEBT, Kind.FUTURE, Kind.INVERSE_PERP, Kind.INVERSE_FUTURE, Kind.FIXED)
    book = a_book(5, count=20, kinds=kinds).instruments
    gained = unit_values(book, 2.0 * book.price[:, None])[:, 0] - value_of(book)
    assert linear_slopes(book) == pytest.approx(gained)


@pytest.mark.parametrize("kind", [Kind.FUTURE, Kind.INVERSE_PERP, Kind.INVERSE_FUTURE])
def test_distance_of_linear_kinds_is_exact(kind: Kind) -> None:
    rows = instruments_of(
        one_instrument(kind, 2_000.0, strike=1_900.0, expiry_s=YEAR_S, rate=0.1), one_instrument(Kind.FIXED)
    )
    units = 1.0 if kind is Kind.FUTURE else 2_000.0
    worth = float(value_of(rows)[0])
    book = accounts_of(rows, [[units, 500.0 - units * worth]], [[0.0, 0.0]], some_factors())
    move = distance_to_liquidation(book, 0).move[0]
    after = unit_values(rows, rows.price[:, None] * np.array([[1.0 + move], [1.0]]))[:, 0]
    assert units * after[0] + 500.0 - units * worth == pytest.approx(0.0, abs=1e-6)


def test_an_option_paid_in_coin_is_the_option() -> None:
    # Mark in coins of a coin-settled call, N(d1) - (K/F)·N(d2), times the index.
    spot, strike, tau, vol, rate = 2_000.0, 2_200.0, 0.25, 0.7, 0.08
    forward = spot * math.exp(rate * tau)
    coins = float(forward_price(True, *(np.float64(v) for v in (forward, strike, tau, vol, 1.0)))) / forward
    row = instruments_of(one_instrument(Kind.CALL, spot, strike=strike, expiry_s=tau * YEAR_S, vol=vol, rate=rate))
    assert coins * spot == pytest.approx(float(value_of(row)[0]), rel=1e-13)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_greeks_are_slopes_and_expiries_sum_up(seed: int) -> None:
    book = a_book(seed, kinds=(Kind.CALL, Kind.PUT, Kind.FUTURE, Kind.INVERSE_FUTURE, Kind.DEBT, Kind.SPOT))
    greeks, parts = portfolio_greeks(book), greeks_by_expiry(book)
    for name in ("delta_usd", "gamma_usd", "vega_usd", "theta_usd", "rho_usd"):
        total = sum(getattr(part.greeks, name) for part in parts)
        assert np.allclose(total, getattr(greeks, name), rtol=1e-12, atol=1e-6)


def test_rho_and_theta_are_differences() -> None:
    def worth(rate: float, elapsed: float = 0.0) -> np.ndarray:
        rows = instruments_of(
            one_instrument(Kind.CALL, 2_000.0, strike=2_100.0, expiry_s=HALF_S, vol=0.6, rate=rate),
            one_instrument(Kind.FUTURE, 2_000.0, expiry_s=HALF_S, rate=rate),
            one_instrument(Kind.INVERSE_FUTURE, 2_000.0, strike=1_500.0, expiry_s=HALF_S, rate=rate),
        )
        return unit_values(rows, rows.price[:, None], elapsed_s=elapsed)[:, 0]

    rows = instruments_of(
        one_instrument(Kind.CALL, 2_000.0, strike=2_100.0, expiry_s=HALF_S, vol=0.6, rate=0.05),
        one_instrument(Kind.FUTURE, 2_000.0, expiry_s=HALF_S, rate=0.05),
        one_instrument(Kind.INVERSE_FUTURE, 2_000.0, strike=1_500.0, expiry_s=HALF_S, rate=0.05),
    )
    book = accounts_of(rows, np.eye(3).tolist(), np.zeros((3, 3)).tolist(), some_factors())
    greeks = portfolio_greeks(book)
    rho = (worth(0.05 + 1e-5) - worth(0.05 - 1e-5)) / 2e-5 * 1e-4
    assert greeks.rho_usd[:, 0] == pytest.approx(rho, rel=1e-6)
    theta = (worth(0.05, 1.0) - worth(0.05)) * DAY_S
    assert greeks.theta_usd[:, 0] == pytest.approx(theta, rel=1e-4)


def test_svi_is_its_formula_inside_the_clamp_and_flat_beyond() -> None:
    svi = SviSlice(0.02, 0.1, -0.4, -0.1, 0.17, 2_000.0, 0.1)
    k = math.log(2_300 / 2_000)
    w = 0.02 + 0.1 * (-0.4 * (k + 0.1) + math.sqrt((k + 0.1) ** 2 + 0.17**2))
    assert svi.vol(np.array([2_300.0]))[0] == pytest.approx(math.sqrt(w / 0.1), rel=1e-14)
    reach = 4 * math.sqrt(0.02 + 0.1 * 0.17)
    far = svi.vol(np.array([2_000 * math.exp(reach), 2_000 * math.exp(2 * reach)]))
    assert far[0] == pytest.approx(far[1])


def test_svi_surface_is_linear_in_total_variance() -> None:
    near, late = (SviSlice(0.02 * s, 0.1, -0.4, -0.1, 0.17, 2_000.0, s * 0.1) for s in (1, 3))
    surface = SviSurface((near, late))
    strike, forward = np.array([2_200.0]), np.array([2_000.0])
    middle = surface.vol(strike, forward, np.array([0.2])) ** 2 * 0.2
    both = near.vol(strike) ** 2 * 0.1 + late.vol(strike) ** 2 * 0.3
    assert middle == pytest.approx(both / 2)
    assert surface.vol(strike, forward, np.array([0.1])) == pytest.approx(near.vol(strike))
    with pytest.raises(RiskInputError, match="increase"):
        SviSurface((late, near))


@pytest.mark.parametrize(
    "bad", [{"b": -0.1}, {"rho": 1.5}, {"forward": 0.0}, {"tau_years": -1.0}, {"a": math.nan}, {"a": -1.0}]
)
def test_svi_refuses_what_is_no_smile(bad: dict[str, float]) -> None:
    given = {"a": 0.02, "b": 0.1, "rho": -0.4, "m": -0.1, "sigma": 0.17, "forward": 2_000.0, "tau_years": 0.1}
    with pytest.raises(RiskInputError, match="svi"):
        SviSlice(**(given | bad))
