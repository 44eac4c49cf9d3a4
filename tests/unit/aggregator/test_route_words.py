"""The sentence that says how long help takes, by which way, and how much of it there is."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from aggregator.route_words import bridge_name, route_words, span
from risk.latency import Knots
from risk.mobility import Lag
from risk.routes import load_routes
from tests.kit.world import CHAINS, holding, perp, report

NAMES = dict(zip(CHAINS, ("one", "two"), strict=True))
INF = float("inf")
TTL = "bridge_in_time"


def lag(bridge, calm_s, bad_s, capacity=1e9):
    route = next(r for r in load_routes() if (r.source, r.destination) == CHAINS)
    route = replace(route, bridge=bridge, capacity_usd=capacity)
    calm, bad = (Knots(np.array([s]), np.array([1.0])) for s in (calm_s, bad_s))
    return Lag(route, calm, bad, 0.3)


def words(accounts, movable, ways=(), code=TTL, target=0):
    place = {a.id: i for i, a in enumerate(accounts)}
    help_ = SimpleNamespace(place=place, movable_usd=np.array(movable))
    mobility = SimpleNamespace(between=lambda u, v: ways if (u, v) == CHAINS else (), confidence=0.99)
    return route_words(accounts[target], code, accounts, help_, mobility, NAMES)


def test_each_way_with_its_span_and_what_it_brings():
    there, here = holding(CHAINS[0], "USDC", "2e6"), perp(CHAINS[1], "10", "5000")
    ways = (lag("cctp-v2-standard", 27 * 60, 88 * 60), lag("across", 3.0, 3.0, 1.2e6))
    assert words([here, there], [0.0, 2e6], ways) == (
        "one to two by Across takes 3 s up to $1.2m; by CCTP v2 standard takes 27-88 min up to $2.0m"
    )


def test_money_on_the_same_chain_and_chains_without_a_route_are_named():
    here, near = perp(CHAINS[0], "10", "5000"), holding(CHAINS[0], "USDC", "1500")
    far = holding(CHAINS[1], "USDC", "900")
    assert (
        words([here, near, far], [0.0, 1500.0, 900.0]) == "$1.5k lies on one itself; two to one has no open route"
    )


def test_money_for_gas_is_not_named():
    here, near, far = (
        perp(CHAINS[0], "10", "5000"),
        holding(CHAINS[0], "USDC", "6"),
        holding(CHAINS[1], "USDC", "900"),
    )
    assert words([here, near, far], [0.0, 6.0, 900.0]) == "two to one has no open route"


def test_nothing_is_said_where_time_does_not_decide_or_nothing_is_free():
    here, there = perp(CHAINS[1], "10", "5000"), holding(CHAINS[0], "USDC", "900")
    assert words([here, there], [0.0, 900.0], code="below_local_floor") == ""
    assert words([here, there], [0.0, 0.0]) == ""
    assert words([here, there], [0.0, float("nan")]) == ""


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1620.0, 5280.0, "27-88 min"),
        (1620.0, 7300.0, "27 min - 2 h 2 min"),
        (3.0, 3.0, "3 s"),
        (3.2, 3.4, "3-4 s"),
        (50.0, 2460.0, "50 s - 41 min"),
        (30.0, INF, "30 s or for ever"),
        (INF, INF, "a time that nobody can name"),
    ],
)
def test_spans(low, high, text):
    assert span(low, high) == text


@pytest.mark.parametrize(
    ("bridge", "name"),
    [
        ("cctp_v2_fast", "CCTP v2 fast"),
        ("across", "Across"),
        ("stargate_taxi", "Stargate taxi"),
        ("canonical_linea", "the canonical bridge"),
    ],
)
def test_bridges_have_names(bridge, name):
    assert bridge_name(bridge) == name


def test_the_report_carries_the_ways_in_line_and_status():
    made = report([perp(CHAINS[1], "100", "60000"), holding(CHAINS[0], "USDC", "400000")])
    assert "reaches liquidation in" in made.status_reason
    assert "one to two by Across takes" in made.status_reason
    assert "up to $" in made.status_reason
    (line,) = [v for v in made.venues if v.venue == "perps"]
    assert line.reason == made.status_reason
