"""What may leave an account when the world has moved."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from risk.errors import RiskInputError
from risk.movable import let_out_usd, movable_by_scenario

CENT = 0.01
many = settings(max_examples=500, deadline=None)


def out(worth, counted, room):
    return let_out_usd(np.array(worth)[:, None], np.array(counted)[:, None], np.array([room]))[0]


def test_a_lending_account_gives_more_than_its_surplus():
    # Threshold 80 %: a dollar of surplus lets 1.25 dollars of collateral out, as long as there is some.
    assert out([1000.0], [800.0], 100.0) == 125.0
    assert out([50.0], [40.0], 100.0) == 50.0


def test_pockets_are_emptied_in_their_order():
    assert out([100.0, 100.0], [50.0, 90.0], 95.0) == 150.0


def test_what_the_rule_does_not_look_at_leaves_whatever_is_owed():
    assert out([70.0, 100.0], [0.0, 80.0], -5.0) == 70.0
    assert out([70.0, 100.0], [0.0, 80.0], np.inf) == 170.0


def one(let_out=40.0, surplus=60.0, floor=5.0, loss=0.0):
    found = movable_by_scenario(np.array([[let_out]]), np.array([surplus]), np.array([[loss]]), np.array([floor]))
    return float(found[0, 0])


def test_the_floor_binds_where_it_is_nearer():
    assert one() == 40.0
    assert one(let_out=100.0) == 55.0
    assert one(let_out=100.0, loss=50.0) == 5.0
    assert one(loss=70.0) == 0.0


def test_what_is_not_known_does_not_move():
    assert one(let_out=np.nan) == one(surplus=np.nan) == one(floor=np.nan) == 0.0
    assert out([np.nan], [1.0], 10.0) == 0.0


@many
@given(st.integers(0, 2**32 - 1))
def test_the_rule_holds_after_taking_it_and_breaks_a_cent_later(seed):
    """Lending in general: any prices and thresholds, cheapest threshold first; nothing dearer could give more."""
    rng = np.random.default_rng(seed)
    weight = np.sort(rng.uniform(0.05, 0.98, 3))
    worth = rng.uniform(0, 1000, 3)
    debt = rng.uniform(0, 1.2) * (worth @ weight)
    room = worth @ weight - debt
    taken = out(worth, worth * weight, room)
    left, lost = taken, 0.0
    for value, share in zip(worth, weight, strict=True):
        step = min(left, value)
        lost, left = lost + step * share, left - step
    assert left < 1e-6
    if room <= 0:
        assert taken == 0.0
        return
    assert worth @ weight - lost - debt >= -1e-6
    assume(taken < worth.sum() - CENT)
    # The next cent comes from the pocket that is open, the cheapest one left.
    assert worth @ weight - lost - CENT * weight[np.searchsorted(np.cumsum(worth), taken)] - debt < 0


@many
@given(st.integers(0, 2**32 - 1))
def test_more_loss_never_frees_more(seed):
    rng = np.random.default_rng(seed)
    loss = np.sort(rng.normal(size=(3, 9)) * 100)
    surplus, floor = rng.uniform(0, 100, (2, 3))
    free = -np.sort(-rng.uniform(0, 100, (3, 9)))
    found = movable_by_scenario(free, surplus, loss, floor)
    assert (np.diff(found) <= 1e-12).all()
    assert (found <= free).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("counted", [-1.0, np.nan])
def test_what_a_rule_cannot_lose_is_refused(counted):
    with pytest.raises(RiskInputError, match="counted_usd"):
        out([10.0], [counted], 5.0)


def test_shapes_that_do_not_fit_are_refused():
    loss = np.zeros((1, 4))
    with pytest.raises(RiskInputError, match="floor_usd"):
        movable_by_scenario(loss, np.ones(1), loss, np.ones(2))
    with pytest.raises(RiskInputError, match="let_out"):
        movable_by_scenario(np.zeros((1, 3)), np.ones(1), loss, np.ones(1))
    with pytest.raises(RiskInputError, match="room_usd"):
        let_out_usd(loss, loss, np.zeros(3))
