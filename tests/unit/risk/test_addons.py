"""Add-on lines on books small enough to work out on paper."""

from dataclasses import replace

import numpy as np
import pytest

from risk.addons import (
    AddonParams,
    adverse_basis,
    broken_correlation,
    closing_cost,
    delta_per_unit,
    expected_penalty,
    price_impact,
)
from risk.arrays import FactorArrays, Kind
from risk.errors import ParameterError, RiskInputError
from risk.paramfile import load
from risk.part import part_of, pooled
from risk.pricing import value_of
from risk.revalue import revalue
from risk.scenarios import build_grid, load_grid
from tests.kit.market import a_book, accounts_of, instruments_of, one_instrument, some_factors, the_grid

PARAMS = load(AddonParams, "addons_v1")
TWO = FactorArrays(
    names=("ETH", "BTC"), sigma_day=np.array([0.05, 0.03]), is_stable=np.array([False, False]),
    basis_names=("mark",), basis_shock=np.array([0.01]),
)  # fmt: skip
USD = one_instrument(Kind.FIXED)
ETH, BTC = one_instrument(Kind.SPOT, 2000.0, 0), one_instrument(Kind.SPOT, 30_000.0, 1)
ETH_PERP = one_instrument(Kind.PERP, 2000.0, 0, basis=0)


def test_impact_of_a_whole_day_is_a_daily_volatility():
    assert price_impact(np.array(1e9), np.array(1e9), np.array(0.05), 1.0) == pytest.approx(0.05)
    assert price_impact(np.array(-1e7), np.array(1e9), np.array(0.05), 1.0) == pytest.approx(0.005)


def test_closing_a_loan_by_hand():
    # 1,000 ETH at 2,000 against dollars: 2e6 x (5 bp + 0.05 x sqrt(2e6 / 1e9))
    book = accounts_of(instruments_of(ETH, USD), [[800.0, 0.0]], [[0.0, 1e6]], TWO)
    book = replace(book, value=book.equity * 1.25)
    assert closing_cost(book, PARAMS) == pytest.approx(2e6 * (0.0005 + 0.05 * np.sqrt(0.002)))


def test_a_perpetual_has_a_thinner_book_than_the_spot():
    spot = accounts_of(instruments_of(ETH, USD), [[100.0, 0.0]], [[0.0, 1e4]], TWO)
    perp = accounts_of(instruments_of(ETH_PERP, USD), [[100.0, 0.0]], [[0.0, 1e4]], TWO)
    assert closing_cost(perp, PARAMS) > closing_cost(spot, PARAMS)
    thin = 2e5 * (0.0005 + 0.05 * np.sqrt(2e5 / (0.05 * 1e9)))
    assert closing_cost(perp, PARAMS) == pytest.approx(thin)


def test_two_accounts_in_one_market_cost_more_than_each_alone_and_do_not_offset():
    both = accounts_of(instruments_of(ETH, USD), [[100.0, 1e6], [-100.0, 1e6]], [[0.0, 1e4], [0.0, 1e4]], TWO)
    alone = [closing_cost(part_of(both, np.array([row])), PARAMS) for row in (0, 1)]
    assert closing_cost(both, PARAMS) > sum(alone) > 0.0


def test_nothing_is_closed_where_nothing_is_required():
    idle = accounts_of(instruments_of(ETH, USD), [[100.0, 0.0]], [[0.0, 0.0]], TWO)
    assert closing_cost(idle, PARAMS) == 0.0
    stable = one_instrument(Kind.SPOT, 1.0, 2)
    coins = accounts_of(instruments_of(stable, USD), [[1e6, 0.0]], [[0.0, 1e4]], some_factors())
    assert closing_cost(coins, PARAMS) == 0.0


def test_deltas_of_a_range_are_its_tokens():
    terms = {"e0": 1500.0, "e1": 2500.0, "quote_factor": 1, "quote_price": 1.0}
    lp = instruments_of(one_instrument(Kind.LP_RANGE, 2000.0, 0, **terms))
    book = accounts_of(lp, [[3.0]], [[0.0]], TWO)
    base, quote = 1 / np.sqrt(2000) - 1 / np.sqrt(2500), np.sqrt(2000) - np.sqrt(1500)
    assert delta_per_unit(book)[0] == pytest.approx([2000.0 * base, quote], rel=1e-6)


