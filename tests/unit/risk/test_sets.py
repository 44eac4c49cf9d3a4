"""Scenario sets from history, a copula and episodes, and the volatility and correlation they stand on."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.arrays import FactorArrays
from risk.book import Book, Market
from risk.correlation import as_correlation, implied_correlation, shrunk_correlation, stressed_correlation
from risk.errors import ParameterError, RiskInputError
from risk.models.es import load_es
from risk.paramfile import load, params_hash, parse
from risk.revalue import revalue
from risk.scenarios import vol_factors
from risk.sets.copula import convergence, copula_set
from risk.sets.fhs import fhs_set, shrink_to
from risk.sets.params import CopulaParams, FhsParams, StressParams
from risk.sets.stress import stress_set
from risk.tail import expected_shortfall, tail_of
from risk.volatility import Garch, ewma_variance, floored_sigma, garch_forecast, garch_variance
from tests.kit.market import a_book, some_factors

PAIR = FactorArrays(("ETH", "BTC"), np.array([0.04, 0.03]), np.array([False, False]), (), np.array([]))


def some_returns(bars: int = 2_000, seed: int = 0, factors: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, (bars, 1))
    return 0.004 * (0.8 * common + 0.6 * rng.standard_t(4, (bars, factors)))


def test_ewma_is_its_recursion() -> None:
    r = some_returns(100)
    path, v = ewma_variance(r, 0.94), (r[:30] ** 2).mean(axis=0)
    for t in range(100):
        assert np.allclose(path[t], v, rtol=1e-12)
        v = 0.94 * v + 0.06 * r[t] ** 2
    assert np.allclose(path[100], v, rtol=1e-12)


def test_garch_is_its_recursion_and_its_forecast_a_sum() -> None:
    r, model = some_returns(60, factors=1), Garch(1e-6, 0.1, 0.85)
    path, v = garch_variance(r, (model,)), model.long_run
    for t in range(60):
        assert path[t, 0] == pytest.approx(v, rel=1e-12)
        v = model.omega + 0.1 * r[t, 0] ** 2 + 0.85 * v
    steps, total = v, 0.0
    for _ in range(24):
        total += steps
        steps = model.omega + 0.95 * steps
    assert garch_forecast(v, model, 24) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("bad", [(0.0, 0.1, 0.8), (1e-6, 0.3, 0.7), (1e-6, -0.1, 0.5), (math.nan, 0.1, 0.1)])
def test_garch_refuses_what_explodes(bad: tuple[float, float, float]) -> None:
    with pytest.raises(RiskInputError, match="garch"):
        Garch(*bad)


def test_quiet_volatility_is_floored_by_the_hard_times() -> None:
    assert floored_sigma(np.array([[0.02], [0.08], [0.02]]))[0] == pytest.approx(0.75 * 0.02 + 0.25 * 0.08)


def test_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    x = some_returns(80, factors=4)
    x = x / np.sqrt((x * x).mean(axis=0))
    S = x.T @ x / len(x)
    noise = sum(((np.outer(row, row) - S) ** 2).sum() for row in x) / len(x) ** 2
    got = shrunk_correlation(x)
    assert got.intensity == pytest.approx(noise / ((S - np.eye(4)) ** 2).sum(), rel=1e-10)
    assert got.effective == pytest.approx(80.0)
    assert np.allclose(got.matrix, (1 - got.intensity) * S + got.intensity * np.eye(4))
    assert shrunk_correlation(x, 0.97).effective < 80.0


@settings(max_examples=500)
@given(seed=st.integers(0, 2**32 - 1), factors=st.integers(1, 8), bars=st.integers(3, 60))
def test_shrunk_and_stressed_correlations_are_positive_definite(seed: int, factors: int, bars: int) -> None:
    C = shrunk_correlation(some_returns(bars, seed, factors), 0.97)
    assert 0.0 <= C.intensity <= 1.0
    for together in (True, False):
        assert np.linalg.eigvalsh(stressed_correlation(C.matrix, 0.5, together))[0] > 0.0


def test_correlation_refuses_what_is_none() -> None:
    bad = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    with pytest.raises(RiskInputError, match="not positive definite, its least eigenvalue"):
        as_correlation("C", bad)
    with pytest.raises(RiskInputError, match=r"C\[0, 1\]"):
        as_correlation("C", np.array([[1.0, 1.5], [1.5, 1.0]]))
    with pytest.raises(RiskInputError, match=r"C\[0, 1\].*symmetric"):
        as_correlation("C", np.array([[1.0, 0.5], [0.4, 1.0]]))
    with pytest.raises(RiskInputError, match="diagonal"):
        as_correlation("C", np.array([[0.9, 0.5], [0.5, 1.0]]))


def test_implied_correlation_closes_the_triangle() -> None:
    a, b, rho = 0.8, 0.6, 0.7
    cross = math.sqrt(a * a + b * b - 2 * rho * a * b)
    assert implied_correlation(a, b, cross) == pytest.approx(rho)
    with pytest.raises(RiskInputError, match="triangle"):
        implied_correlation(0.8, 0.6, 2.0)


def test_fhs_rows_are_windows_in_the_volatility_of_today() -> None:
    params, r = replace(load(FhsParams, "fhs_v1"), stride_bars=1), some_returns(200)
    got = fhs_set(params, PAIR, r)
    sigma = np.sqrt(ewma_variance(r, params.decay))
    last = (r / sigma[:-1])[-24:].sum(axis=0) * sigma[-1]
    assert np.allclose(np.log1p(got.factor_shock[-1]), last, rtol=1e-10)
    assert got.count == 200 - 24 - 29 + 0
    assert got.labels[-1] == "history, bars 176 to 200"
    doubled = fhs_set(params, PAIR, r, sigma_now=2 * sigma[-1])
    assert np.allclose(np.log1p(doubled.factor_shock), 2 * np.log1p(got.factor_shock))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 30.0])
def test_fhs_refuses_broken_history(bad: float) -> None:
    r = some_returns(200).copy()
    r[100, 1] = bad
    with pytest.raises(RiskInputError, match=r"returns\[100, 1\]"):
        fhs_set(load(FhsParams, "fhs_v1"), PAIR, r)
    with pytest.raises(RiskInputError, match="54 or more bars"):
        fhs_set(load(FhsParams, "fhs_v1"), PAIR, some_returns(40))


def test_shorter_horizon_shrinks_but_never_below_the_jump() -> None:
    whole = fhs_set(load(FhsParams, "fhs_v1"), PAIR, some_returns())
    jump = np.array([0.02, 0.01])
    short = shrink_to(whole, 1 / 24, jump)
    before, after = np.abs(np.log1p(whole.factor_shock)), np.abs(np.log1p(short.factor_shock))
    assert np.all(after <= before + 1e-15)
    assert np.all(after >= np.minimum(before, jump) - 1e-15)
    assert np.all(after >= before * math.sqrt(1 / 24) - 1e-15)


def test_copula_has_its_margins_its_correlation_and_its_mirror() -> None:
    params = replace(load(CopulaParams, "copula_v1"), rows=40_000, margin_dof=5.0)
    got = copula_set(params, PAIR, np.array([[1.0, 0.7], [0.7, 1.0]]))
    moves = np.log1p(got.factor_shock)
    half = params.rows // 2
    assert np.allclose(moves[:half], -moves[half:])
    assert moves.std(axis=0) == pytest.approx(PAIR.sigma_day, rel=0.05)
    u = moves.argsort(axis=0).argsort(axis=0) / params.rows
    # Kendall's tau of an elliptical copula is 2/π·asin(rho); Spearman is close to 6/π·asin(rho/2).
    assert np.corrcoef(u.T)[0, 1] == pytest.approx(6 / math.pi * math.asin(0.35), abs=0.03)
    low = (u < 0.01).all(axis=1).mean() / 0.01
    assert low > 0.25  # a normal copula has about 0.13 here
    assert np.array_equal(
        got.factor_shock, copula_set(params, PAIR, np.array([[1.0, 0.7], [0.7, 1.0]])).factor_shock
    )


def test_stressed_copula_hedges_worse_when_all_fall_together() -> None:
    params, C = load(CopulaParams, "copula_v1"), np.array([[1.0, 0.5], [0.5, 1.0]])
    both = [-copula_set(params, PAIR, C, stressed).factor_shock.sum(axis=1) for stressed in (False, True)]
    calm, hard = (float(expected_shortfall(loss[None], 0.975)[0]) for loss in both)
    assert hard > 1.05 * calm
    assert 0.0 < convergence(both[0], 0.975) < 0.1
    assert convergence(-np.ones(100), 0.975) == math.inf


def test_stress_rows_name_what_happens() -> None:
    params = load(StressParams, "stress_v1")
    got = stress_set(params, some_factors())
    rows = dict(zip(got.labels, got.factor_shock, strict=True))
    assert rows["19 May 2021"][:2] == pytest.approx([-0.3349, -0.1594])
    assert rows["USDC, March 2023"].tolist() == pytest.approx([-0.05, -0.05, -0.13, 0.0])
    assert rows["USDT -50%"].tolist() == [0.0, 0.0, 0.0, -0.5]
    assert rows["break: BTC +10%"].tolist() == pytest.approx([-0.1, 0.1, 0.0, 0.0])
    assert got.basis_shock[got.labels.index("bridge outage in a fall")].tolist() == [-0.1] * 3


def test_vol_moves_reach_options_by_tenor() -> None:
    got = stress_set(load(StressParams, "stress_v1"), some_factors())
    row = got.labels.index("volatility doubles")
    month, week, none = vol_factors(got, np.array([30 * 86_400.0, 7.5 * 86_400.0, np.nan]))[:, row]
    assert month == pytest.approx(2.0)
    assert week == pytest.approx(1.0 + 4.0**0.3)
    assert none == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_every_set_revalues_every_kind(seed: int) -> None:
    book, factors = a_book(seed), some_factors()
    returns = np.hstack([some_returns(400, seed), 0.01 * some_returns(400, seed + 1)])
    C = shrunk_correlation(returns).matrix
    sets = [
        fhs_set(load(FhsParams, "fhs_v1"), factors, returns),
        copula_set(replace(load(CopulaParams, "copula_v1"), rows=200), factors, C),
        stress_set(load(StressParams, "stress_v1"), factors),
    ]
    for one in sets:
        assert np.isfinite(revalue(book, one).dS).all()


def test_es_model_reads_its_tail_from_the_rows() -> None:
    scenarios = fhs_set(load(FhsParams, "fhs_v1"), PAIR, some_returns())
    book = Book(
        50_000.0,
        (
            Market("ETH", 2_000.0, perp_amount=10.0, perp_price=2_000.0),
            Market("BTC", 50_000.0, perp_amount=-0.4, perp_price=50_000.0),
        ),
    )
    model = load_es(PAIR, scenarios)
    got = model.margin(book)
    losses = -(20_000.0 * scenarios.factor_shock[:, 0] - 20_000.0 * scenarios.factor_shock[:, 1])
    assert got.maintenance_usd == pytest.approx(1.107 * tail_of(losses, 0.975).es, rel=1e-12)
    assert got.initial_usd == pytest.approx(1.107 * tail_of(losses, 0.99).es, rel=1e-12)
    assert sum(got.maintenance_by_position.values()) == pytest.approx(got.maintenance_usd)
    assert got.worst == scenarios.labels[int(losses.argmax())]
    hard = replace(model, stressed=stress_set(load(StressParams, "stress_v1"), PAIR)).margin(book)
    floor = 0.75 * got.maintenance_usd + 0.25 * 1.107 * 20_000.0 * (0.2)
    assert hard.maintenance_usd == pytest.approx(max(floor, got.maintenance_usd), rel=1e-9)


def test_parameters_carry_their_hash_and_refuse_other_keys() -> None:
    params = load(FhsParams, "fhs_v1")
    assert params_hash(params) == params_hash(load(FhsParams, "fhs_v1"))
    assert params_hash(replace(params, decay=0.998)) != params_hash(params)
    with pytest.raises(ParameterError, match="decay"):
        replace(params, decay=1.5)
    with pytest.raises(ParameterError, match="keys missing or unknown"):
        parse(FhsParams, 'id = "x"\nspeed = 1')
    with pytest.raises(ParameterError, match="no such file"):
        load(FhsParams, "fhs_v99")


def test_filtered_history_covers_a_tail_that_is_known() -> None:
    # One bar ahead, 99 %, volatility clusters and then rises: breaches are binomial, 1 to 14 of 600 (99.8 %).
    rng, bars, days = np.random.default_rng(8), 1_700, 600
    r, v = np.empty((bars, 1)), 1e-4
    for t in range(bars):
        r[t] = math.sqrt(v) * rng.standard_t(5) * math.sqrt(3 / 5)
        v = (2e-6 if t < 1_000 else 1e-5) + 0.06 * r[t, 0] ** 2 + 0.92 * v
    params = replace(load(FhsParams, "fhs_v1"), decay=0.94, horizon_bars=1, stride_bars=1)
    alone = FactorArrays(("ETH",), np.array([0.01]), np.array([False]), (), np.array([]))
    breaches = plain = 0
    for day in range(bars - days, bars):
        past = r[day - 800 : day]
        losses = -fhs_set(params, alone, past).factor_shock[:, 0]
        breaches += -math.expm1(r[day, 0]) > tail_of(losses, 0.99).var
        plain += -r[day, 0] > 2.326 * r[:500].std()
    assert 1 <= breaches <= 14
    assert plain > 14  # a constant volatility does not cover
