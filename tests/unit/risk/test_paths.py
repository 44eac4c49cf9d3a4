"""Breach probabilities: known laws, laws of probability, and that nothing random hides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from risk.arrays import Kind
from risk.errors import ParameterError, RiskInputError
from risk.paramfile import load
from risk.paths import PathParams, breach_probability, hit_table, standard_paths
from tests.kit.market import a_book, accounts_of, instruments_of, one_instrument, some_factors

PARAMS = load(PathParams, "paths_v1")
FEW = replace(PARAMS, paths=64)
PLAIN = replace(
    PARAMS,
    vol_of_vol=0.0,
    freedom=1000.0,
    jumps_per_day=0.0,
    step_scale=1.0,
    first_step_s=300.0,
    later_step_s=300.0,
)
FACTORS = some_factors()
ETH, USD = one_instrument(Kind.SPOT, 2000.0, 0), one_instrument(Kind.FIXED)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def loan(debt: float, accounts: int = 1):
    return accounts_of(instruments_of(ETH, USD), [[80.0, 0.0]] * accounts, [[0.0, debt]] * accounts, FACTORS)


def test_diffusion_hits_a_barrier_as_the_reflection_principle_says():
    barriers = np.array([0.5, 1.0, 2.0])
    down, up = hit_table(PLAIN, barriers, rng(), 4000)
    late = 2.0 * norm.sf(
        barriers + 0.5826 * np.sqrt(300 / 86_400)
    )  # seen every five minutes only: Broadie et al. 1997
    assert down[:, 1] == pytest.approx(late, abs=4 * np.sqrt(late.max() / 4000))
    assert up[:, 1] == pytest.approx(late, abs=4 * np.sqrt(late.max() / 4000))


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_seed_stands_for_a_generator_of_it(seed):
    book = a_book(seed)
    for again in (seed, seed):  # the second time from the walks that were kept
        found, walked = (breach_probability(book, FEW, law) for law in (again, rng(seed)))
        assert (found.probability == walked.probability).all()
        assert (found.deep == walked.deep).all()


def test_a_day_has_the_variance_of_its_forecast():
    flat = replace(PARAMS, step_scale=1.0, freedom=30.0)
    end = standard_paths(flat, ("ETH",), rng(), 30_000)[:, -1, 0]
    assert end.var() == pytest.approx(1.0, rel=0.06)


def test_crypto_factors_have_the_given_correlation():
    end = standard_paths(PLAIN, ("ETH", "BTC"), rng(), 5_000)[:, -1]
    assert np.corrcoef(end.T)[0, 1] == pytest.approx(PARAMS.correlation, abs=0.03)


def test_the_closer_the_likelier_and_a_breach_is_certain():
    figures = [
        breach_probability(loan(debt), PARAMS, rng()).probability[0] for debt in (1e5, 1.4e5, 1.55e5, 1.6e5)
    ]
    table = np.array(figures)
    assert (np.diff(table, axis=0) >= 0).all()
    assert table[0].max() < 0.005
    assert table[-1] == pytest.approx([1.0, 1.0])
    assert 0.002 < table[2, 0] < table[2, 1] < 1.0


def test_a_linear_account_is_read_off_the_table():
    # S = 1.6e5 - 1.5e5, a fall of 6.25 %: 1.434 daily volatilities of 4.5 %
    walked = breach_probability(loan(1.5e5), replace(PARAMS, paths=8192), rng(3))
    told, _ = hit_table(PARAMS, np.array([-np.log1p(-0.0625) / 0.045]), rng(4), 8192)
    assert walked.probability[0] == pytest.approx(told[0], abs=4 * np.sqrt(2) * walked.standard_error.max())


def test_deep_is_a_part_of_the_breaches():
    book = loan(1.5e5)
    found = breach_probability(book, PARAMS, rng(), deep_surplus=np.array([-500.0]))
    assert 0.0 < found.deep[0, 1] < found.probability[0, 1]


def test_interest_only_makes_it_likelier():
    calm = breach_probability(loan(1.5e5), PARAMS, rng()).probability
    dear = breach_probability(loan(1.5e5), PARAMS, rng(), carry_usd_per_s=np.array([0.05])).probability
    paid = breach_probability(loan(1.5e5), PARAMS, rng(), carry_usd_per_s=np.array([-0.05])).probability
    assert (dear >= calm).all()
    assert dear[0, 1] > calm[0, 1]
    assert (paid == calm).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_probabilities_of_any_book(seed):
    book = a_book(seed, accounts=3, count=6)
    found = breach_probability(book, FEW, rng(seed))
    assert ((found.probability >= 0.0) & (found.probability <= 1.0)).all()
    assert (found.probability[:, 0] <= found.probability[:, 1]).all()
    assert (found.deep <= found.probability).all()
    richer = replace(book, surplus=book.surplus + 1000.0)
    assert (breach_probability(richer, FEW, rng(seed)).probability <= found.probability).all()


def test_the_generator_decides_everything():
    book = a_book(5)
    first, again = (breach_probability(book, FEW, rng(9)).probability for _ in range(2))
    assert (first == again).all()


def test_what_others_hold_changes_nothing():
    alone = replace(FACTORS, names=("ETH",), sigma_day=FACTORS.sigma_day[:1], is_stable=FACTORS.is_stable[:1])
    book = accounts_of(instruments_of(ETH, USD), [[80.0, 0.0]], [[0.0, 1.5e5]], alone)
    among = breach_probability(loan(1.5e5, accounts=3), PARAMS, rng()).probability
    assert (among == breach_probability(book, PARAMS, rng()).probability).all()


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: replace(PARAMS, jumps_per_day=1.0), ParameterError, "jumps_per_day"),
        (lambda: replace(PARAMS, horizons_s=(3600.0, 3600.0)), ParameterError, "horizons_s"),
        (lambda: replace(PARAMS, freedom=2.0), ParameterError, "freedom"),
        (
            lambda: breach_probability(a_book(1), FEW, rng(), sigma_day=np.zeros(4)),
            RiskInputError,
            r"sigma_day\[0\]",
        ),
        (lambda: breach_probability(a_book(1), FEW, rng(), np.full(4, np.nan)), RiskInputError, "deep_surplus"),
        (lambda: breach_probability(a_book(1), FEW, rng(), np.ones(4)), RiskInputError, "deep_surplus"),
        (lambda: hit_table(FEW, np.array([0.0]), rng(), 10), RiskInputError, "barriers"),
        (lambda: hit_table(FEW, np.array([1.0]), rng(), 0), RiskInputError, "paths"),
    ],
)
def test_unusable_input_is_named(call, error, named):
    with pytest.raises(error, match=named):
        call()
