import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.errors import RiskInputError
from risk.segments import LargestOf, TailRows
from risk.unified import ExpectedShortfall, unified


def test_rows_outside_tails_count_singly_and_tails_by_their_mean():
    losses = np.array([1.0, 5.0, *np.arange(40.0), 50.0])
    measure = LargestOf((TailRows(2, 42, 0.95, 1.1),))
    assert measure(losses) == 50.0
    assert measure(losses[:-1]) == pytest.approx(1.1 * (39 + 38) / 2)
    assert LargestOf((TailRows(0, 43, 0.95),))(losses) == ExpectedShortfall(0.95)(losses)


@given(st.integers(0, 2**32 - 1))
def test_it_is_subadditive_and_the_buffers_keep_their_order(seed):
    rng = np.random.default_rng(seed)
    measure = LargestOf((TailRows(3, 43, 0.9, 1.107), TailRows(43, 83, 0.975)))
    losses = rng.standard_t(3, (4, 90)) * rng.uniform(1, 100, (4, 1))
    assert measure(losses.sum(axis=0)) <= measure(losses).sum() * (1 + 1e-12) + 1e-9
    g = rng.uniform(0, 1, (4, 4))
    g = np.maximum(g, g.T)
    np.fill_diagonal(g, 0.0)
    found = unified(losses, g, measure)
    assert found.net - 1e-9 <= found.uni <= found.iso + 1e-9


@pytest.mark.parametrize(("start", "stop", "scale"), [(3, 3, 1.0), (-1, 4, 1.0), (0, 4, 0.5)])
def test_tails_that_are_none_are_refused(start, stop, scale):
    with pytest.raises(RiskInputError):
        TailRows(start, stop, 0.975, scale)


def test_a_tail_beyond_the_rows_is_refused():
    with pytest.raises(RiskInputError, match="has 5 rows"):
        LargestOf((TailRows(0, 9, 0.975),))(np.zeros((2, 5)))
