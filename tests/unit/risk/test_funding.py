from dataclasses import replace

import numpy as np
import pytest

from risk.errors import RiskInputError
from risk.funding import (
    NOTHING,
    arrivals,
    drawdown_at,
    fund_accounts,
    liquidity_coverage,
    rescue_gap_usd,
    rescue_probability,
    start_bridging_health,
    time_to_fund,
    way_in,
)
from risk.latency import LatencyLaw, Lognormal, Reaction, StressState
from risk.mobility import mobility
from risk.routes import Route, load_routes
from risk.scanlaw import Diffusion

A, B, C = "eip155:10", "eip155:8453", "eip155:42161"
DAY = 86_400.0
HORIZONS = np.array([60.0, 3600.0, DAY, 7 * DAY])
D = np.array([10.0, 100.0, 1000.0, 3000.0])
PLAIN = StressState(0.25, 1.0, 1.0, 1.0)


def route(source, destination, seconds, bridge="fast", fee_bps=0.0, capacity_usd=1e9):
    law = LatencyLaw(Lognormal(seconds, 0.0), outages_per_year=0.0, pauses_per_year=0.0)
    return Route(source, destination, bridge, law, fee_bps, capacity_usd)


def world(*routes, **options):
    around = Reaction(detect_s=0.0, react_s=0.0)
    return mobility((A, B, C), routes, Diffusion(), reaction=around, stress=PLAIN, **options)


def one(found, name):
    return float(getattr(found, name)[0])


def fund(surplus, movable, *routes, ttl_s=7200.0, requirement=1000.0, chains=(A, B), **options):
    count = len(chains)
    return fund_accounts(
        np.array([surplus, *[0.0] * (count - 1)]),
        np.full(count, requirement),
        np.tile(D, (count, 1)),
        HORIZONS,
        np.full(count, ttl_s),
        np.array(movable, float),
        chains,
        world(*routes),
        **options,
    )


def test_marginal_dollar_takes_the_next_slower_route():
    ways = way_in(world(route(B, A, 100, fee_bps=50, capacity_usd=300), route(B, A, 5000, "slow")))
    found = arrivals(0, (A, B), np.array([0.0, 1000.0]), ways)
    assert found.lag_s == pytest.approx([104, 5004])  # inclusion of 2 s at either end
    assert found.amount_usd == pytest.approx([300 * 0.995, 700])
    assert time_to_fund(found, 0.0) == pytest.approx(104)
    assert time_to_fund(found, 298.5) == pytest.approx(104)
    assert time_to_fund(found, 299) == pytest.approx(5004)
    assert time_to_fund(found, 999) == np.inf
    assert found.deliverable_usd(103) == 0
    assert found.deliverable_usd(5005) == pytest.approx(998.5)


def test_accounts_of_one_chain_share_a_route():
    ways = way_in(world(route(B, A, 100, capacity_usd=300)))
    found = arrivals(0, (A, B, B), np.array([50.0, 200.0, 200.0]), ways)
    assert found.amount_usd.tolist() == [300.0]


def test_own_chain_needs_no_bridge_but_somebody_to_act():
    quick = way_in(mobility((A, B), (), Diffusion(), stress=PLAIN))
    found = arrivals(0, (A, A), np.array([0.0, 500.0]), quick)
    assert found.lag_s == pytest.approx([12 + 3 + 2])
    slow = way_in(mobility((A, B), (), Diffusion(), stress=PLAIN, reaction=Reaction(react_s=28_800)))
    assert time_to_fund(arrivals(0, (A, A), np.array([0.0, 500.0]), slow), 500) > 28_800


def test_unknown_money_rescues_nobody():
    found = fund(200.0, [0, np.nan], route(B, A, 100))
    assert one(found, "ttf_s") == np.inf
    assert one(found, "rescue_probability") == 0
    assert one(found, "deliverable_usd") == 0


def test_pause_leaves_no_way():
    closed = world(route(B, A, 100), paused={"fast"})
    assert arrivals(0, (A, B), np.array([0.0, 1000.0]), way_in(closed)) is NOTHING


def test_time_to_fund_covers_the_horizon():
    found = fund(200.0, [0, 900.0], route(B, A, 100, capacity_usd=500), route(B, A, 5000, "slow"))
    assert one(found, "ttf_s") == pytest.approx(5004)  # 800 wanted, the fast one takes 500
    assert one(found, "rescue_probability") == 1.0
    assert one(found, "rescue_gap_usd") == 0.0
    short = fund(200.0, [0, 700.0], route(B, A, 100))
    assert one(short, "ttf_s") == np.inf
    assert one(short, "rescue_gap_usd") == pytest.approx(100.0)
    assert np.isnan(one(short, "start_bridging_health"))