def test_broken_correlation_moves_both_legs_of_a_hedge_against_it():
    hedge = accounts_of(instruments_of(ETH, BTC, USD), [[100.0, -5.0, 2e5]], [[0.0, 0.0, 1e4]], TWO)
    grid = build_grid(load_grid(), TWO)
    rows = broken_correlation(hedge, grid)
    eth, btc = rows.factor_shock[0]
    assert (eth, btc) == (pytest.approx(np.expm1(-4.8 * 0.05)), pytest.approx(np.expm1(4.8 * 0.03)))
    broken = -revalue(hedge, rows).dS.sum(axis=0).min()
    assert broken == pytest.approx(-100 * 2000 * eth + 5 * 30_000 * btc)
    assert broken > -revalue(hedge, grid).dS.min()


def test_one_factor_has_no_correlation_to_break():
    long = accounts_of(instruments_of(ETH, USD), [[100.0, 2e5]], [[0.0, 1e4]], TWO)
    grid = build_grid(load_grid(), TWO)
    broken = -revalue(long, broken_correlation(long, grid)).dS
    assert broken.max() <= -revalue(long, grid).dS.min() * (1 + 1e-12)


def test_every_basis_and_peg_takes_the_side_that_costs():
    book = a_book(4, kinds=(Kind.SPOT, Kind.PERP, Kind.FIXED))
    grid = the_grid()
    rows = adverse_basis(book, grid, 0.02)
    loss = -revalue(book, rows).dS.sum(axis=0)
    total = -revalue(book, grid).dS.sum(axis=0)
    market = (grid.damping == 1.0) & ~grid.basis_shock.any(axis=1)
    assert loss[0] >= total[market].max() - 1e-6
    alone = [total[np.flatnonzero(grid.basis_shock[:, i] != 0)].max() for i in range(3)]
    assert loss[1] >= max(alone) - 1e-6
    assert set(np.unique(np.abs(rows.basis_shock[1]))) <= {0.0, *book.factors.basis_shock}
    assert set(rows.factor_shock[1]) <= {0.0, -0.02}


def test_penalty_is_weighted_by_how_deep_the_breach_is():
    found = expected_penalty(
        np.array([0.1, 1.0]), np.array([0.02, 1.0]), np.array([300.0, 5.0]), np.array([600.0, 9.0])
    )
    assert found == pytest.approx([0.08 * 300 + 0.02 * 600, 9.0])


def test_parts_and_pools_keep_every_figure():
    book = a_book(11)
    part = part_of(book, np.array([2, 0]))
    assert part.surplus == pytest.approx(book.surplus[[2, 0]])
    assert part.net() @ value_of(part.instruments) == pytest.approx(
        (book.net() @ value_of(book.instruments))[[2, 0]]
    )
    whole = pooled(book, [np.array([0, 1, 2, 3]), np.array([1])])
    assert whole.surplus == pytest.approx([book.surplus.sum(), book.surplus[1]])
    assert revalue(whole, the_grid()).dS[0] == pytest.approx(revalue(book, the_grid()).dS.sum(axis=0))


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: expected_penalty(np.array([1.1]), *[np.zeros(1)] * 3), RiskInputError, "probability"),
        (lambda: expected_penalty(np.array([0.1]), np.array([0.2]), *[np.zeros(1)] * 2), RiskInputError, "deep"),
        (
            lambda: expected_penalty(np.array([0.1]), np.zeros(1), np.array([-1.0]), np.zeros(1)),
            RiskInputError,
            "cost",
        ),
        (lambda: replace(PARAMS, offset_cap=1.1), ParameterError, "offset_cap"),
        (lambda: replace(PARAMS, half_spread=float("nan")), ParameterError, "half_spread"),
        (lambda: part_of(a_book(1), np.array([9])), RiskInputError, "rows"),
    ],
)
def test_unusable_input_is_named(call, error, named):
    with pytest.raises(error, match=named):
        call()
