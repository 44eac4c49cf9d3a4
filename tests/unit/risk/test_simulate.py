"""The simulated keeper: what must hold on any path, and rates that theory gives."""

import numpy as np
import pytest
from scipy.special import ndtr

from risk.errors import RiskInputError
from risk.latency import NEVER, Knots
from risk.scanlaw import JumpKind
from risk.simulate import KeeperBook, MarketState, knock_outs, tiers

SIGMA = 0.03
CALM = ((1.0, MarketState(SIGMA)),)


def pair(placed=(0.05, 0.05), lag_s=3600.0, correlation=1.0, **changes):
    arguments = {
        "exposure": np.array([1.0, -1.0]),
        "correlation": np.array([[1.0, correlation], [correlation, 1.0]]),
        "placed": np.array(placed),
        "lag_s": np.full((2, 2), lag_s),
        "states": CALM,
    }
    return KeeperBook(**(arguments | changes))


def rate(book, paths=4000, step_s=300.0, seed=5):
    return knock_outs(book, np.random.default_rng(seed), paths, step_s).mean(axis=0)


def test_same_seed_same_paths():
    first, second = (knock_outs(pair(), np.random.default_rng(3), 1500, 600.0) for _ in range(2))
    assert (first == second).all()
    assert first.shape == (1500, 2)


def test_without_help_the_rate_is_that_of_the_running_maximum():
    # P(max of Brownian motion over a day > b) = 2 Psi(b / sigma); the raised barrier makes the grid exact.
    for b in (1.5, 2.0):
        # Legs that lose together: nobody has anything to give.
        book = pair((b * SIGMA, b * SIGMA), correlation=-1.0)
        assert rate(book, 20_000) == pytest.approx(2 * ndtr(-b), rel=0.06)


def test_grid_does_not_matter_much():
    coarse, fine = (rate(pair((0.02, 0.02)), 8_000, step).max() for step in (300.0, 75.0))
    assert coarse == pytest.approx(fine, rel=0.25)


def test_help_that_comes_sooner_saves_more():
    rates = [rate(pair((0.02, 0.02), lag)).max() for lag in (300.0, 3_600.0, 14_400.0, np.inf)]
    assert rates == sorted(rates)
    assert rates[0] < 0.05 < 0.3 < rates[-1]


def test_more_margin_saves_more():
    rates = [rate(pair((k, k))).max() for k in (0.01, 0.015, 0.02, 0.03)]
    assert rates == sorted(rates, reverse=True)


def test_money_that_never_comes_is_no_help():
    law = ((1.0, MarketState(SIGMA, NEVER)),)
    assert rate(pair(states=law)).max() == pytest.approx(rate(pair(lag_s=np.inf)).max(), rel=0.1)


def test_a_law_of_one_lag_is_that_lag():
    law = ((1.0, MarketState(SIGMA, Knots(np.array([3600.0]), np.ones(1)))),)
    drawn, certain = rate(pair((0.02, 0.02), states=law), 8000), rate(pair((0.02, 0.02)), 8000)
    assert drawn.max() == pytest.approx(certain.max(), rel=0.15)


def test_gap_beyond_the_buffer_knocks_out_whoever_is_hit():
    gaps = (JumpKind(365.25, 0.10, 0.0, 0.0),)
    hit = knock_outs(pair(states=((1.0, MarketState(1e-6)),), jumps=gaps), np.random.default_rng(1), 4000, 3600.0)
    # One gap a day: P(no gap) = exp(-1); either sign is as likely; the second gap finds a short venue already.
    assert hit.any(axis=1).mean() == pytest.approx(1 - np.exp(-1), abs=0.03)


def test_fast_pair_helps_itself_before_the_slow_venue():
    lag = np.array([[0, 2, 9], [2, 0, 9], [9, 9, 0]])
    assert tiers(lag) == (([0, 1],), ([0, 1, 2],))
    assert tiers(np.array([[0, 3], [3, 0]])) == (([0, 1],),)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"placed": np.array([0.1, 0.0])}, "placed"),
        ({"placed": np.array([0.1, np.nan])}, "placed"),
        ({"placed": np.array([0.1])}, "venues"),
        ({"lag_s": np.full((2, 2), -1.0)}, "lag_s"),
        ({"lag_s": np.full((2, 2), np.nan)}, "lag_s"),
        ({"states": ((0.5, MarketState(SIGMA)),)}, "states"),
    ],
)
def test_book_that_makes_no_sense_is_refused(changes, named):
    with pytest.raises(RiskInputError, match=named):
        pair(**changes)


@pytest.mark.parametrize(("paths", "step_s"), [(0, 60.0), (10, 0.0), (10, 1e6)])
def test_run_that_makes_no_sense_is_refused(paths, step_s):
    with pytest.raises(RiskInputError, match="paths, step_s"):
        knock_outs(pair(), np.random.default_rng(1), paths, step_s)
