"""How long a scenario leaves: what the programme's arrivals rest on."""

import numpy as np
import pytest

from aggregator.advice.placement import outlasted_s
from aggregator.model import HORIZONS_S

SCALE = np.sqrt(HORIZONS_S / 86_400.0)


def outlasted(loss, surplus):
    return float(outlasted_s(np.array([[loss]]), np.array([surplus]), SCALE)[0, 0])


def test_a_loss_twice_the_surplus_unfolds_half_way_after_a_quarter_of_the_day():
    assert outlasted(200.0, 100.0) == pytest.approx(86_400 / 4, rel=0.05)


def test_what_the_surplus_covers_is_outlasted_for_good():
    assert outlasted(100.0, 100.0) == np.inf
    assert outlasted(-50.0, 10.0) == np.inf


def test_without_surplus_there_is_no_time():
    assert outlasted(100.0, 0.0) == 0.0
    assert outlasted(100.0, -5.0) == 0.0


def test_more_surplus_lasts_longer():
    times = [outlasted(100.0, s) for s in (5.0, 20.0, 50.0, 90.0)]
    assert times == sorted(times)
