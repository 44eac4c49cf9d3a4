"""Backtest statistics: what they say of right and wrong forecasts, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from risk.errors import RiskInputError
from risk.validation import (
    binomial_bounds,
    conditional_coverage,
    independence,
    kupiec,
    shortfall_z2,
    traffic_light,
    transitions,
    verdicts,
    z2_p_value,
)

VAR, SHORTFALL = norm.ppf(0.975), norm.pdf(norm.ppf(0.975)) / 0.025


def test_hits_as_stated_give_no_evidence():
    assert kupiec(1000, 10, 0.01).statistic == pytest.approx(0.0, abs=1e-9)
    assert kupiec(1000, 10, 0.01).p_value == pytest.approx(1.0, abs=1e-4)


def test_no_hit_at_all_is_finite():
    assert kupiec(250, 0, 0.01).statistic == pytest.approx(-2 * 250 * np.log(0.99))


def test_transitions_by_hand():
    assert transitions(np.array([0, 0, 1, 1, 0, 1], dtype=bool)) == (1, 2, 1, 1)


def test_clustered_hits_are_seen_although_their_number_is_right():
    hits = np.zeros(1000, dtype=bool)
    hits[100:110] = True
    assert kupiec(1000, int(hits.sum()), 0.01).p_value > 0.99
    assert independence(*transitions(hits)).p_value < 1e-6


@settings(max_examples=500, deadline=None)
@given(st.integers(1, 3000), st.data(), st.floats(0.001, 0.5))
def test_statistics_are_never_negative_and_p_values_are_probabilities(days, data, rate):
    hits = data.draw(st.integers(0, days))
    found = kupiec(days, hits, rate)
    light = traffic_light(days, hits, rate)
    assert found.statistic >= 0.0
    assert 0.0 <= found.p_value <= 1.0
    assert 0.0 <= light.probability <= 1.0
    assert light.probability + light.type_one >= 1.0 - 1e-9  # both count the day itself


@settings(max_examples=500, deadline=None)
@given(st.tuples(*[st.integers(0, 400)] * 4).filter(any))
def test_both_together_are_the_sum(counts):
    order, frequency = independence(*counts), kupiec(1000, 13, 0.01)
    both = conditional_coverage(frequency, order)
    assert order.statistic >= 0.0
    assert both.statistic == pytest.approx(order.statistic + frequency.statistic)
    assert both.p_value == pytest.approx(float(chi2.sf(both.statistic, 2)))


def test_z2_is_zero_in_the_mean_of_a_right_forecast_and_negative_of_a_short_one():
    losses = np.random.default_rng(7).normal(size=400_000)
    flat = np.ones_like(losses)
    assert shortfall_z2(losses, VAR * flat, SHORTFALL * flat, 0.025) == pytest.approx(0.0, abs=0.03)
    assert shortfall_z2(losses, 0.8 * VAR * flat, 0.8 * SHORTFALL * flat, 0.025) < -0.7
    assert shortfall_z2(losses, 1.3 * VAR * flat, 1.3 * SHORTFALL * flat, 0.025) > 0.5


def test_z2_p_value_finds_the_critical_value_of_the_paper():
    # Acerbi and Szekely 2014: the 5 % value is -0.70 for T 250 and tails from the normal to t(100).
    draws = np.random.default_rng(8).normal(size=(20_000, 250))
    assert z2_p_value(-0.70, draws, SHORTFALL, 0.025) == pytest.approx(0.05, abs=0.01)


def test_rejection_rate_of_a_right_model_is_the_level():
    rng = np.random.default_rng(9)
    rejected = [kupiec(1000, int(x), 0.01).p_value < 0.05 for x in rng.binomial(1000, 0.01, 2000)]
    assert 0.03 < np.mean(rejected) < 0.08  # the count is discrete


def test_binomial_bounds_hold_the_right_count():
    low, high = binomial_bounds(10_000, 0.01)
    assert (low, high) == (75, 127)


def test_all_verdicts_of_a_series():
    losses = np.random.default_rng(3).normal(size=2000)
    flat = np.ones_like(losses)
    told = verdicts(losses, norm.ppf(0.99) * flat, 0.01, SHORTFALL * flat, 0.025, VAR * flat)
    assert told.hits == int((losses > norm.ppf(0.99)).sum())
    assert told.both.p_value > 0.01
    assert told.z2 == pytest.approx(0.0, abs=0.4)
    assert verdicts(losses, flat, 0.01).z2 is None


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: kupiec(0, 0, 0.01), "hits"),
        (lambda: kupiec(10, 11, 0.01), "hits"),
        (lambda: kupiec(10, 1, 1.0), "rate"),
        (lambda: independence(0, 0, 0, 0), "transitions"),
        (lambda: transitions(np.array([0.0, 1.0])), "hits"),
        (lambda: shortfall_z2(np.array([1.0, np.nan]), np.ones(2), np.ones(2), 0.025), r"losses\[1\]"),
        (lambda: shortfall_z2(np.ones(2), np.ones(2), np.zeros(2), 0.025), r"shortfall\[0\]"),
        (lambda: shortfall_z2(np.ones(2), np.ones(2), np.full(2, 0.5), 0.025), r"shortfall\[0\]"),
        (lambda: shortfall_z2(np.ones(1), np.ones(1), np.ones(1), 0.025), "losses"),
        (lambda: shortfall_z2(np.ones(3), np.ones(2), np.ones(3), 0.025), "var"),
        (lambda: z2_p_value(0.0, np.ones(3), 1.0, 0.025), "draws"),
    ],
)
def test_unusable_input_is_named(call, named):
    with pytest.raises(RiskInputError, match=named):
        call()
