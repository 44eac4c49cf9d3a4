"""When prices alone ask for a look: against the statuses that the report maker itself gives."""

from decimal import Decimal

import pytest

from aggregator.moved import moved, outset_of
from tests.kit.world import CHAINS, PRICES, holding, loan, perp, report

ONE, TWO = CHAINS
START = PRICES["ETH"]
STEPS = 400


def book(debt: int, cash: str, price: Decimal):
    accounts = [loan(ONE, "20", str(debt), price), holding(TWO, "USDC", cash, "0.01")]
    return report(accounts, prices={**PRICES, "ETH": price})


def at(outset, price: Decimal):
    """Prices by asset with ETH at a price."""
    return {a: float(price) if outset.factors.get(a) == "ETH" else mid for a, mid in outset.mids.items()}


@pytest.mark.parametrize(
    ("debt", "cash"), [(25_000, "40000"), (30_000, "4000"), (35_000, "4000"), (35_000, "40000"), (40_000, "40000")]
)
def test_a_look_comes_before_half_the_way_to_the_next_status(debt, cash):
    before = book(debt, cash, START)
    outset = outset_of(before)
    prices = [START * (STEPS - step) / STEPS for step in range(1, STEPS // 2)]
    seen = next(START - price for price in prices if moved(outset, at(outset, price)))
    low, high = 0, len(prices) - 1  # the ladder is monotone in the price: search for its next rung
    while low < high:
        middle = (low + high) // 2
        changed = book(debt, cash, prices[middle]).status.severity > before.status.severity
        low, high = (low, middle) if changed else (middle + 1, high)
    way = START - prices[low]
    assert Decimal("0.15") * way <= seen <= Decimal("0.5") * way


def test_prices_that_stand_still_or_help_ask_for_nothing():
    outset = outset_of(book(35_000, "4000", START))
    for price in (START, START * Decimal("1.2")):
        assert moved(outset, at(outset, price)) is None


def test_a_short_perp_is_hurt_by_a_rise():
    outset = outset_of(report([perp(ONE, "-10", "4000")]))
    assert moved(outset, at(outset, START * Decimal("0.9"))) is None
    assert "perps on eip155:1" in moved(outset, at(outset, START * Decimal("1.05")))


def test_a_price_that_is_lost_or_found_asks_for_a_look():
    outset = outset_of(book(30_000, "4000", START))
    lost = dict.fromkeys(outset.mids)
    assert "is lost" in moved(outset, lost)
    blind = outset_of(report([loan(ONE, "20", "30000")], prices={"USDC": Decimal(1)}))
    assert "known again" in moved(blind, at(outset, START))


def test_what_helps_one_account_does_not_make_up_for_what_hurts_another():
    both = report([loan(ONE, "20", "42000"), perp(TWO, "-20", "9000")])
    outset = outset_of(both)
    assert moved(outset, at(outset, START * Decimal("0.93"))) is not None
    assert moved(outset, at(outset, START * Decimal("1.07"))) is not None
