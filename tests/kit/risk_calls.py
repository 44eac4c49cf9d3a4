"""One usable call of every public function of the risk layer, and which need none."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from risk import (
    addons,
    black76,
    cascade,
    checks,
    correlation,
    coverage,
    drawdown,
    funding,
    latency,
    mobility,
    movable,
    optionmatrix,
    paths,
    posterior,
    preposition,
    pricing,
    replay,
    revalue,
    reverse,
    scan,
    scanfit,
    scanlaw,
    scenarios,
    segments,
    simulate,
    status,
    svi,
    tail,
    tailtest,
    unified,
    validation,
    volatility,
)
from risk.arrays import FactorArrays, InstrumentArrays, PortfolioArrays
from risk.models import auction, shocked
from risk.paramfile import load
from risk.routes import Route, load_routes
from risk.scantable import load_scan_table
from risk.sets import copula, fhs, stress
from risk.sets.params import CopulaParams, FhsParams, StressParams
from risk.venues import deribit, okx, paradex
from tests.kit.market import a_book, some_factors, the_grid

NAN, INF = float("nan"), float("inf")
POISONS = (NAN, INF, -INF)
A, B = "eip155:1", "eip155:42161"
FACTORS, GRID, BOOK = some_factors(), the_grid(), a_book(3)
RNG = np.random.default_rng(5)
LOSS = np.abs(RNG.standard_normal((3, 40))) * 100.0
G = np.array([[0.0, 0.2, 0.3], [0.2, 0.0, 0.4], [0.3, 0.4, 0.0]])
HORIZONS = np.array([60.0, 3600.0, 86_400.0])
D = np.array([[10.0, 100.0, 1000.0], [20.0, 200.0, 900.0]])
RETURNS = RNG.standard_t(5, (200, 2)) * 0.02
PRICES = 100.0 * np.exp(np.cumsum(RETURNS, axis=0))
KNOTS = latency.Knots(np.array([10.0, 60.0, 3600.0]), np.array([0.5, 0.3, 0.2]))
LAW = latency.LatencyLaw(latency.Lognormal(30.0, 0.4))
DIFFUSION, EMPIRICAL = scanlaw.Diffusion(), scanlaw.Empirical(load_scan_table())
PATHS = load(paths.PathParams, "paths_v1")
BARS = scanfit.bars_of(PRICES, PRICES * 1.01, PRICES * 0.99, 86_400.0)
ONE = np.array([1.0])


def of(value: Any, *names: str) -> dict[str, Any]:
    """Fields of a dataclass as arguments."""
    return {f.name: getattr(value, f.name) for f in fields(value) if not names or f.name in names}


SVI = {"a": 0.04, "b": 0.1, "rho": -0.3, "m": 0.0, "sigma": 0.2, "forward": 3000.0, "tau_years": 0.25}
OPTION = (True, np.array([3000.0]), np.array([2900.0]), np.array([0.5]), np.array([0.6]), np.array([0.02]))
OPTION_ROWS = {
    "is_call": np.array([True, False]), "forward": np.full(2, 3000.0), "strike": np.array([2900.0, 3100.0]),
    "tau_years": np.array([0.1, 0.2]), "vol": np.array([0.6, 0.7]), "discount": np.array([1.0, 0.99]),
    "shock": np.zeros(2, np.int32), "tenor": np.zeros(2, np.int32), "growth": np.array([[0.9, 1.1]]),
    "multiplier": np.array([[1.0, 1.2]]),
}  # fmt: skip
STATE = {
    "surplus_usd": 10.0, "mm_requirement_usd": 100.0, "ttl_s": 1e5, "ttf_s": 60.0, "liquidity_coverage": 2.0,
    "rescue_gap_usd": 0.0, "local_floor_usd": 1.0,
}  # fmt: skip
UNITS = csr_array(np.array([[1.0, -2.0, 0.0], [0.0, 1.0, 3.0]]))
CHANGES = RNG.standard_normal((3, 64)) * 10.0
CHANGES[:, 0] = 0.0
VAR = np.full(250, 2.0)
LOSSES = RNG.standard_normal(250)
ARRIVED = funding.arrivals(
    0,
    [A, B],
    np.array([0.0, 500.0]),
    funding.way_in(
        mobility.mobility(
            (A, B), [Route(B, A, "fast", LAW, 5.0, 1e6), Route(A, B, "fast", LAW, 5.0, 1e6)], DIFFUSION
        )
    ),
)
MOBILE = mobility.mobility((A, B), [Route(B, A, "f", LAW, 5.0, 1e6), Route(A, B, "f", LAW, 5.0, 1e6)], DIFFUSION)
STARTS = scanfit.usable_starts(BARS, 86_400.0)
UNIT = np.full(BARS.close.shape, 0.02)
RULES = {
    "closing": np.zeros(4, np.int32), "ratio": np.full(4, 0.05), "close_factor": np.full(4, 0.5),
    "full_below_health": np.full(4, 0.95),
}  # fmt: skip

Call = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]


def call_as(name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Call:
    """A call whose function is put together here."""
    function.__qualname__ = name
    return function, arguments, named


def call(function: Callable[..., Any], *arguments: Any, **named: Any) -> Call:
    return function, arguments, named


CALLS: tuple[Call, ...] = (
    call(addons.price_impact, np.array([1e6]), np.array([1e9]), np.array([0.05]), 1.0),
    call(addons.adverse_basis, BOOK, GRID, 0.02),
    call(addons.expected_penalty, *(np.array([x]) for x in (0.2, 0.1, 50.0, 90.0))),
    call(black76.option_price, *OPTION),
    call(black76.forward_price, True, *(np.array([x]) for x in (3000.0, 2900.0, 0.5, 0.6, 0.99))),
    call(black76.option_greeks, *OPTION),
    call(cascade.Depth, np.full(4, 1e9), 1.0),
    call_as(
        "cascade.cascade",
        lambda shock, ratio, close, full: cascade.cascade(
            BOOK,
            cascade.ClosingRules(RULES["closing"], ratio, close, full),
            shock,
            cascade.Depth(np.full(4, 1e9), 1.0),
        ),
        np.array([-0.2, -0.1, 0.0, 0.0]), RULES["ratio"], RULES["close_factor"], RULES["full_below_health"],
    ),
    call(correlation.shrunk_correlation, RETURNS, 0.99),
    call(correlation.implied_correlation, *(np.array([x]) for x in (0.6, 0.5, 0.4))),
    call(correlation.stressed_correlation, np.array([[1.0, 0.5], [0.5, 1.0]]), 0.3),
    call(coverage.wilson, 3, 100, 2.5),
    call(coverage.share, DIFFUSION, 60.0, 1.1),
    call(coverage.placement, LOSS, G),
    call(coverage.pair_book, 0.5, 1.0, 60.0, DIFFUSION),
    call(coverage.pair_losses, np.array([10.0, 12.0]), 15.0),
    call(drawdown.drawdown, BOOK, GRID, np.array([0.1, 0.5, 1.0]), HORIZONS, np.ones(4)),
    call(drawdown.time_to_liquidation, D, HORIZONS, np.array([50.0, 80.0])),
    call(funding.arrivals, 0, [A, B], np.array([0.0, 500.0]), funding.way_in(MOBILE)),
    call(funding.time_to_fund, ARRIVED, 10.0),
    call(funding.rescue_probability, KNOTS, 100.0),
    call(funding.drawdown_at, D[0], HORIZONS, np.array([100.0])),
    call(funding.liquidity_coverage, 50.0, D[0], HORIZONS, ARRIVED, 86_400.0),
    call(funding.rescue_gap_usd, 50.0, D[0], HORIZONS, ARRIVED, 86_400.0),
    call(funding.start_bridging_health, D[0], HORIZONS, 100.0, 1000.0),
    call(
        funding.fund_accounts, np.array([50.0, 80.0]), np.array([1e3, 1e3]), D, HORIZONS, np.array([1e4, 1e5]),
        np.array([10.0, 20.0]), [A, B], MOBILE,
    ),
    call(latency.Knots, KNOTS.tau_s, KNOTS.weight),
    call(latency.StressState, 0.25, 2.0, 3.0, 1.5),
    call(latency.Lognormal, 30.0, 0.4),
    call_as(
        "latency.LatencyLaw",
        lambda *a: latency.LatencyLaw(latency.Lognormal(30.0, 0.4), a[0], latency.Lognormal(900.0, 0.2)),
        0.02,
    ),
    call(latency.mix, ((0.4, KNOTS), (0.6, KNOTS))),
    call(latency.inclusion_s, A),
    call(latency.cure_lag, KNOTS, 12.0, 3.0, 2.0, 2.0, 0.0),
    call(mobility.G, DIFFUSION, [KNOTS, KNOTS], [0.75, 0.25], [1.0, 2.0], 86_400.0, 0.99),
    call(mobility.mobility, (A, B), load_routes(), DIFFUSION, 1.1, horizon_s=86_400.0, q=0.99),
    call(mobility.g_matrix, (A, B), load_routes(), DIFFUSION, 1.1),
    call(mobility.account_g, G, [0, 1, 1]),
    call(movable.let_out_usd, np.array([[40.0, 30.0]]), np.array([[32.0, 24.0]]), np.array([10.0, np.inf])),
    call(movable.movable_by_scenario, np.array([[40.0, 30.0]]), np.array([60.0]), np.array([[1.0, 9.0]]),
         np.array([5.0])),
    call_as(
        "optionmatrix.option_values",
        lambda **k: optionmatrix.option_values(optionmatrix.OptionRows(**k)),
        **OPTION_ROWS,
    ),
    call_as(
        "optionmatrix.option_values numpy",
        lambda **k: optionmatrix.option_values(optionmatrix.OptionRows(**k), "numpy"),
        **OPTION_ROWS,
    ),
    call_as(
        "paths.breach_probability",
        lambda deep, sigma, carry: paths.breach_probability(
            BOOK, PATHS, np.random.default_rng(1), deep, sigma, carry
        ),
        np.full(4, -5.0), np.full(4, 0.02), np.ones(4),
    ),
    call(paths.hit_table, PATHS, np.array([0.5, 1.0]), np.random.default_rng(1), 64),
    call(posterior.update, LAW, np.array([20.0, 30.0, 45.0]), np.array([12.0])),
    call_as(
        "preposition.preposition",
        lambda held, losses, fee, most, movable_usd, free, q, eta: preposition.preposition(
            held, losses, [preposition.Edge(0, 1, fee, most)], True, movable_usd=movable_usd, free_usd=free, q=q,
            eta=eta,
        ),
        np.array([100.0, 50.0]), LOSS[:2].T.copy(), 0.001, 1e6, np.full(2, 50.0), None, 0.9, 1.0,
    ),
    call(pricing.range_holdings, np.array([0.8]), np.array([1.2]), np.array([1.0])),
    call(replay.buffer, DIFFUSION, 60.0, 0.99),
    call(replay.worst_move, BARS, 86_400.0, STARTS),
    call(replay.netted_multiple, BARS, UNIT, (0, 1), STARTS[:100], 0.99),
    call(revalue.shocked_prices, BOOK, np.zeros((2, 4)), np.zeros((2, 3))),
    call(revalue.unit_changes, BOOK, GRID, 1.0),
    call(revalue.worst_surplus_loss, BOOK, GRID, 1.0),
    call(revalue.worst_by_scale, BOOK, GRID, np.array([0.5, 1.0])),
    call(revalue.rho_worst, LOSS),
    call(revalue.worst, LOSS),
    call(reverse.factor_covariance, FACTORS, 0.5),
    call(reverse.reverse_stress, BOOK, reverse.factor_covariance(FACTORS, 0.5)),
    call(scan.scan, UNITS, CHANGES, 0.9),
    call(scan.scan, UNITS, CHANGES, 0.9, "numpy"),
    call(scan.screen, UNITS, CHANGES[:, :20], CHANGES, 0.9, np.array([50.0, 60.0]), 2.0),
    call(scan.es_of_rows, LOSS, 0.9),
    call(scan.es_of_rows, LOSS, 0.9, "numpy"),
    call(scanfit.bars_of, PRICES, PRICES * 1.01, PRICES * 0.99, 86_400.0),
    call(scanfit.daily_volatility, BARS, 0.97, 0.25),
    call(scanfit.scan_maxima, BARS, 86_400.0, 172_800.0, STARTS[:50]),
    call(scanfit.window_maxima, BARS, 86_400.0, STARTS[:50]),
    call(scanfit.pooled_quantiles, np.abs(RETURNS[:, 0]), np.array([0.5, 0.1, 0.02])),
    call(scanfit.usable_starts, BARS, 86_400.0),
    call(scanlaw.JumpKind, 2.0, 0.05, 0.02, 600.0),
    call_as("scanlaw.Cascade", lambda s: scanlaw.Cascade(s, (scanlaw.JumpKind(2.0, 0.05, 0.02, 600.0),)), 0.03),
    call_as(
        "scanlaw.Diffusion.at",
        lambda tau, b, ratio: DIFFUSION.at(tau, 86_400.0)(b, ratio),
        ONE * 60.0, ONE * 0.5, ONE,
    ),
    call_as(
        "scanlaw.Empirical.at",
        lambda tau, b, ratio: EMPIRICAL.at(tau, 86_400.0)(b, ratio),
        ONE * 60.0, ONE * 0.5, ONE,
    ),
    call(scenarios.vol_factors, GRID, np.array([86_400.0, 1e6]), 1.0),
    call(segments.TailRows, 0, 10, 0.9, 1.1),
    call(segments.LargestOf((segments.TailRows(0, 20, 0.9, 1.1),)), LOSS),
    call(simulate.MarketState, 0.04),
    call(simulate.tiers, np.array([[0, 3], [3, 0]])),
    call_as(
        "simulate.knock_outs",
        lambda exposure, correlated, placed, lag: simulate.knock_outs(
            simulate.KeeperBook(exposure, correlated, placed, lag, ((1.0, simulate.MarketState(0.04)),)),
            np.random.default_rng(1), 8, 3600.0,
        ),
        np.array([1.0, -1.0]), np.eye(2), np.array([0.2, 0.2]), np.array([[0.0, 60.0], [60.0, 0.0]]),
    ),
    call_as("status.account_status", lambda **k: status.account_status(status.AccountState(**k)), **STATE),
    call_as(
        "status.portfolio_status",
        lambda buffer, **k: status.portfolio_status([status.AccountState(**k)], buffer),
        5.0, **STATE,
    ),
    call_as("svi.SviSlice", lambda **k: svi.SviSlice(**k), **SVI),
    call_as("svi.SviSlice.vol", lambda k: svi.SviSlice(**SVI).vol(k), np.array([2900.0])),
    call(tail.tail_of, LOSS[0], 0.9),
    call(tail.expected_shortfall, LOSS, 0.9),
    call(tail.tail_rows, 0.9, 40),
    call(tailtest.ewma_sigma, RETURNS[:, 0], 0.97),
    call(tailtest.filtered, RETURNS[:, 0], 0.01, 0.025),
    call(tailtest.normal, RETURNS[:, 0], 0.01, 0.025),
    call(tailtest.grid_range, RETURNS[:, 0], 4.8, 0.02),
    call(
        tailtest.observed_hits, PRICES[:, 0], PRICES[:, 0] * 1.01, PRICES[:, 0] * 0.99, 86_400, (86_400.0,),
        np.array([0.5, 1.0]),
    ),
    call(unified.worst_of, LOSS),
    call(unified.expected_shortfall(0.9), LOSS),
    call(unified.unified, LOSS, G),
    call(unified.unified, LOSS, G, unified.expected_shortfall(0.9)),
    call(unified.interpolated, 100.0, 60.0, 0.3),
    call(validation.kupiec, 250, 3, 0.01),
    call(validation.traffic_light, 250, 3, 0.01),
    call(validation.shortfall_z2, LOSSES, VAR, VAR * 1.3, 0.025),
    call(validation.z2_p_value, -0.1, RNG.standard_normal((20, 250)), 1.3, 0.025),
    call(validation.binomial_bounds, 250, 0.01, 0.99),
    call(validation.verdicts, LOSSES, VAR, 0.01, VAR * 1.3, 0.025, VAR * 1.1),
    call(volatility.Garch, 1e-6, 0.08, 0.9),
    call(volatility.ewma_variance, RETURNS, 0.94),
    call(volatility.garch_variance, RETURNS, (volatility.Garch(1e-6, 0.08, 0.9),) * 2),
    call(volatility.garch_forecast, 1e-4, volatility.Garch(1e-6, 0.08, 0.9), 5),
    call(volatility.floored_sigma, np.abs(RETURNS)),
    call(copula.copula_set, load(CopulaParams, "copula_v1"), FACTORS, np.eye(4)),
    call(copula.convergence, LOSS[0], 0.9),
    call(fhs.fhs_set, load(FhsParams, "fhs_v1"), FACTORS, RNG.standard_t(5, (3000, 4)) * 0.005),
    call(fhs.shrink_to, stress.stress_set(load(StressParams, "stress_v1"), FACTORS), 0.25, np.full(4, 0.02)),
    call(auction.discount_at, auction.load_auction(), 60.0),
    call(auction.auction_state, auction.load_auction(), 1000.0, -50.0, 60.0, 0.0),
    call(shocked.tenor_reach, np.array([86_400.0]), 0.3, 0.13, 1.0),
    call(deribit.linear_array, 10.0, 0.16),
    call(deribit.roll_shock, {0.5: 10.0}, 0.01, 0.05),
    call(deribit.delta_shock, 1e6, 0.1, 1e7, 0.0),
    call(deribit.damped, -50.0, 0.5, 10.0),
    call(
        deribit.aggregate, {"BTC": [-5.0, 3.0], "ETH": [1.0, -2.0]},
        dict.fromkeys(("BTC", "ETH"), deribit.Offset(0.5, 10.0)),
    ),
    call(deribit.Offset, 0.5, 10.0),
    call(deribit.requirement, [-5.0, 3.0], 1.0, 2.0, 3.0),
    call(okx.RiskUnit, 1.0, 2.0, 3.0),
    call(okx.total, [okx.RiskUnit(1.0)], 1.0, 2.0),
    call(okx.linear_unit, 1e5, 0.1, 0.2, 0.01, 0.005),
    call(paradex.cross_initial, 1.0, 2.0, 0.5, 0.02, 3000.0),
    call(paradex.min_delta, [1.0, -2.0], 3000.0, 0.02, 0.01),
    call(paradex.portfolio_requirements, 100.0, 50.0, 1.0, 1.0, 0.5),
    call(FactorArrays, **of(FACTORS)),
    call(InstrumentArrays, **of(BOOK.instruments)),
    call(
        PortfolioArrays,
        **of(BOOK, "instruments", "factors", "value", "equity", "requirement", "surplus", "mm"),
    ),
    call(correlation.as_correlation, "C", np.eye(3)),
    call(revalue.shocked_quotes, BOOK, np.zeros((2, 4)), np.zeros((2, 3))),
    call(reverse.surplus_at, BOOK, np.array([0]), np.zeros((1, 2, 4))),
    call(scenarios.vol_multiplier, GRID.vol, np.array([86_400.0, 1e6]), GRID.vol_shift, 1.0),
    call(scan.prepare, UNITS),
    call(tail.contributions, LOSS, tail.tail_of(LOSS.sum(axis=0), 0.9)),
    call(volatility.as_returns, "returns", RETURNS),
    call(checks.as_floats, "x", np.array([1.0, 2.0]), (2,)),
)  # fmt: skip


CHECKED = {
    # portfolios, books and scenario sets, which check themselves
    "addons.broken_correlation", "addons.closing_cost", "addons.delta_per_unit",
    "distance.distance_to_liquidation", "greeks.greeks_by_expiry", "greeks.portfolio_greeks",
    "matrix.change_matrix", "models.es.as_positions", "models.shocked.flatten", "models.shocked.naked_shorts",
    "part.part_of", "part.pooled", "part.together", "pricing.linear_slopes", "pricing.value_of",
    "revalue.exposure_gap", "revalue.revalue", "revalue.same_world", "scenarios.build_grid",
    # parameters, laws and files, which check themselves
    "scantable.load_scan_table",
    "coverage.buffer_of_day", "coverage.cells", "coverage.reduced", "coverage.route_named", "coverage.run_cell",
    "coverage.wrong_way", "funding.way_in", "gridparams.load_grid", "gridparams.params_hash",
    "gridparams.parse_grid", "latency.default_stress", "mobility.is_open", "models.auction.load_auction",
    "models.es.load_es", "models.pm2.load_pm", "models.registry.load_model", "models.span16.load_span",
    "models.span16.scan_rows", "models.standard.load_standard", "paramfile.build", "paramfile.check_fields",
    "paramfile.load", "paramfile.params_hash", "paramfile.parse", "paths.standard_paths", "routes.load_routes",
    "routes.parse_routes", "sets.stress.stress_set", "unified.expected_shortfall",
    # bars of a history and what was found on them, checked by scanfit.bars_of
    "scanfit.fit_scan_law", "replay.by_year", "replay.day_starts", "replay.episode_rows", "replay.exceedances",
    "replay.replay_pair", "scanfit.resolved",
    # whole numbers, flags and words
    "jit.kernel", "lanes.tile_most", "lanes.tile_sum", "scanfit.survival_levels", "status.describe",
    "status.duration", "status.usd", "validation.conditional_coverage", "validation.independence",
    "validation.transitions", "venues.dydx.requirements",
    # the inside of unified, mobility.G and revalue, which check before: these run once a layer, lag or tile
    "cakekernel.layer_cake", "mobility.buffers", "pricing.unit_values",
}  # fmt: skip
"""Functions that need no test of this kind, and why."""

MISSING = (
    "bars_of",  # a missing bar keeps the last close
    "observed_hits",  # origins with a missing price are left out
    "arrivals",  # money that is not known to move rescues nobody
    "movable_by_scenario",  # the same
    "let_out_usd",  # the same
    "pooled_quantiles",  # moves of the warm-up are left out
    "start_bridging_health",  # nan without a requirement or a way in
    "fund_accounts",  # nan: not known; the figures that need it are nan
    "_status",  # nan: not known; the status is UNKNOWN
    "as_floats",  # leaves the bound to who calls it
    "vol_factors",  # an expiry of nan is none
    "vol_multiplier",  # the same
    "InstrumentArrays",  # nan in a column that the kind does not use
)
"""Functions whose documents give nan a meaning: not there, never zero risk."""
