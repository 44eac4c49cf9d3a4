"""Law 10 of RISK section 7: the programme that says where money should sit, on random books."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.errors import RiskInputError
from risk.preposition import Edge, preposition
from risk.unified import expected_shortfall

Q = 0.9
seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=500, deadline=None)
some = settings(max_examples=500, deadline=None)


def book(seed, places=None, scenarios=40):
    rng = np.random.default_rng(seed)
    places = places or int(rng.integers(2, 5))
    held = rng.uniform(0, 1e5, places)
    losses = rng.normal(size=(scenarios, places)) * 1e5 + rng.standard_t(3, (scenarios, 1)) * rng.uniform(
        -1e5, 1e5, places
    )
    return held, losses


def mesh(places, fee=0.0, capacity=1e12):
    return [Edge(u, v, fee, capacity) for u in range(places) for v in range(places) if u != v]


def es(amounts):
    return float(expected_shortfall(Q)(np.asarray(amounts)))


def objective(held, losses, edges, arrives, **more):
    return preposition(held, losses, edges, arrives, q=Q, **more).objective


def close(a, b, scale):
    return abs(a - b) <= 1e-6 * max(1.0, scale)


@many
@given(seeds)
def test_no_routes_leave_the_isolated_deficits(seed):
    held, losses = book(seed)
    plan = preposition(held, losses, [], np.zeros((len(losses), 0), bool), q=Q)
    assert close(plan.shortfall_es, es(np.maximum(losses - held, 0).sum(axis=1)), losses.max())
    assert plan.fees == 0


@many
@given(seeds)
def test_free_instant_routes_leave_the_netted_deficit(seed):
    held, losses = book(seed)
    plan = preposition(held, losses, mesh(len(held)), True, q=Q)
    assert close(plan.shortfall_es, es(np.maximum((losses - held).sum(axis=1), 0)), losses.max())


@some
@given(seeds, st.floats(0, 1))
def test_less_capacity_never_helps(seed, share):
    held, losses = book(seed)
    rng = np.random.default_rng(seed + 1)
    edges = [e._replace(fee=rng.uniform(0, 0.01), capacity_usd=rng.uniform(0, 1e5)) for e in mesh(len(held))]
    arrives = rng.random((len(losses), len(edges))) < 0.6
    less = [e._replace(capacity_usd=e.capacity_usd * share) for e in edges]
    full, part = objective(held, losses, edges, arrives), objective(held, losses, less, arrives)
    assert part >= full - 1e-6 * np.abs(losses).max()


@some
@given(seeds)
def test_late_routes_and_higher_fees_never_help(seed):
    held, losses = book(seed)
    rng = np.random.default_rng(seed + 1)
    edges = mesh(len(held), 0.001, 5e4)
    arrives = rng.random((len(losses), len(edges))) < 0.6
    late = arrives & (rng.random(arrives.shape) < 0.5)
    dear = [e._replace(fee=0.02) for e in edges]
    base = objective(held, losses, edges, arrives)
    slack = 1e-6 * np.abs(losses).max()
    assert objective(held, losses, edges, late) >= base - slack
    assert objective(held, losses, dear, arrives) >= base - slack


@some
@given(seeds)
def test_price_of_a_dollar_lies_between_the_finite_differences(seed):
    held, losses = book(seed, places=3, scenarios=25)
    rng = np.random.default_rng(seed + 1)
    edges = [e._replace(fee=rng.uniform(0.0005, 0.01), capacity_usd=rng.uniform(1e4, 1e5)) for e in mesh(3)]
    arrives = rng.random((len(losses), len(edges))) < 0.6
    plan = preposition(held, losses, edges, arrives, movable_usd=held, q=Q)
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1.0
        more = objective(held + step, losses, edges, arrives, movable_usd=held)
        less = objective(held - step, losses, edges, arrives, movable_usd=held)
        # Convex: the slope above is no steeper than the dual, the one below no flatter.
        assert plan.objective - more - 1e-4 <= plan.price[place] <= less - plan.objective + 1e-4
    assert (plan.price >= 0).all()


@many
@given(seeds)
def test_books_balance_and_limits_hold(seed):
    held, losses = book(seed)
    rng = np.random.default_rng(seed + 1)
    edges = [e._replace(fee=rng.uniform(0, 0.01), capacity_usd=rng.uniform(0, 1e5)) for e in mesh(len(held))]
    free = held * rng.random(len(held))
    plan = preposition(held, losses, edges, rng.random(len(edges)) < 0.5, movable_usd=free, q=Q)
    out, into = np.zeros(len(held)), np.zeros(len(held))
    for edge, moved in zip(edges, plan.moved, strict=True):
        assert moved <= edge.capacity_usd * (1 + 1e-9)
        out[edge.source] += moved
        into[edge.destination] += moved * (1 - edge.fee)
    scale = np.abs(losses).max()
    assert np.allclose(plan.held, held + into - out, atol=1e-5 * scale)
    assert (out <= free + 1e-6 * scale).all()
    assert plan.fees == pytest.approx(out.sum() - into.sum(), abs=1e-6 * scale)


@some
@given(seeds, st.floats(0, 1))
def test_a_venue_that_lets_less_out_never_helps(seed, share):
    held, losses = book(seed)
    free = np.maximum(held - losses, 0.0)
    all_of_it = objective(held, losses, mesh(len(held), 0.001), True)
    some_of_it = objective(held, losses, mesh(len(held), 0.001), True, free_usd=free * share)
    none = objective(held, losses, mesh(len(held), 0.001), True, free_usd=free * 0.0)
    slack = 1e-6 * np.abs(losses).max()
    assert all_of_it <= some_of_it + slack <= none + 2 * slack
    alone = objective(held, losses, mesh(len(held), 0.001), False)
    assert close(none, alone, np.abs(losses).max())


def test_nothing_to_do_where_nothing_can_be_short():
    plan = preposition(np.array([9.0, 9.0]), -np.ones((5, 2)), mesh(2, 0.001), True)
    assert plan.objective == 0
    assert (plan.moved == 0).all()
    assert (plan.price == 0).all()


def test_money_moves_to_where_help_would_come_too_late():
    held, losses = np.array([100.0, 0.0]), np.array([[-50.0, 50.0], [0.0, 0.0]])
    plan = preposition(held, losses, [Edge(0, 1, 0.001, 1e6)], False, q=0.5)
    assert plan.moved[0] == pytest.approx(50 / 0.999)
    assert plan.shortfall_es == pytest.approx(0, abs=1e-9)
    assert preposition(held, losses, [Edge(0, 1, 0.001, 1e6)], True, q=0.5).moved[0] == 0


GOOD = {"held_usd": np.ones(2), "losses_usd": np.ones((3, 2)), "edges": [Edge(0, 1, 0.0, 1.0)], "arrives": True}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"held_usd": np.array([1.0, np.nan])}, "held_usd"),
        ({"losses_usd": np.ones((3, 3))}, "losses_usd"),
        ({"losses_usd": np.full((3, 2), np.inf)}, "losses_usd"),
        ({"edges": [Edge(0, 0, 0.0, 1.0)]}, "source and destination"),
        ({"edges": [Edge(0, 7, 0.0, 1.0)]}, "2 places"),
        ({"edges": [Edge(0, 1, 1.5, 1.0)]}, "fee"),
        ({"edges": [Edge(0, 1, -0.1, 1.0)]}, "fee"),
        ({"edges": [Edge(0, 1, 0.0, -1.0)]}, "capacity"),
        ({"edges": [Edge(0, 1, 0.0, np.nan)]}, "capacity"),
        ({"arrives": np.ones((3, 4), bool)}, "arrives"),
        ({"movable_usd": np.array([-1.0, 0.0])}, "movable_usd"),
        ({"free_usd": np.full((3, 2), -1.0)}, "free_usd"),
        ({"free_usd": np.ones((2, 2))}, "free_usd"),
        ({"q": 1.0}, "q, eta"),
        ({"eta": -1.0}, "q, eta"),
    ],
)
def test_bad_input_is_refused_by_name(changes, named):
    with pytest.raises(RiskInputError, match=named):
        preposition(**(GOOD | changes))
