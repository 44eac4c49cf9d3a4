"""Distances, drawdowns and prices on small books whose answers are known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from risk.arrays import Kind
from risk.black76 import option_greeks, option_price
from risk.distance import distance_to_liquidation
from risk.drawdown import drawdown, time_to_liquidation
from risk.errors import RiskInputError
from risk.greeks import portfolio_greeks
from risk.pricing import KERNELS, unit_values, value_of
from risk.revalue import exposure_gap, revalue, worst_surplus_loss
from tests.kit.market import NAN, a_book, accounts_of, instruments_of, one_instrument, some_factors, the_grid

INF = float("inf")
DAY = 86400.0
CASH = one_instrument(Kind.FIXED)
ETH = one_instrument(Kind.SPOT, 2000.0)
PERP = one_instrument(Kind.PERP, 2000.0)
USDC = one_instrument(Kind.SPOT, 1.0, factor=2)
CALL = one_instrument(Kind.CALL, 2000.0, strike=2200.0, expiry_s=20 * DAY, vol=0.7, rate=0.03)
PUT = one_instrument(Kind.PUT, 2000.0, strike=1800.0, expiry_s=20 * DAY, vol=0.8, rate=0.03)


def book_of(*rows, equity, requirement):
    return accounts_of(instruments_of(*rows), equity, requirement, some_factors())


def test_every_kind_has_a_kernel():
    assert set(KERNELS) == set(Kind)


# --- prices ---


def test_option_at_its_edges():
    spot, strike = np.array([0.0, 50.0, 100.0, 150.0]), np.float64(100.0)
    still, flat = np.float64(0.0), np.float64(0.0)
    for tau, vol in ((still, np.float64(0.8)), (np.float64(1.0), flat)):
        assert option_price(True, spot, strike, tau, vol, still) == pytest.approx([0, 0, 0, 50])
        assert option_price(False, spot, strike, tau, vol, still) == pytest.approx([100, 50, 0, 0])
        greeks = option_greeks(True, spot, strike, tau, vol, still)
        assert not greeks.gamma.any()
        assert not greeks.vega.any()
        assert greeks.delta == pytest.approx([0, 0, 0, 1])


def test_rounding_never_takes_intrinsic_value():
    spot, terms = np.linspace(2200.0, 2600.0, 4001), [np.float64(x) for x in (1993.51, 0.0235, 0.129, 0.05)]
    intrinsic = spot - terms[0] * np.exp(-terms[3] * terms[1])
    assert (option_price(True, spot, *terms) - intrinsic >= 0.0).all()


def test_clipped_fee_stays_between_its_bounds():
    fee = one_instrument(Kind.CLIPPED_FEE, 2000.0, e0=10.0, e1=0.0035, e2=2.0, e3=100.0)
    values = unit_values(instruments_of(fee), np.array([[1.0, 2000.0, 9000.0]]))
    assert values == pytest.approx(np.array([[2.0, 70.0, 100.0]]))


def test_short_floors_take_the_static_and_the_full_bound():
    terms = {"strike": 2000.0, "expiry_s": 0.0, "rate": 0.0}
    extra = {"e0": 3.0, "e1": 1.5, "e3": 250.0, "e4": 0.5, "e6": 3.0}
    quote = one_instrument(Kind.SHORT_FLOOR_CALL_QUOTE, e2=1.2, **terms, **extra)
    base = one_instrument(Kind.SHORT_FLOOR_CALL_BASE, e2=1.2, **terms, **extra)
    put = one_instrument(Kind.SHORT_FLOOR_PUT, e2=0.8, e5=6000.0, **terms, **extra)
    values = unit_values(instruments_of(quote, base, put), np.tile([0.0, 1000.0, 2000.0, 1e6], (3, 1)))
    # At expiry the stress is intrinsic: 3·(1.2·P - 2000)+ or 3·(2000 - 0.8·P)+.
    assert values[0] == pytest.approx([250.0, 250.0, 1200.0, 3 * (1.2e6 - 2000)], rel=1e-6)
    assert values[1] == pytest.approx([0.0, 500.0, 1000.0, 3 * (1e6 - 2000 / 1.2)], rel=1e-6)
    assert values[2] == pytest.approx([6000.0, 3600.0, 1200.0, 250.0], rel=1e-6)


def test_a_base_floor_never_exceeds_the_amount():
    floor = one_instrument(
        Kind.SHORT_FLOOR_CALL_BASE, strike=1.0, expiry_s=DAY, rate=0.0, e0=2.0, e1=1.0, e2=1.2, e4=5.0, e6=2.0
    )
    assert value_of(instruments_of(floor))[0] == 2.0 * 2000.0


def test_time_takes_value_from_an_option():
    book = instruments_of(CALL)
    price = book.price[:, None]
    later = [unit_values(book, price, elapsed_s=s)[0, 0] for s in (0.0, DAY, 19 * DAY, 20 * DAY, 30 * DAY)]
    assert later == sorted(later, reverse=True)
    assert later[-1] == later[-2] == 0.0


def test_prices_of_another_shape_are_refused():
    with pytest.raises(RiskInputError, match="price"):
        unit_values(instruments_of(CALL, PUT), np.ones((3, 2)))
    with pytest.raises(RiskInputError, match="price"):
        unit_values(instruments_of(CALL), np.ones(1))


# --- surplus ---


def test_a_set_for_other_factors_is_refused():
    book = a_book(5)
    swapped = replace(the_grid(), factor_names=("BTC", "ETH", "USDC", "USDT"))
    with pytest.raises(RiskInputError, match=r"scenarios.factor_names"):
        revalue(book, swapped)
    with pytest.raises(RiskInputError, match=r"scenarios.basis_names"):
        worst_surplus_loss(book, replace(the_grid(), basis_names=("a", "b", "c")))


def test_the_requirement_is_revalued_too():
    book = book_of(CASH, PERP, equity=[[5000.0, -2.0]], requirement=[[0.0, 0.1]])
    grid = the_grid()
    top = grid.labels.index("all crypto +1.00 range, vol none")
    move = 2000.0 * np.expm1(4.8 * 0.045)
    assert revalue(book, grid).dS[0, top] == pytest.approx(-2.1 * move)
    assert revalue(book, grid).dV[0, top] == pytest.approx(-2.0 * move)


def test_a_hedge_leaves_the_basis():
    factors = some_factors()
    perp_a = one_instrument(Kind.PERP, 2000.0, basis=1)
    perp_b = one_instrument(Kind.PERP, 2000.0, basis=2)
    book = accounts_of(instruments_of(CASH, perp_a, perp_b), [[9e3, 5, -5]], [[0, 0, 0]], factors)
    assert worst_surplus_loss(book, the_grid()).rho[0] == pytest.approx(5 * 2000 * 0.01)


def test_an_exposure_left_out_shows():
    book = book_of(CASH, ETH, equity=[[0.0, 1.0]], requirement=[[1000.0, 0.0]])
    assert exposure_gap(book)[0] == pytest.approx(0.0)
    assert exposure_gap(replace(book, surplus=np.array([900.0])))[0] == pytest.approx(-100.0)


# --- distance ---


def test_linear_distances_are_exact():
    book = book_of(
        CASH, ETH, USDC,
        equity=[[0, 1.6, 0], [4000, -1, 0], [1000, 1, 0], [0, 0, 800], [0, 1.0, 0], [0, 0.5, 0]],
        requirement=[[1600, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0.25, 0], [1000, 0, 0], [1500, 0, 0]],
    )  # fmt: skip
    far = distance_to_liquidation(book, "crypto")
    assert far.move.tolist() == pytest.approx([-0.5, 1.0, INF, 0.6, -0.5, 0.0])
    assert far.sigmas == pytest.approx(np.abs(np.log1p(far.move)) / 0.045)
    assert distance_to_liquidation(book, 0).move.tolist() == far.move.tolist()
    assert (distance_to_liquidation(book, 1).move[:5] == INF).all()
    stable = distance_to_liquidation(book, "stable")
    assert stable.move.tolist() == pytest.approx([INF, INF, INF, -0.375, INF, 0.0])
    assert stable.sigmas[3] == pytest.approx(-np.log1p(-0.375) / 0.002)
    assert distance_to_liquidation(book, 2).move.tolist() == pytest.approx(stable.move.tolist())


def test_all_crypto_and_one_factor_are_not_the_same_price():
    btc = one_instrument(Kind.SPOT, 30_000.0, factor=1)
    book = book_of(CASH, ETH, btc, equity=[[0, 5, 1]], requirement=[[20_000, 0, 0]])
    assert distance_to_liquidation(book, "crypto").move[0] == pytest.approx(-0.5)
    assert distance_to_liquidation(book, 1).move[0] == pytest.approx(-2 / 3)
    assert distance_to_liquidation(book, 0).move[0] == INF


def test_a_strangle_dies_on_the_nearer_side():
    rows = (CASH, CALL, PUT)
    book = book_of(
        *rows, equity=[[900, -1, -1], [900, -1, 0], [900, 0, -1], [900, 1, 1]], requirement=[[0, 0, 0]] * 4
    )
    both, call, put, long = distance_to_liquidation(book, "crypto").move
    assert call > 0 > put
    assert -put > abs(both) > 0
    assert call > abs(both)
    assert long == INF


def test_a_dip_between_grid_points_is_found():
    # A butterfly at expiry loses only in a window of a few dollars around its middle strike.
    near = {"expiry_s": 0.0, "vol": 0.5, "rate": 0.0}
    rows = [one_instrument(Kind.CALL, 2000.0, strike=k, **near) for k in (2996.0, 3000.0, 3004.0)]
    book = book_of(CASH, *rows, equity=[[3.99, -1, 2, -1]], requirement=[[0, 0, 0, 0]])
    move = distance_to_liquidation(book, "crypto").move[0]
    assert 2000 * (1 + move) == pytest.approx(2999.99, abs=1e-6)


def test_a_hair_from_death_is_found():
    book = book_of(CASH, CALL, equity=[[0, -1]], requirement=[[0, 0]])
    near = replace(book, surplus=np.array([1e-4]))
    move = distance_to_liquidation(near, "crypto").move[0]
    delta = portfolio_greeks(near).delta_usd[0, 0]
    assert move == pytest.approx(-1e-4 / delta, rel=1e-3)


def test_at_the_distance_the_account_is_dead():
    for units in (-1.0, -3.0, -7.0):
        book = book_of(CASH, CALL, equity=[[900, units]], requirement=[[0, 0]])
        move = distance_to_liquidation(book, "crypto").move[0]
        price = book.instruments.price[:, None] * (1 + move)
        change = unit_values(book.instruments, price)[1, 0] - value_of(book.instruments)[1]
        assert book.surplus[0] + units * change <= 0.0


@pytest.mark.parametrize("along", ["ETH", 4, -1, 1.5, None])
def test_unknown_directions_are_refused(along):
    with pytest.raises(RiskInputError, match="along"):
        distance_to_liquidation(a_book(1), along)


# --- drawdown and time ---


def test_time_left_is_log_linear():
    D = np.array([[100.0, 200.0, 400.0]] * 7)
    surplus = np.array([-1.0, 99.0, 100.0, 150.0, 300.0, 400.0, 1e9])
    left = time_to_liquidation(D, np.array([10.0, 1000.0, 100_000.0]), surplus)
    assert left.tolist() == pytest.approx([0.0, 0.0, 10.0, 100.0, 10_000.0, INF, INF])


def test_one_horizon_is_enough():
    left = time_to_liquidation(np.array([[100.0], [100.0]]), np.array([60.0]), np.array([99.0, 100.0]))
    assert left.tolist() == [0.0, INF]


def test_nothing_at_risk_never_dies():
    assert time_to_liquidation(np.zeros((1, 2)), np.array([1.0, 2.0]), np.array([0.0]))[0] == INF
    assert time_to_liquidation(np.zeros((0, 2)), np.array([1.0, 2.0]), np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("D", "horizons", "surplus"),
    [
        ([[2.0, 1.0]], [1.0, 2.0], [1.0]),
        ([[NAN, 1.0]], [1.0, 2.0], [1.0]),
        ([[-1.0, 1.0]], [1.0, 2.0], [1.0]),
        ([[1.0, INF]], [1.0, 2.0], [1.0]),
        ([[1.0, 2.0]], [2.0, 1.0], [1.0]),
        ([[1.0, 2.0]], [0.0, 1.0], [1.0]),
        ([[1.0, 2.0]], [1.0, NAN], [1.0]),
        ([[1.0, 2.0]], [1.0, 2.0], [NAN]),
        ([[1.0, 2.0]], [1.0, 2.0], [1.0, 2.0]),
        ([[1.0, 2.0]], [1.0], [1.0]),
        ([[]], [], [1.0]),
    ],
)
def test_time_left_refuses(D, horizons, surplus):
    with pytest.raises(RiskInputError, match=r"D|horizons_s|surplus"):
        time_to_liquidation(np.array(D), np.array(horizons), np.array(surplus))


def test_drawdown_scales_log_moves():
    book = book_of(CASH, ETH, equity=[[0.0, -1.0]], requirement=[[-4000.0, 0.0]])
    reach = 4.8 * 0.045
    D = drawdown(book, the_grid(), np.array([0.0, 0.25, 1.0]))
    assert D[0] == pytest.approx(2000 * np.expm1(np.array([0.0, 0.25, 1.0]) * reach))


def test_carry_drifts_and_income_is_not_credited():
    book = book_of(CASH, equity=[[1e4], [1e4]], requirement=[[0.0], [0.0]])
    D = drawdown(book, the_grid(), np.ones(2), np.array([10.0, 100.0]), np.array([0.5, -0.5]))
    assert D.tolist() == [[5.0, 50.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon_scale": [0.5, 0.4]},
        {"horizon_scale": [NAN, 1.0]},
        {"horizon_scale": [-0.1, 1.0]},
        {"horizon_scale": [0.5, 11.0]},
        {"horizon_scale": [0.5, 1.0], "carry_usd_per_s": np.zeros(4)},
        {"horizon_scale": [0.5, 1.0], "horizons_s": [1.0, 2.0], "carry_usd_per_s": np.full(4, NAN)},
        {"horizon_scale": [0.5, 1.0], "horizons_s": [1.0, 2.0], "carry_usd_per_s": np.zeros(3)},
        {"horizon_scale": [0.5, 1.0], "horizons_s": [1.0], "carry_usd_per_s": np.zeros(4)},
    ],
)
def test_drawdown_refuses(wrong):
    with pytest.raises(RiskInputError, match=r"horizon|carry"):
        drawdown(a_book(1), the_grid(), **wrong)


# --- greeks ---


def test_greeks_by_factor():
    book = book_of(CASH, ETH, CALL, USDC, equity=[[100.0, 2.0, -3.0, 50.0]], requirement=[[0.0] * 4])
    greeks = portfolio_greeks(book)
    terms = (np.float64(x) for x in (2000.0, 2200.0, 20 / 365, 0.7, 0.03))
    option = option_greeks(True, *terms)
    assert greeks.delta_usd[0] == pytest.approx([4000 - 3 * option.delta * 2000, 0, 50, 0])
    assert greeks.gamma_usd[0] == pytest.approx([-3 * float(option.gamma) * 2000**2 / 100, 0, 0, 0])
    assert greeks.vega_usd[0] == pytest.approx([-3 * option.vega / 100, 0, 0, 0])
    assert greeks.theta_usd[0] == pytest.approx([-3 * option.theta / 365, 0, 0, 0])
    assert greeks.theta_usd[0, 0] > 0


def test_empty_portfolios_have_empty_answers():
    none = csr_array((0, 9))
    book = replace(a_book(3), value=none, equity=none, requirement=none, surplus=[], mm=[])
    grid = the_grid()
    assert revalue(book, grid).dS.shape == (0, grid.count)
    assert distance_to_liquidation(book, "crypto").move.shape == (0,)
    assert drawdown(book, grid, np.array([0.5, 1.0])).shape == (0, 2)
    assert portfolio_greeks(book).delta_usd.shape == (0, 4)
