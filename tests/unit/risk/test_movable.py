"""What may leave an account when the world has moved."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.errors import RiskInputError
from risk.movable import movable_by_scenario

LOSS = np.array([[0.0, 10.0, 50.0, -30.0]])


def one(free=40.0, surplus=60.0, floor=5.0, weight=1.0, loss=LOSS):
    return movable_by_scenario(np.array([free]), np.array([surplus]), loss, np.array([floor]), weight)[0].tolist()


def test_free_collateral_falls_dollar_by_dollar_and_gains_are_not_let_out():
    assert one() == [40.0, 30.0, 0.0, 40.0]


def test_the_floor_binds_where_it_is_nearer():
    assert one(free=100.0) == [55.0, 45.0, 5.0, 85.0]


def test_a_lending_account_loses_more_withdrawal_than_surplus():
    # Liquidation threshold 80 %: ten dollars of surplus lost are 12.5 dollars that may no longer be taken out.
    assert one(weight=0.8)[1] == 27.5


def test_what_is_not_known_does_not_move():
    assert one(free=np.nan) == [0.0] * 4
    assert one(surplus=np.nan) == [0.0] * 4


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_more_loss_never_frees_more_and_no_more_than_the_venue_lets_out(seed):
    rng = np.random.default_rng(seed)
    loss = np.sort(rng.normal(size=(3, 9)) * 100)
    free, surplus, floor = rng.uniform(0, 100, (3, 3))
    found = movable_by_scenario(free, surplus, loss, floor, rng.uniform(0.1, 1, 3))
    assert (np.diff(found) <= 1e-12).all()
    assert (found <= free[:, None]).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.5, np.nan])
def test_weights_that_cannot_be_are_refused(weight):
    with pytest.raises(RiskInputError, match="weight"):
        one(weight=weight)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(RiskInputError, match="floor_usd"):
        movable_by_scenario(np.ones(1), np.ones(1), LOSS, np.ones(2))
