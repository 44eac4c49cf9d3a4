"""Published figures of the backtest statistics.

Origin: mathworks.com/help/risk/varbacktest.{pof,cci,cc,tl}.html, T 1043, 57 failures at 5 %, N 932/53/53/4. Zones
of 250 days at 1 %: Basel Committee, supervisory framework for the use of backtesting, 1996.
"""

import json
import os
from pathlib import Path

import pytest

from risk.validation import Zone, conditional_coverage, independence, kupiec, traffic_light

T, FAILURES, RATE = 1043, 57, 0.05
N00, N10, N01, N11 = 932, 53, 53, 4


def test_published_likelihood_ratios():
    frequency, order = kupiec(T, FAILURES, RATE), independence(N00, N01, N10, N11)
    both = conditional_coverage(frequency, order)
    assert (frequency.statistic, frequency.p_value) == pytest.approx((0.46147, 0.49694), abs=5e-6)
    assert (order.statistic, order.p_value) == pytest.approx((0.25866, 0.61104), abs=5e-6)
    assert (both.statistic, both.p_value) == pytest.approx((0.72013, 0.69763), abs=5e-6)


def test_published_traffic_light():
    light = traffic_light(T, FAILURES, RATE)
    assert light.zone is Zone.GREEN
    assert (light.probability, light.type_one) == pytest.approx((0.77913, 0.26396), abs=5e-6)


@pytest.mark.parametrize(("hits", "zone"), [(0, "green"), (4, "green"), (5, "yellow"), (9, "yellow"), (10, "red")])
def test_basel_zones(hits, zone):
    assert traffic_light(250, hits, 0.01).zone == zone


if VECTORS := os.environ.get("CROSSMARGIN_VECTORS"):

    def test_shared_vectors():
        case = json.loads((Path(VECTORS) / "backtest_matlab.json").read_text())
        wanted = case["expected"]
        frequency = kupiec(case["T"], case["failures"], case["p"])
        order = independence(case["N00"], case["N01"], case["N10"], case["N11"])
        both = conditional_coverage(frequency, order)
        light = traffic_light(case["T"], case["failures"], case["p"])
        ours = {
            "LRatioPOF": frequency.statistic, "PValuePOF": frequency.p_value,
            "LRatioCCI": order.statistic, "PValueCCI": order.p_value,
            "LRatioCC": both.statistic, "PValueCC": both.p_value,
            "TL_Probability": light.probability, "TL_TypeI": light.type_one, "TL": light.zone,
        }  # fmt: skip
        assert ours.pop("TL") == wanted.pop("TL")
        assert ours == pytest.approx(wanted, abs=5e-6)
