"""What-if answers are the reports that would be made of the changed world."""

from dataclasses import replace
from decimal import Decimal

import pytest

from aggregator.simulate.hypothetical import CannotSimulate
from aggregator.simulate.model import Simulation
from aggregator.simulate.run import WhatIf
from chains.accounts import ReadResult
from tests.kit import world as hand
from tests.kit.api import NAME, a_world

FIGURES = ("equity_usd", "mm_requirement_usd", "unified_buffer_usd", "mm_excess_usd", "net_value_usd")


def asked(**changes):
    question = Simulation.model_validate({"portfolio": NAME, "changes": changes})
    return WhatIf(hand.maker(), {NAME: a_world()}).answer(question, hand.NOW)


def real(*accounts, prices=None):
    world = a_world()
    quotes = hand.quotes(prices) if prices else world.quotes
    (report,) = hand.maker().make(replace(world, reads=(ReadResult(accounts),), quotes=quotes))
    return report


def close(ours, theirs):
    for name in FIGURES:
        left, right = getattr(ours, name), getattr(theirs, name)
        assert abs(left - right) <= Decimal("0.01") + abs(right) / 10_000, (name, left, right)
    assert ours.status is theirs.status


def test_no_change_changes_nothing():
    answer = asked()
    assert answer.before.model_dump(exclude={"id"}) == answer.after.model_dump(exclude={"id"})
    assert answer.mm_excess_change_usd == 0


@pytest.mark.parametrize("move", [-40, -20, -5, 10, 50])
def test_a_price_move_is_the_report_at_the_moved_prices(move):
    price = hand.PRICES["ETH"] * (100 + move) / 100
    first, second = hand.CHAINS
    there = hand.perp(second, "-5", str(3000 - 5 * (price - 3000)), price)
    prices = hand.PRICES | {"ETH": price, "BTC": hand.PRICES["BTC"] * (100 + move) / 100}
    wanted = real(
        hand.loan(first, "10", "15000", price), there, hand.holding(second, "USDC", "5000"), prices=prices
    )
    got = asked(spot_pct=str(move)).after
    for name in ("equity_usd", "net_value_usd", "venue_maintenance_usd"):
        assert abs(getattr(got, name) - getattr(wanted, name)) <= 10, name  # widths of prices grow with the price


def test_more_collateral_is_the_report_of_a_larger_account():
    first, second = hand.CHAINS
    loan = hand.loan(first, "10", "15000")
    got = asked(collateral_changes=[{"account": loan.id, "asset": "WETH", "amount": "2"}]).after
    close(got, real(hand.loan(first, "12", "15000"), hand.perp(second, "-5", "3000"),
                    hand.holding(second, "USDC", "5000")))  # fmt: skip


def test_a_larger_position_is_the_report_of_one():
    first, second = hand.CHAINS
    perp = hand.perp(second, "-5", "3000")
    got = asked(position_changes=[{"account": perp.id, "market": "WETH", "amount": "-2"}]).after
    wanted = real(
        hand.loan(first, "10", "15000"), hand.perp(second, "-7", "3000"), hand.holding(second, "USDC", "5000")
    )
    assert abs(got.equity_usd - wanted.equity_usd) < 1
    assert abs(got.venue_maintenance_usd - wanted.venue_maintenance_usd) < 1


def test_what_does_not_fit_is_refused_with_what_there_is():
    loan = hand.loan(hand.CHAINS[0], "10", "15000")
    for wrong, says in (
        ({"collateral_changes": [{"account": "x", "asset": "WETH", "amount": "1"}]}, "there are"),
        ({"collateral_changes": [{"account": loan.id, "asset": "WETH", "amount": "-11"}]}, "only 10"),
        ({"collateral_changes": [{"account": loan.id, "asset": "NOPE", "amount": "1"}]}, "WETH"),
        ({"position_changes": [{"account": loan.id, "market": "ETH", "amount": "1"}]}, "accounts"),
        ({"routes": [{"bridge": "nobody", "fee_bps": 1}]}, "no route"),
        ({"prices": [{"name": "NOPE", "pct": "1"}]}, "known price key"),
    ):
        with pytest.raises(CannotSimulate, match=says):
            asked(**wrong)


def with_model(**model):
    question = Simulation.model_validate({"portfolio": NAME, "model": model})
    return WhatIf(hand.maker(), {NAME: a_world()}).answer(question, hand.NOW)


def test_another_set_of_scenarios_asks_for_another_buffer_of_the_same_positions():
    grid = with_model(scenario_sets=["grid"])
    assert grid.mm_excess_change_usd == 0
    both, stress = with_model(scenario_sets=["grid", "stress"]).after, with_model(scenario_sets=["stress"]).after
    assert both.isolated_buffer_usd >= max(grid.after.isolated_buffer_usd, stress.isolated_buffer_usd)
    assert (both.equity_usd, both.venue_maintenance_usd) == (
        grid.before.equity_usd, grid.before.venue_maintenance_usd,
    )  # fmt: skip
    assert len({grid.after.model.params_hash, both.model.params_hash, stress.model.params_hash}) == 3
    tails = with_model(scenario_sets=["copula"]).after
    assert tails.model.id.startswith("copula")
    assert tails.unified_buffer_usd > 0


def test_a_model_that_cannot_be_made_is_refused_with_the_reason():
    with pytest.raises(CannotSimulate, match=r"model\.history: the set fhs needs a price history"):
        with_model(scenario_sets=["fhs"])
    with pytest.raises(CannotSimulate, match="twice"):
        with_model(scenario_sets=["grid", "grid"])
