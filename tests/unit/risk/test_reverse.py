"""Reverse stress: exact where books are linear, never worse than a search where they are not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from risk.arrays import Kind
from risk.distance import distance_to_liquidation
from risk.errors import RiskInputError
from risk.part import part_of
from risk.reverse import factor_covariance, reverse_stress, surplus_at
from tests.kit.market import LINEAR, a_book, accounts_of, instruments_of, one_instrument, some_factors

FACTORS = some_factors()
C = factor_covariance(FACTORS, 0.72)
ETH, BTC, USD = (
    one_instrument(Kind.SPOT, 2000.0, 0), one_instrument(Kind.SPOT, 30_000.0, 1), one_instrument(Kind.FIXED)
)  # fmt: skip


def length(move: np.ndarray) -> float:
    return float(np.sqrt(move @ np.linalg.inv(C) @ move))


def test_one_factor_by_hand():
    # S = 100 x 2000 x 0.8 - 1e5 = 6e4; slope 1.6e5: a fall of 37.5 %, 0.375 / 0.045 sigmas
    book = accounts_of(instruments_of(ETH, USD), [[80.0, 0.0]], [[0.0, 1e5]], FACTORS)
    found = reverse_stress(book, np.diag(FACTORS.sigma_day**2))
    assert found.sigmas[0] == pytest.approx(0.375 / 0.045)
    assert found.moves[0] == pytest.approx([-0.375, 0.0, 0.0, 0.0])


def test_correlated_factors_fall_together():
    book = accounts_of(instruments_of(ETH, BTC, USD), [[80.0, 4.0, 0.0]], [[0.0, 0.0, 1e5]], FACTORS)
    found = reverse_stress(book, C)
    slope = np.array([160_000.0, 120_000.0, 0.0, 0.0])
    assert found.sigmas[0] == pytest.approx(book.surplus[0] / np.sqrt(slope @ C @ slope))
    assert surplus_at(book, np.array([0]), found.moves[:, None])[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_a_fall_beyond_everything_is_shared_by_the_others():
    book = accounts_of(instruments_of(ETH, BTC, USD), [[1.0, 4.0, 0.0]], [[0.0, 0.0, 1500.0]], FACTORS)
    found = reverse_stress(book, C)
    assert (found.moves[0] >= -0.99 - 1e-12).all()
    assert surplus_at(book, np.array([0]), found.moves[:, None])[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_no_move_breaches_what_owes_nothing():
    book = accounts_of(instruments_of(ETH, USD), [[1.0, 5.0]], [[0.0, 0.0]], FACTORS)
    flat = accounts_of(instruments_of(ETH, USD), [[0.0, 5.0]], [[0.0, 0.0]], FACTORS)
    assert np.isinf(reverse_stress(flat, C).sigmas[0])
    assert np.isinf(reverse_stress(book, C).sigmas[0])


def test_breached_already_is_no_distance():
    book = accounts_of(instruments_of(ETH, USD), [[1.0, 0.0]], [[0.0, 2001.0]], FACTORS)
    assert reverse_stress(book, C).sigmas[0] == 0.0


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_linear_accounts_are_exact_and_on_the_edge(seed):
    book = a_book(seed, accounts=3, kinds=LINEAR)
    found = reverse_stress(book, C)
    for account in np.flatnonzero(np.isfinite(found.sigmas) & (book.surplus > 0)):
        at = surplus_at(book, np.array([account]), found.moves[account][None, None])[0, 0]
        assert abs(at) <= 1e-7 * (1.0 + abs(book.surplus[account]) + book.mm[account])
        assert length(found.moves[account]) == pytest.approx(found.sigmas[account])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_never_farther_than_a_single_factor_and_always_a_breach(seed):
    book = a_book(seed, accounts=2, count=7)
    found = reverse_stress(book, C)
    for factor in range(4):
        move = distance_to_liquidation(book, factor).move
        for account in np.flatnonzero(np.isfinite(move) & (move >= -0.99) & (book.surplus > 0)):
            alone = np.zeros(4)
            alone[factor] = move[account]
            assert found.sigmas[account] <= length(alone) * (1 + 1e-6)
    for account in np.flatnonzero(np.isfinite(found.sigmas)):
        at = surplus_at(book, np.array([account]), found.moves[account][None, None])[0, 0]
        assert at <= 1e-6 * (1.0 + abs(book.surplus[account]) + book.mm[account])


@pytest.mark.parametrize("seed", range(12))
def test_no_general_search_finds_anything_nearer(seed):
    book = part_of(a_book(seed, accounts=1, count=6), np.array([0]))
    book = replace(book, surplus=np.abs(book.surplus) + 1.0)
    ours = reverse_stress(book, C)
    if not np.isfinite(ours.sigmas[0]):
        return
    root = np.linalg.cholesky(C)

    def breach(y):
        return -surplus_at(book, np.array([0]), np.maximum(root @ y, -0.99)[None, None])[0, 0]

    limits = [{"type": "ineq", "fun": breach}]
    rng = np.random.default_rng(seed)
    for _ in range(6):
        start = np.linalg.solve(root, ours.moves[0]) * rng.uniform(0.3, 1.3) + rng.normal(size=4)
        if (root @ start <= -0.99).any():
            continue
        other = minimize(lambda y: y @ y, start, constraints=limits, method="SLSQP")
        move = root @ other.x
        if other.success and (move > -0.99).all() and surplus_at(book, np.array([0]), move[None, None])[0, 0] <= 0:
            assert ours.sigmas[0] <= np.sqrt(other.fun) * 1.02


@pytest.mark.parametrize(
    ("matrix", "named"),
    [(np.zeros((4, 4)), "positive definite"), (np.full((4, 4), np.nan), r"covariance\[0"), (np.eye(3), "shape")],
)
def test_unusable_covariance_is_named(matrix, named):
    with pytest.raises(RiskInputError, match=named):
        reverse_stress(a_book(1), matrix)