def test_coverage_is_worst_right_before_an_arrival():
    found = arrivals(0, (A, B), np.array([0.0, 2000.0]), way_in(world(route(B, A, 7196))))
    loss = 100 + 900 * np.log(2) / np.log(24)  # linear in ln h between 1 h and 24 h
    assert drawdown_at(D, HORIZONS, np.array([7200.0]))[0] == pytest.approx(loss)
    assert liquidity_coverage(150.0, D, HORIZONS, found) == pytest.approx(150 / loss)
    assert rescue_gap_usd(150.0, D, HORIZONS, found) == pytest.approx(loss - 150)
    assert liquidity_coverage(150.0, D, HORIZONS, NOTHING) == pytest.approx(0.15)
    assert liquidity_coverage(150.0, 0 * D, HORIZONS, NOTHING) == np.inf
    assert liquidity_coverage(-1.0, 0 * D, HORIZONS, NOTHING) == -np.inf
    assert rescue_gap_usd(-5.0, 0 * D, HORIZONS, NOTHING) == 5.0


def test_start_bridging_health_is_where_ttl_equals_ttf():
    health = start_bridging_health(D, HORIZONS, 3600.0, 1000.0)
    assert health == pytest.approx(1.1)  # surplus 100 is lost within 1 h
    assert start_bridging_health(D, HORIZONS, 0.0, 1000.0) == 1.0
    assert np.isnan(start_bridging_health(D, HORIZONS, 3600.0, 0.0))
    assert np.isnan(start_bridging_health(D, HORIZONS, np.inf, 1000.0))


def test_rescue_probability_is_the_chance_to_be_in_time():
    law = LatencyLaw(Lognormal(100.0, 0.5), outages_per_year=0.0)
    knots = law.knots()
    assert rescue_probability(knots, 100.0) == pytest.approx(0.5, abs=0.02)
    assert rescue_probability(knots, 0.0) == 0.0
    assert rescue_probability(knots, np.inf) == pytest.approx(1 - 0.2 * 2 / 365.25)


def test_unknown_surplus_gives_no_figures():
    found = fund(np.nan, [0, 900.0], route(B, A, 100))
    for name in ("ttf_s", "rescue_probability", "liquidity_coverage", "rescue_gap_usd", "start_bridging_health"):
        assert np.isnan(one(found, name))
    assert not np.isnan(found.ttf_s[1])


# RISK section 7, law 11
def test_cash_never_lowers_another_coverage():
    routes = (route(B, A, 100), route(A, B, 100), route(C, A, 900), route(C, B, 900))
    less, more = (fund(200.0, [0, 500.0, cash], *routes, chains=(A, B, C)) for cash in (10.0, 400.0))
    assert (more.liquidity_coverage[:2] >= less.liquidity_coverage[:2]).all()
    assert (more.rescue_gap_usd[:2] <= less.rescue_gap_usd[:2]).all()


def test_slower_or_smaller_routes_never_help():
    base = fund(200.0, [0, 900.0], route(B, A, 100, capacity_usd=800))
    for worse in (
        route(B, A, 1000, capacity_usd=800),
        route(B, A, 100, capacity_usd=400),
        route(B, A, 100, fee_bps=100, capacity_usd=800),
    ):
        found = fund(200.0, [0, 900.0], worse)
        assert one(found, "ttf_s") >= one(base, "ttf_s")
        assert one(found, "liquidity_coverage") <= one(base, "liquidity_coverage")
        assert one(found, "rescue_gap_usd") >= one(base, "rescue_gap_usd")


def test_shipped_routes_fund_within_hours_at_99_per_cent_under_stress():
    found = fund_accounts(
        np.array([200.0, 0.0]), np.array([1000.0, 0.0]), np.stack([D, D]), HORIZONS, np.full(2, 7200.0),
        np.array([0.0, 5000.0]), ("eip155:42161", "eip155:1"),
        mobility(("eip155:1", "eip155:42161"), load_routes(), Diffusion()),
    )  # fmt: skip
    assert 3600 < found.ttf_s[0] < 6 * 3600
    assert 0.9 < found.rescue_probability[0] < 1


def test_shapes_and_horizons_are_checked():
    with pytest.raises(RiskInputError, match="reach"):
        fund_accounts(
            *[np.zeros(1)] * 2, np.zeros((1, 2)), np.array([1.0, 60.0]), *[np.zeros(1)] * 2, (A,), world()
        )
    with pytest.raises(RiskInputError, match="accounts"):
        fund_accounts(*[np.zeros(1)] * 2, np.zeros((2, 2)), HORIZONS[:2], *[np.zeros(1)] * 2, (A,), world())
    with pytest.raises(RiskInputError, match="above the one before"):
        fund_accounts(
            *[np.zeros(1)] * 2, np.zeros((1, 2)), np.array([DAY, DAY]), *[np.zeros(1)] * 2, (A,), world()
        )


def test_replaced_capacity_is_used():
    routes = [replace(r, capacity_usd=0.0) for r in load_routes()]
    ways = way_in(mobility((A, B), routes, Diffusion()))
    assert arrivals(0, (A, B), np.array([0.0, 1000.0]), ways) is NOTHING
