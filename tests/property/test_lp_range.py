"""Laws of a range of concentrated liquidity: its value, its two deltas, and what scenarios do to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from risk.arrays import InstrumentArrays, Kind, PortfolioArrays
from risk.errors import RiskInputError
from risk.greeks import portfolio_greeks
from risk.pricing import unit_values
from risk.revalue import exposure_gap, revalue
from tests.kit.market import instruments_of, one_instrument, some_factors, the_grid

laws = settings(max_examples=500)
prices = st.floats(0.01, 1e5)
quotes = st.floats(0.2, 5000.0)
ends = st.tuples(st.floats(0.001, 10.0), st.floats(1.0001, 50.0)).map(lambda e: (e[0], e[0] * e[1]))
ETH, BTC, USDC = 0, 1, 2


def a_range(price: float, quote: float, ends: tuple[float, float], second: int = USDC) -> InstrumentArrays:
    terms = {"e0": ends[0], "e1": ends[1], "quote_factor": second, "quote_price": quote}
    return instruments_of(one_instrument(Kind.LP_RANGE, price, ETH, **terms))


def value(price: float, quote: float, ends: tuple[float, float]) -> float:
    return float(unit_values(a_range(price, quote, ends), np.array([[price]]), quote=np.array([[quote]]))[0, 0])


@laws
@given(prices, quotes, ends, st.floats(0.01, 100.0))
def test_all_prices_times_k_is_the_value_times_k(price, quote, ends, k):
    assert value(k * price, k * quote, ends) == pytest.approx(k * value(price, quote, ends), rel=1e-9, abs=1e-12)


@laws
@given(prices, quotes, ends, st.floats(1.0, 3.0))
def test_a_higher_price_of_either_token_is_never_worth_less(price, quote, ends, k):
    now = value(price, quote, ends)
    assert value(k * price, quote, ends) >= now * (1 - 1e-12)
    assert value(price, k * quote, ends) >= now * (1 - 1e-12)


@laws
@given(prices, prices, quotes, ends)
def test_value_is_concave(one, other, quote, ends):
    middle = value((one + other) / 2, quote, ends)
    assert middle >= (value(one, quote, ends) + value(other, quote, ends)) / 2 * (1 - 1e-12)


@laws
@given(quotes, ends, st.floats(0.01, 0.99))
def test_outside_its_range_it_is_one_token(quote, ends, share):
    lower, upper = ends
    base_only = 1 / np.sqrt(lower) - 1 / np.sqrt(upper)
    below = lower * quote * share
    assert value(below, quote, ends) == pytest.approx(base_only * below, rel=1e-9)
    above = (np.sqrt(upper) - np.sqrt(lower)) * quote
    assert value(upper * quote / share, quote, ends) == pytest.approx(above, rel=1e-6)


@laws
@given(quotes, st.tuples(st.floats(0.5, 2.0), st.floats(1.01, 3.0)), st.floats(-0.9, 3.0))
def test_it_never_beats_holding_what_is_in_it(quote, shape, move):
    ends = (shape[0], shape[0] * shape[1])
    price = quote * np.sqrt(ends[0] * ends[1])
    ratio = price / quote
    base, other = 1 / np.sqrt(ratio) - 1 / np.sqrt(ends[1]), np.sqrt(ratio) - np.sqrt(ends[0])
    held = base * price * (1 + move) + other * quote
    assert value(price * (1 + move), quote, ends) <= held * (1 + 1e-12)


def a_book(second: int = USDC, quote: float = 1.0) -> PortfolioArrays:
    """A thousand units between 1600 and 2400 dollars (or the same of another quote) around the price."""
    instruments = a_range(2000.0 * quote, quote, (1600.0, 2400.0), second)
    units = csr_array(np.array([[1000.0]]))
    now = unit_values(instruments, instruments.price[:, None])[0, 0] * 1000.0
    none = csr_array(np.zeros((1, 1)))
    return PortfolioArrays(instruments, some_factors(), units, units, none, np.array([now]), np.array([0.0]))


def test_scenarios_lose_more_than_the_delta_says_both_ways():
    book = a_book()
    changes = revalue(book, the_grid()).dV[0]
    grid = the_grid()
    crypto = [s for s in range(len(changes)) if grid.basis_shock[s].any() == 0 and grid.factor_shock[s, USDC] == 0]
    greeks = portfolio_greeks(book)
    assert greeks.gamma_usd[0, ETH] < 0
    for s in crypto:
        linear = greeks.delta_usd[0, ETH] * grid.factor_shock[s, ETH] * grid.damping[s]
        assert changes[s] <= linear + 1e-9
    assert exposure_gap(book) == pytest.approx(np.zeros(1), abs=1e-6)


def test_a_move_of_both_tokens_changes_the_value_by_as_much():
    # A pool of two coins that fall together loses the fall and nothing of it by turning one into the other.
    book = a_book(BTC, 20_000.0)
    grid = the_grid()
    equal = np.isclose(grid.factor_shock[:, ETH], grid.factor_shock[:, BTC]) & ~grid.basis_shock.any(axis=1)
    assert equal.any()
    changes = revalue(book, grid).dV[0]
    wanted = book.surplus[0] * grid.factor_shock[:, ETH] * grid.damping
    assert changes[equal] == pytest.approx(wanted[equal], rel=1e-9, abs=1e-6)


def test_a_depeg_of_the_quote_is_felt():
    grid = the_grid()
    depeg = (grid.factor_shock[:, USDC] < -0.01) & (grid.factor_shock[:, ETH] == 0)
    assert depeg.any()
    assert (revalue(a_book(), grid).dV[0][depeg] < 0).all()


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({"e0": 0.0}, "lower"), ({"e1": 1600.0}, "upper"), ({"e1": float("inf")}, "upper"),
        ({"quote_factor": -1}, "quote_factor"), ({"quote_price": 0.0}, "quote_price"),
        ({"quote_price": float("nan")}, "quote_price"),
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_refused(terms, name):
    good = {"e0": 1600.0, "e1": 2400.0, "quote_factor": USDC, "quote_price": 1.0}
    with pytest.raises(RiskInputError, match=name):
        instruments_of(one_instrument(Kind.LP_RANGE, 2000.0, ETH, **(good | terms)))


def test_only_a_range_has_a_second_token():
    row = one_instrument(Kind.SPOT, 2000.0, ETH) | {"quote_factor": USDC}
    with pytest.raises(RiskInputError, match="quote_factor"):
        instruments_of(row)
