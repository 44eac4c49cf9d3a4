"""Route files that cannot be: each names the bridge, the row and what is wrong."""

import pytest

from risk.errors import ParameterError
from risk.routes import parse_routes

GOOD = {
    "slow_weight": 0.01, "slow_median_s": 3600, "slow_log_sd": 0.5, "fee_bps": 5.0, "capacity_usd": 1000.0,
    "row": '["eth", "arb", 1, 2, 3, "A"]', "pauses": 0.2, "outages": 1.0,
}  # fmt: skip


def text(**changes):
    v = GOOD | changes
    return f"""
outages_per_chain_year = {v["outages"]}
pauses_per_year = {v["pauses"]}
pause_s = 86400
[chains]
eth = "eip155:1"
arb = "eip155:42161"
[bridges.test]
slow_weight = {v["slow_weight"]}
slow_median_s = {v["slow_median_s"]}
slow_log_sd = {v["slow_log_sd"]}
fee_bps = {v["fee_bps"]}
capacity_usd = {v["capacity_usd"]}
routes = [{v["row"]}]
"""


def test_the_good_one_is_read():
    (route,) = parse_routes(text())
    assert (route.source, route.destination, route.bridge) == ("eip155:1", "eip155:42161", "test")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"row": '["eth", "eth", 1, 2, 3, "A"]'}, "source and destination are both"),
        ({"row": '["eth", "mars", 1, 2, 3, "A"]'}, "mars"),
        ({"row": '["eth", "arb", 3, 2, 1, "A"]'}, "q1 <= median <= q3"),
        ({"row": '["eth", "arb", -1, 2, 3, "A"]'}, "q1 <= median <= q3"),
        ({"row": '["eth", "arb", 1, 2, nan, "A"]'}, "q1 <= median <= q3"),
        ({"row": '["eth", "arb", 1, 2, 3]'}, "a row is"),
        ({"slow_weight": 1.2}, "sum to"),
        ({"slow_weight": -0.1}, "slow_weight"),
        ({"slow_median_s": 0}, "median must be positive"),
        ({"fee_bps": 10_000.0}, "fee_bps"),
        ({"fee_bps": 25_000.0}, "fee_bps"),
        ({"fee_bps": -1.0}, "fee_bps"),
        ({"capacity_usd": 0.0}, "capacity_usd"),
        ({"capacity_usd": -5.0}, "capacity_usd"),
        ({"capacity_usd": "nan"}, "capacity_usd"),
        ({"pauses": 120.0}, "no finite quantile"),
        ({"pauses": 400.0}, "sum to"),
        ({"outages": -1.0}, "outages_per_year"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes, says):
    with pytest.raises(ParameterError, match=says) as caught:
        parse_routes(text(**changes))
    assert "bridges.test.routes[0]" in str(caught.value)
