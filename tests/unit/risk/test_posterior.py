"""Own observations: quick to widen, slow to narrow, never below the default's tail before a thousand of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.errors import RiskInputError
from risk.latency import LatencyLaw, Lognormal
from risk.posterior import NARROW_FROM, TRUST_TAIL_FROM, update
from risk.routes import load_routes

ROUTES = load_routes()
LAW = LatencyLaw(Lognormal(30.0, 0.4), 0.01, Lognormal(9_000.0, 0.25))
TAIL = (0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.999)


def drawn(count, median=30.0, sd=0.4, seed=1):
    return np.exp(np.random.default_rng(seed).normal(np.log(median), sd, count))


def test_nothing_seen_changes_nothing():
    found = update(LAW, np.zeros(0))
    assert found.law == LAW
    assert (found.observations, found.tail_trusted) == (0, False)


def test_slower_transfers_widen_at_once():
    few = update(LAW, drawn(5, median=120.0))
    assert few.law.body.median_s > LAW.body.median_s
    assert few.law.quantile(0.95) > LAW.quantile(0.95)
    many = update(LAW, drawn(500, median=120.0))
    assert many.law.body.median_s == pytest.approx(120, rel=0.2)


def test_faster_transfers_narrow_the_body_only_with_enough_of_them():
    assert update(LAW, drawn(NARROW_FROM - 1, median=5.0)).law.body.median_s >= LAW.body.median_s
    assert update(LAW, drawn(400, median=5.0)).law.body.median_s < 10


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, len(ROUTES) - 1), st.integers(1, TRUST_TAIL_FROM - 1), st.floats(-3, 3), st.floats(0.01, 1.5),
    st.integers(0, 2**31),
)  # fmt: skip
def test_tail_never_falls_below_the_default_before_a_thousand(place, count, shift, sd, seed):
    law = ROUTES[place].law
    found = update(law, drawn(count, law.body.median_s * np.exp(shift), sd, seed)).law
    for p in TAIL:
        assert found.quantile(p) >= law.quantile(p)
    assert found.bad_weights()[1:] == law.bad_weights()[1:]
    assert found.challenge_s == law.challenge_s


def test_tail_may_fall_from_a_thousand_on():
    found = update(LAW, drawn(TRUST_TAIL_FROM))
    assert found.tail_trusted
    assert found.law.quantile(0.99) < LAW.quantile(0.99)
    assert found.law.slow_weight < LAW.slow_weight


def test_slow_ones_raise_the_slow_weight_and_stay_out_of_the_body():
    seen = np.concatenate([drawn(50), np.full(5, 10_000.0)])
    found = update(LAW, seen)
    assert (found.observations, found.slow) == (55, 5)
    assert found.law.slow_weight > 5 / 55
    assert found.median_s < 60


def test_what_is_long_under_way_counts_as_slow_and_what_just_left_does_not():
    waiting = update(LAW, drawn(50), np.array([20_000.0, 20_000.0, 3.0]))
    assert waiting.slow == 2
    assert waiting.law.slow_weight > update(LAW, drawn(50)).law.slow_weight


def test_more_of_the_same_narrows():
    spreads = [update(LAW, drawn(n)).law.body.log_sd for n in (1_000, 4_000, 16_000)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] == pytest.approx(0.4, rel=0.05)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_latencies_that_cannot_be_are_refused(bad):
    with pytest.raises(RiskInputError, match="latencies_s"):
        update(LAW, np.array([1.0, bad]))
    if bad != 0.0:
        with pytest.raises(RiskInputError, match="under_way_s"):
            update(LAW, np.array([1.0]), np.array([bad]))
