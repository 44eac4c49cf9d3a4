"""The compiled loops against numpy and against plain Python, and what they refuse."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array, random_array

from risk.errors import RiskInputError
from risk.optionmatrix import OptionRows, option_values
from risk.scan import es_of_rows, scan, screen
from risk.tail import contributions, expected_shortfall, tail_of
from tests.kit.slow_market import black, es

LOSSES = st.floats(-1e12, 1e12, allow_nan=False, width=64)


def some_options(n: int = 60, s: int = 50, seed: int = 0) -> OptionRows:
    rng = np.random.default_rng(seed)
    forward = rng.uniform(0.5, 5e4, n)
    return OptionRows(
        is_call=rng.random(n) < 0.5,
        forward=forward,
        strike=forward * np.exp(rng.uniform(-1.5, 1.5, n)),
        tau_years=rng.choice([0.0, 1e-4, 0.01, 0.5, 2.0], n),
        vol=rng.choice([0.0, 0.05, 0.6, 3.0, 15.0], n),
        discount=rng.uniform(0.7, 1.1, n),
        shock=rng.integers(0, 2, n).astype(np.int32),
        tenor=rng.integers(0, 2, n).astype(np.int32),
        growth=np.exp(rng.normal(0.0, 0.4, (2, s))),
        multiplier=rng.choice([0.0, 0.5, 1.0, 2.0], (2, s)),
    )


def a_book(accounts: int, instruments: int, seed: int = 0) -> csr_array:
    rng = np.random.default_rng(seed)
    return csr_array(random_array((accounts, instruments), density=0.3, rng=rng, data_sampler=rng.standard_normal))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_option_values_are_those_of_the_formula(engine: str) -> None:
    rows = some_options()
    values = option_values(rows, engine)
    for i in range(len(rows.strike)):
        for s in range(0, values.shape[1], 7):
            forward = rows.forward[i] * rows.growth[rows.shock[i], s]
            vol = rows.vol[i] * rows.multiplier[rows.tenor[i], s]
            right = black(bool(rows.is_call[i]), forward, rows.strike[i], rows.tau_years[i], vol, rows.discount[i])
            assert abs(values[i, s] - right) <= 2e-14 * (forward + rows.strike[i])


@settings(max_examples=500)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_engines_price_alike(seed: int) -> None:
    rows = some_options(40, 33, seed)
    numba, numpy = option_values(rows, "numba"), option_values(rows, "numpy")
    scale = rows.forward[:, None] * rows.growth[rows.shock] + rows.strike[:, None]
    assert np.all(np.abs(numba - numpy) <= 1e-14 * scale)
    assert np.all(numba >= 0.0)


@pytest.mark.parametrize("name", ["forward", "strike", "tau_years", "vol", "discount", "growth", "multiplier"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_option_rows_refuse_what_is_no_option(name: str, bad: float) -> None:
    rows = some_options(3, 4)
    fields = {field: getattr(rows, field) for field in OptionRows.__slots__}
    spoiled = fields[name].copy()
    spoiled.flat[1] = bad
    with pytest.raises(RiskInputError, match=name):
        OptionRows(**{**fields, name: spoiled})


@settings(max_examples=500)
@given(losses=arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 90)), elements=LOSSES))
def test_es_kernel_is_exact(losses: np.ndarray) -> None:
    for level in (0.5, 0.9, 0.975, 0.99):
        right = [es(row, level) for row in losses]
        scale = np.abs(losses).max() + 1e-300
        assert np.allclose(es_of_rows(losses, level), right, rtol=0.0, atol=1e-12 * scale)
        assert np.allclose(expected_shortfall(losses, level), right, rtol=0.0, atol=1e-12 * scale)


@settings(max_examples=500)
@given(
    losses=st.lists(st.integers(-3, 3), min_size=1, max_size=70), level=st.sampled_from([0.5, 0.8, 0.97, 0.975])
)
def test_es_kernel_is_exact_with_ties(losses: list[int], level: float) -> None:
    assert es_of_rows(np.array([losses], dtype=float), level)[0] == pytest.approx(es(losses, level), abs=1e-12)


@pytest.mark.parametrize("scenarios", [1, 7, 8, 23, 24, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("threads", [1, 2])
def test_scan_is_the_product_reduced(scenarios: int, threads: int) -> None:
    units, changes = a_book(700, 40), np.random.default_rng(1).normal(size=(40, scenarios))
    losses = -(units @ changes)
    for engine in ("numba", "numpy"):
        got = scan(units, changes, 0.975, engine, threads)
        assert np.allclose(got.most, losses.max(axis=1), rtol=1e-12, atol=1e-12)
        assert np.allclose(got.es, expected_shortfall(losses, 0.975), rtol=1e-12, atol=1e-12)
        alone = scan(units, changes, None, engine, threads)
        assert alone.es is None
        assert np.allclose(alone.most, losses.max(axis=1), rtol=1e-12, atol=1e-12)


def test_accounts_without_positions_lose_nothing() -> None:
    got = scan(csr_array((3, 5)), np.ones((5, 40)), 0.975)
    assert np.all(got.most == 0.0)
    assert np.all(got.es == 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scan_refuses_values_that_are_no_numbers(bad: float) -> None:
    units, changes = a_book(10, 5), np.ones((5, 8))
    changes[2, 3] = bad
    with pytest.raises(RiskInputError, match=r"changes\[2, 3\]"):
        scan(units, changes)
    spoiled = units.copy()
    spoiled.data[1] = bad
    with pytest.raises(RiskInputError, match=r"units\[1\]"):
        scan(spoiled, np.ones((5, 8)))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_es_refuses_losses_that_are_no_numbers(bad: float, engine: str) -> None:
    losses = np.random.default_rng(0).normal(size=(4, 50))
    losses[2, 7] = bad
    with pytest.raises(RiskInputError, match=r"losses\[2, 7\]"):
        es_of_rows(losses, 0.975, engine)


def test_scan_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(RiskInputError, match=r"changes: has shape \(4, 8\), must have \(5"):
        scan(a_book(10, 5), np.ones((4, 8)))
    with pytest.raises(RiskInputError, match="changes"):
        scan(a_book(10, 5), np.ones((5, 0)))
    with pytest.raises(RiskInputError, match="unit error"):
        scan(a_book(10, 5) * 1e120, np.full((5, 3), 1e30))


def test_large_beside_small_amounts_keep_the_small_account() -> None:
    units = csr_array(np.array([[1e18, 0.0], [0.0, 1e-6]]))
    changes = -np.abs(np.random.default_rng(2).normal(size=(2, 100)))
    got = scan(units, changes, 0.975)
    assert got.es[1] == pytest.approx(es(list(-changes[1] * 1e-6), 0.975), rel=1e-13)


def test_screen_says_where_es_was_used() -> None:
    units, rng = a_book(300, 20), np.random.default_rng(3)
    grid, full = rng.normal(size=(20, 23)), rng.normal(size=(20, 500))
    worst = np.maximum(scan(units, grid).most, 0.0)
    surplus = np.where(np.arange(300) < 100, 1.5, 10.0) * worst
    got = screen(units, grid, full, 0.975, surplus)
    assert got.by_es.tolist() == (surplus < 2.0 * worst).tolist()
    exact = np.maximum(scan(units, full, 0.975).es, 0.0)
    assert np.allclose(got.loss, np.where(got.by_es, exact, worst))
    asked = screen(units, grid, full, 0.975, surplus, asked=np.arange(300) == 250)
    assert asked.by_es[250]


@settings(max_examples=500)
@given(losses=arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 60)), elements=st.floats(-1e6, 1e6)))
def test_component_es_sums_to_the_total(losses: np.ndarray) -> None:
    tail = tail_of(losses.sum(axis=0), 0.95)
    assert tail.weight.sum() == pytest.approx(1.0)
    assert contributions(losses, tail).sum() == pytest.approx(tail.es, abs=1e-6)


def exact_call_or_put(is_call: bool, forward: float, strike: float, tau: float, vol: float) -> mpmath.mpf:
    """Undiscounted Black-76 of the very floats given, to 40 digits."""
    with mpmath.workdps(40):
        f, k, width = mpmath.mpf(forward), mpmath.mpf(strike), mpmath.mpf(vol) * mpmath.sqrt(mpmath.mpf(tau))
        d1 = mpmath.log(f / k) / width + width / 2
        w = 1 if is_call else -1
        return w * (f * mpmath.ncdf(w * d1) - k * mpmath.ncdf(w * (d1 - width)))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_option_values_are_exact_to_1e_14_of_the_forward(engine: str) -> None:
    """3,000 points: K/F from e^-1.5 to e^1.5, one hour to two years, volatility from 10 to 200 %."""
    rng, n = np.random.default_rng(76), 3_000
    forward = np.full(n, 3000.0)
    rows = OptionRows(
        is_call=rng.random(n) < 0.5,
        forward=forward,
        strike=forward * np.exp(rng.uniform(-1.5, 1.5, n)),
        tau_years=np.exp(rng.uniform(np.log(1 / 8760), np.log(2.0), n)),
        vol=rng.uniform(0.1, 2.0, n),
        discount=np.ones(n),
        shock=np.zeros(n, dtype=np.int32),
        tenor=np.zeros(n, dtype=np.int32),
        growth=np.ones((1, 1)),
        multiplier=np.ones((1, 1)),
    )
    values = option_values(rows, engine)[:, 0]
    terms = zip(rows.is_call, rows.forward, rows.strike, rows.tau_years, rows.vol, values, strict=True)
    worst = max(abs(exact_call_or_put(*map(float, term[:5])) - term[5]) / term[1] for term in terms)
    assert worst <= 1e-14
