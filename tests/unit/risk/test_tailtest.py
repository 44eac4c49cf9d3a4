"""Forecasts from the past: what they are on series worked out by hand, and that they never see the day itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.errors import RiskInputError
from risk.tailtest import WARM, ewma_sigma, filtered, grid_range, normal, observed_hits


def test_ewma_by_hand():
    returns = np.array([0.01, -0.01] * 15 + [0.04, 0.0, 0.0])
    sigma = ewma_sigma(returns)
    assert np.isnan(sigma[:WARM]).all()
    assert sigma[WARM] == pytest.approx(0.01)
    assert sigma[WARM + 1] == pytest.approx(np.sqrt(0.97 * 1e-4 + 0.03 * 16e-4))
    assert sigma[WARM + 2] == pytest.approx(np.sqrt(0.97 * sigma[WARM + 1] ** 2))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_forecast_sees_its_own_day_or_later(seed):
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(4, 200) * 0.03
    day = int(rng.integers(140, 199))
    changed = returns.copy()
    changed[day:] = rng.standard_normal(200 - day)
    for make in (filtered, normal):
        ours, theirs = make(returns), make(changed)
        assert ours.var[day] == theirs.var[day]
        assert ours.shortfall[day] == theirs.shortfall[day]
    assert (grid_range(returns, 4.8, 0.026)[day]) == grid_range(changed, 4.8, 0.026)[day]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
def test_forecasts_grow_with_the_returns(seed, factor):
    returns = np.random.default_rng(seed).standard_t(4, 200) * 0.01
    one, more = filtered(returns), filtered(returns * factor)
    assert more.var[150:] == pytest.approx(factor * one.var[150:])
    assert (one.shortfall[150:] >= one.tail_var[150:]).all()
    assert (one.var[150:] >= one.tail_var[150:]).all()


def test_filtered_series_are_independent_of_each_other():
    returns = np.random.default_rng(1).standard_normal((300, 3))
    together, alone = filtered(returns).var, filtered(returns[:, 1]).var
    assert together[200:, 1] == pytest.approx(alone[200:])


def test_barriers_by_hand():
    # Prices stand still but for one day that falls to 90 and rises to 120 in its second hour.
    days, bars = 40, 24
    close = np.full(days * bars + 1, 100.0)
    close[::bars] *= np.exp(0.01 * (-1.0) ** np.arange(days + 1) / 2)  # daily returns of 1 %
    high, low = np.full_like(close, 100.6), np.full_like(close, 99.4)
    last = (days - 1) * bars
    high[last + 2], low[last + 2] = 120.0, 90.0
    found = observed_hits(close, high, low, 3600, (3600.0, 86_400.0), np.array([0.5, 5.0]))
    assert found.origins == days - WARM
    assert found.down[1] == pytest.approx([0.0, 1 / found.origins])
    assert found.up[1] == pytest.approx([0.0, 1 / found.origins])
    assert found.down[0, 0] <= found.down[0, 1]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: ewma_sigma(np.zeros(10)), "returns"),
        (lambda: filtered(np.full(200, np.nan)), r"returns\[0\]"),
        (lambda: observed_hits(*[np.ones(2000)] * 3, 5000, (3600.0,), np.ones(1)), "step_s"),
    ],
)
def test_unusable_input_is_named(call, named):
    with pytest.raises(RiskInputError, match=named):
        call()
