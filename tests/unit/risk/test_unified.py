import numpy as np
import pytest

from risk.errors import RiskInputError
from risk.unified import expected_shortfall, interpolated, unified, worst_of

HEDGE = np.array([[100.0, -100.0], [-100.0, 100.0]])


def both(g):
    return np.array([[0.0, g], [g, 0.0]])


def test_hedge_pays_for_its_lag():
    found = unified(HEDGE, both(0.3))
    assert (float(found.iso), float(found.net)) == (200.0, 0.0)
    assert float(found.uni) == pytest.approx(60.0)
    assert float(found.addon) == pytest.approx(60.0)
    assert found.local_floor == pytest.approx([30.0, 30.0])


def test_three_venues_by_hand():
    # A and B link at 0.2, C joins through B at 0.5: [0, .2) apart, [.2, .5) AB | C, [.5, 1) all
    g = np.array([[0, 0.2, 0.9], [0.2, 0, 0.5], [0.9, 0.5, 0]])
    losses = np.array([[10.0, -10.0], [-6.0, 6.0], [-4.0, 4.0]])
    found = unified(losses, g)
    assert float(found.uni) == pytest.approx(0.2 * 20 + 0.3 * 8 + 0.5 * 0)
    assert found.local_floor == pytest.approx([0.2 * 10, 0.2 * 6, 0.5 * 4])


def test_one_account_holds_its_own_risk():
    found = unified(HEDGE[:1], np.zeros((1, 1)))
    assert float(found.uni) == float(found.iso) == float(found.net) == 100.0
    assert found.local_floor.tolist() == [100.0]


def test_accounts_without_anything_movable_help_nobody():
    found = unified(HEDGE, both(0.3), donors=np.array([True, False]))
    assert found.local_floor == pytest.approx([100.0, 30.0])


def test_gains_are_no_negative_requirement():
    found = unified(-np.abs(HEDGE), both(0.3))
    assert float(found.iso) == float(found.uni) == 0.0


def test_one_g_serves_a_batch():
    found = unified(np.stack([HEDGE, 2 * HEDGE]), both(0.3))
    assert found.uni == pytest.approx([60.0, 120.0])


def test_forty_accounts():
    rng = np.random.default_rng(0)
    g = rng.uniform(0, 1, (40, 40))
    g = np.triu(g, 1) + np.triu(g, 1).T
    found = unified(rng.normal(size=(40, 200)), g)
    assert found.net <= found.uni <= found.iso


def test_expected_shortfall_takes_its_share_of_the_boundary():
    losses = np.arange(10.0)
    assert float(expected_shortfall(0.8)(losses)) == pytest.approx(8.5)
    assert float(expected_shortfall(0.85)(losses)) == pytest.approx((9 + 0.5 * 8) / 1.5)
    assert float(expected_shortfall(0.0)(losses)) == pytest.approx(4.5)
    assert float(expected_shortfall(0.99)(losses)) == pytest.approx(9.0)
    assert float(expected_shortfall(0.8)(-losses - 1)) == 0.0
    assert float(worst_of(losses)) == 9.0
    with pytest.raises(RiskInputError, match="level"):
        expected_shortfall(1.0)


def test_interpolation():
    assert interpolated(200.0, 10.0, 0.5) == 105.0


@pytest.mark.parametrize(
    ("losses", "g", "says"),
    [
        (HEDGE * np.nan, both(0.3), "losses.*finite"),
        (HEDGE, both(1.5), "in \\[0, 1\\]"),
        (HEDGE, both(np.nan), "in \\[0, 1\\]"),
        (HEDGE, np.array([[0, 0.2], [0.3, 0]]), "symmetric"),
        (HEDGE, np.full((2, 2), 0.5), "diagonal"),
        (HEDGE, np.zeros((3, 3)), "must be"),
        (np.stack([HEDGE, HEDGE]), np.zeros((3, 2, 2)), "broadcast"),
        (np.zeros((2, 0)), both(0.3), "not empty"),
    ],
)
def test_bad_input_is_named(losses, g, says):
    with pytest.raises(RiskInputError, match=says):
        unified(losses, g)
