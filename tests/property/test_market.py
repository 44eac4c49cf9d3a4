"""Laws of market risk on random books."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from risk.arrays import Kind, PortfolioArrays
from risk.black76 import option_greeks, option_price
from risk.distance import distance_to_liquidation
from risk.drawdown import drawdown, time_to_liquidation
from risk.greeks import portfolio_greeks
from risk.pricing import unit_values, value_of
from risk.revalue import exposure_gap, revalue, rho_worst, unit_changes, worst, worst_by_scale, worst_surplus_loss
from tests.kit import reference_market as slow
from tests.kit.market import LINEAR, a_book, the_grid

laws = settings(deadline=None, max_examples=500)
seeds = st.integers(0, 2**32 - 1)
books = st.builds(a_book, seeds)
linear_books = st.builds(lambda seed: a_book(seed, kinds=LINEAR), seeds)
GRID = the_grid()
ALONG = ("crypto", "stable", 0, 1, 2)

prices = st.floats(0.01, 1e5)
vols = st.floats(0.0, 3.0)
times = st.floats(0.0, 3.0)
rates = st.floats(-0.1, 0.3)
sides = st.booleans()


def chosen_by(book: PortfolioArrays, along: object) -> np.ndarray:
    stable = book.factors.is_stable
    named = {"crypto": ~stable, "stable": stable}
    return named[along] if isinstance(along, str) else np.arange(len(stable)) == along


def price_of(is_call: bool, *terms: float) -> float:
    return float(option_price(is_call, *(np.float64(x) for x in terms)))


# --- the measure ---


@laws
@given(arrays(np.float64, (3, 40), elements=st.floats(-1e9, 1e9)))
def test_rho_is_subadditive_and_homogeneous(losses):
    joint, alone = float(rho_worst(losses.sum(axis=0))), float(rho_worst(losses).sum())
    assert joint <= alone * (1 + 1e-12) + 1e-6
    assert float(rho_worst(4.0 * losses[0])) == 4.0 * float(rho_worst(losses[0]))


@laws
@given(arrays(np.float64, (3, 40), elements=st.floats(-1e9, 1e9)), st.floats(0, 1e6))
def test_rho_is_monotone_and_never_negative(losses, more):
    rho, scenario = worst(losses)
    assert (rho >= 0).all()
    assert (rho_worst(losses + more) >= rho).all()
    assert np.array_equal(losses[np.arange(3), scenario], losses.max(axis=1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_rho_refuses_what_is_no_number(bad):
    with pytest.raises(ValueError, match="NaN or inf"):
        rho_worst(np.array([[1.0, bad]]))
    with pytest.raises(ValueError, match="at least one scenario"):
        rho_worst(np.zeros((2, 0)))


@laws
@given(books)
def test_netting_never_costs(book):
    losses = -revalue(book, GRID).dS
    assert float(rho_worst(losses.sum(axis=0))) <= float(rho_worst(losses).sum()) * (1 + 1e-12) + 1e-6


# --- revaluation ---


@laws
@given(books)
def test_revaluation_is_its_slow_twin(book):
    got = revalue(book, GRID)
    value = book.value.toarray()
    for s in range(0, GRID.count, 7):
        changes = [slow.unit_change(book, GRID, i, s) for i in range(book.instruments.count)]
        assert got.dV[:, s] == pytest.approx(value @ np.array(changes), rel=1e-9, abs=1e-7)
        for a in range(book.count):
            assert got.dS[a, s] == pytest.approx(slow.surplus_change(book, GRID, a, s), rel=1e-9, abs=1e-7)


@laws
@given(books)
def test_unmoved_world_changes_nothing(book):
    still = revalue(book, GRID)
    assert not still.dS[:, 0].any()
    assert not still.dV[:, 0].any()
    assert not unit_changes(book, GRID, scale=0.0).any()


@laws
@given(books, st.sampled_from([0.5, 2.0, 8.0]))
def test_twice_the_units_twice_the_change(book, factor):
    more = replace(book, equity=book.equity * factor, requirement=book.requirement * factor)
    assert np.array_equal(revalue(more, GRID).dS, revalue(book, GRID).dS * factor)


@laws
@given(books, seeds)
def test_order_of_instruments_and_accounts_is_nothing(book, seed):
    rng = np.random.default_rng(seed)
    at, rows = rng.permutation(book.instruments.count), rng.permutation(book.count)
    names = ("kind", "factor", "basis", "price", "strike", "expiry_s", "vol", "rate", "extra")
    names += ("quote_factor", "quote_basis", "quote_price")
    instruments = replace(book.instruments, **{name: getattr(book.instruments, name)[at] for name in names})
    units = {
        name: csr_array(getattr(book, name).toarray()[rows][:, at]) for name in ("value", "equity", "requirement")
    }
    mixed = replace(book, instruments=instruments, surplus=book.surplus[rows], mm=book.mm[rows], **units)
    assert revalue(mixed, GRID).dS == pytest.approx(revalue(book, GRID).dS[rows], rel=1e-9, abs=1e-7)


@laws
@given(books, st.floats(0.0, 1e6))
def test_cash_adds_to_surplus_one_for_one(book, cash):
    kinds = np.flatnonzero(book.instruments.kind == Kind.FIXED)
    if not len(kinds):
        return
    added = np.zeros(book.equity.shape)
    added[:, kinds[0]] = cash
    richer = replace(book, equity=csr_array(book.equity.toarray() + added), surplus=book.surplus + cash)
    assert exposure_gap(richer) == pytest.approx(exposure_gap(book), abs=1e-6)
    assert revalue(richer, GRID).dS == pytest.approx(revalue(book, GRID).dS, rel=1e-12, abs=1e-9)
    poor, rich = (np.abs(distance_to_liquidation(b, "crypto").move) for b in (book, richer))
    assert (rich >= poor - 1e-9).all()


@laws
@given(books)
def test_worst_loss_needs_no_matrix(book):
    got = worst_surplus_loss(book, GRID)
    assert np.array_equal(got.rho, worst(-revalue(book, GRID).dS).rho)


@laws
@given(books, st.lists(st.floats(0.0, 3.0), max_size=4))
def test_many_scales_at_once_are_each_as_if_alone(book, scales):
    scales = np.array([*scales, 1.0])
    alone = [worst_surplus_loss(book, GRID, float(scale)).rho for scale in scales]
    assert np.array_equal(worst_by_scale(book, GRID, scales), np.stack(alone, axis=1))


@laws
@given(linear_books)
def test_a_linear_book_never_binds_on_a_tail(book):
    losses = -revalue(book, GRID).dS
    tails = np.array(["tail" in label for label in GRID.labels])
    full = np.array([label.startswith("all crypto") and "tail" not in label for label in GRID.labels])
    assert (rho_worst(losses[:, tails]) <= rho_worst(losses[:, full]) + 1e-6).all()


@laws
@given(linear_books)
def test_a_linear_book_loses_one_budget_in_every_depeg(book):
    rows = [s for s, label in enumerate(GRID.labels) if label.startswith("USDC")]
    losses = revalue(book, GRID).dS[:, rows]
    assert len(rows) == 3
    assert losses == pytest.approx(np.repeat(losses[:, :1], 3, axis=1), rel=1e-9, abs=1e-6)


# --- distance ---


@laws
@given(books, st.sampled_from(ALONG))
def test_distance_is_where_the_slow_twin_dies(book, along):
    far = distance_to_liquidation(book, along)
    for a, move in enumerate(far.move):
        if book.surplus[a] <= 0:
            assert move == 0.0
        elif np.isfinite(move):
            room = 1e-9 * (abs(book.surplus[a]) + 1.0)
            before = move - np.sign(move) * 3e-10
            assert slow.surplus_after(book, a, chosen_by(book, along), move) <= room
            assert slow.surplus_after(book, a, chosen_by(book, along), before) >= -room
            assert -1.0 < move <= 10.0
            assert far.sigmas[a] > 0.0


@laws
@given(books, st.sampled_from(ALONG), st.lists(st.floats(-1.0, 1.0), min_size=30, max_size=30))
def test_no_smaller_move_liquidates(book, along, shares):
    far = distance_to_liquidation(book, along).move
    for a, move in enumerate(far):
        if book.surplus[a] > 0:
            # The root is found to 3e-10 of a move, whatever the slope there.
            reach = max(abs(move) - 3e-10, 0.0) if np.isfinite(move) else 10.0
            for share in shares:
                tried = max(share * reach, -1 + 1e-6)
                after = slow.surplus_after(book, a, chosen_by(book, along), tried)
                assert after > -1e-9 * (1 + abs(book.surplus[a])) - 1e-6


# --- drawdown ---


@laws
@given(books, st.floats(0.0, 5.0))
def test_drawdown_never_falls_with_the_horizon(book, carry):
    scale, horizons = np.array([0.1, 0.3, 0.7, 1.0]), np.array([60.0, 3600.0, 14400.0, 86400.0])
    D = drawdown(book, GRID, scale, horizons, np.full(book.count, carry))
    assert (np.diff(D, axis=1) >= 0).all()
    assert (drawdown(book, GRID, scale) <= D).all()
    assert (D[:, -1] >= worst_surplus_loss(book, GRID).rho + carry * 86400.0 - 1e-6).all()
    ttl = time_to_liquidation(D, horizons, book.surplus)
    for a in range(book.count):
        want = slow.time_left(list(D[a]), list(horizons), book.surplus[a])
        assert ttl[a] == pytest.approx(want, rel=1e-9)


@laws
@given(linear_books, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_drawdown_never_falls_with_the_scale(book, one, other):
    low, high = sorted((one, other))
    assert (drawdown(book, GRID, np.array([low])) <= drawdown(book, GRID, np.array([high])) + 1e-6).all()


@laws
@given(books, st.floats(0.0, 1e5))
def test_more_surplus_lives_longer(book, more):
    horizons = np.geomspace(10.0, 86400.0, 6)
    D = drawdown(book, GRID, np.linspace(0.1, 1.0, 6))
    assert (
        time_to_liquidation(D, horizons, book.surplus + more) >= time_to_liquidation(D, horizons, book.surplus)
    ).all()


# --- options ---


@laws
@given(prices, prices, times, vols, rates)
def test_put_call_parity(spot, strike, tau, vol, rate):
    call, put = (price_of(side, spot, strike, tau, vol, rate) for side in (True, False))
    paid = strike * np.exp(-rate * tau)
    assert call - put == pytest.approx(spot - paid, abs=1e-11 * (spot + paid))


@laws
@given(sides, prices, prices, times, vols, rates)
def test_option_price_is_bounded(is_call, spot, strike, tau, vol, rate):
    price, paid = price_of(is_call, spot, strike, tau, vol, rate), strike * np.exp(-rate * tau)
    assert max(0.0, (spot - paid) * (1 if is_call else -1)) <= price <= (spot if is_call else paid)
    assert price == pytest.approx(
        slow.black(is_call, spot, strike, tau, vol, rate), rel=1e-9, abs=1e-11 * (spot + paid)
    )


@laws
@given(sides, prices, prices, times, vols, rates, st.floats(0.0, 1.0))
def test_option_price_is_monotone(is_call, spot, strike, tau, vol, rate, more):
    price, slack = price_of(is_call, spot, strike, tau, vol, rate), 1e-11 * (spot + strike) * np.exp(0.3)
    higher = price_of(is_call, spot * (1 + more), strike, tau, vol, rate)
    assert (higher - price) * (1 if is_call else -1) >= -slack
    assert price_of(is_call, spot, strike, tau, vol + more, rate) >= price - slack
    further = price_of(is_call, spot, strike * (1 + more), tau, vol, rate)
    assert (further - price) * (-1 if is_call else 1) >= -2 * slack
    assert abs(higher - price) <= spot * more + slack


@laws
@given(sides, st.floats(50, 200), st.floats(0.02, 2.0), st.floats(0.1, 2.0), rates)
def test_greeks_are_slopes(is_call, spot, tau, vol, rate):
    def at(**moved: float) -> float:
        terms = {"spot": spot, "strike": 100.0, "tau": tau, "vol": vol, "rate": rate} | moved
        return price_of(is_call, *terms.values())

    greeks = option_greeks(is_call, *(np.float64(x) for x in (spot, 100.0, tau, vol, rate)))
    h = 1e-3
    gamma = (at(spot=spot + 0.05) - 2 * at() + at(spot=spot - 0.05)) / 0.0025
    assert float(greeks.delta) == pytest.approx((at(spot=spot + h) - at(spot=spot - h)) / (2 * h), abs=1e-5)
    assert float(greeks.gamma) == pytest.approx(gamma, abs=1e-4)
    assert float(greeks.vega) == pytest.approx((at(vol=vol + h) - at(vol=vol - h)) / (2 * h), abs=2e-3)
    assert float(greeks.theta) == pytest.approx(-(at(tau=tau + 1e-5) - at(tau=tau - 1e-5)) / 2e-5, abs=2e-2)
    assert float(greeks.rho) == pytest.approx((at(rate=rate + h) - at(rate=rate - h)) / (2 * h), abs=2e-2)


@laws
@given(books)
def test_portfolio_delta_is_the_slope_of_value(book):
    greeks = portfolio_greeks(book)
    instruments, units = book.instruments, book.value.toarray()
    for f in range(len(book.factors.names)):
        on = (instruments.factor == f) & ~((instruments.expiry_s == 0) | (instruments.expiry_s < 3600))
        if (on != (instruments.factor == f)).any():
            continue
        h = 1e-5
        second = instruments.quote_factor == f
        up, down = (
            unit_values(
                instruments,
                (instruments.price * np.where(on, 1 + step, 1.0))[:, None],
                quote=(instruments.quote_price * np.where(second, 1 + step, 1.0))[:, None],
            )[:, 0]
            for step in (h, -h)
        )
        slope = units @ (up - down) / (2 * h)
        assert greeks.delta_usd[:, f] == pytest.approx(slope, rel=1e-4, abs=1e-2)


@laws
@given(books)
def test_unit_values_are_their_slow_twins(book):
    now = value_of(book.instruments)
    want = [slow.unit_value(book.instruments, i, float(p), 1.0) for i, p in enumerate(book.instruments.price)]
    assert now == pytest.approx(np.array(want), rel=1e-9, abs=1e-9)
