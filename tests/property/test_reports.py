"""Laws of RISK section 7 that only the whole report can show (11, 12, 13), over random books."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.status import Status
from tests.kit.world import CHAINS, PRICES, holding, loan, perp, report

ONE, TWO = CHAINS
EXAMPLES = 60
amounts = st.integers(0, 40).map(str)
sizes = st.integers(-60, 60).map(str)
deposits = st.integers(1_000, 90_000).map(str)


def book(debt: str, size: str, deposit: str, idle: str, cash: str = "0", price: Decimal = PRICES["ETH"]):
    return [
        loan(ONE, "20", debt, price),
        perp(TWO, size, deposit, price),
        holding(TWO, "WETH", idle),
        holding(ONE, "USDC", cash, "0.01"),
    ]


def line_of(made, venue: str, chain: str):
    return next(line for line in made.venues if (line.venue, line.chain) == (venue, chain))


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 47_000).map(str), sizes, deposits, amounts)
def test_buffers_are_ordered(debt, size, deposit, idle):
    made = report(book(debt, size, deposit, idle))
    slack = Decimal("0.001")
    assert made.netted_buffer_usd <= made.unified_buffer_usd + slack
    assert made.unified_buffer_usd <= made.isolated_buffer_usd + slack
    for line in made.venues:
        assert (line.surplus_usd < 0) == (line.status is Status.LIQUIDATABLE)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 47_000).map(str), sizes, deposits, amounts, st.integers(1, 50_000))
def test_cash_raises_surplus_one_for_one_and_lowers_nobodys_coverage(debt, size, deposit, idle, extra):
    before = report(book(debt, size, deposit, idle))
    after = report(book(debt, size, str(int(deposit) + extra), idle))
    changed = line_of(after, "perps", TWO).surplus_usd - line_of(before, "perps", TWO).surplus_usd
    assert abs(changed - extra) < Decimal("0.00001")
    covered = [line_of(made, "lender", ONE).liquidity_coverage for made in (before, after)]
    if None not in covered:
        assert covered[1] >= covered[0] - Decimal("0.00001")


@settings(max_examples=EXAMPLES)
@given(st.integers(10_000, 47_000).map(str), st.integers(1, 30))
def test_status_of_a_loan_never_improves_when_its_collateral_falls(debt, fall_percent):
    lower = PRICES["ETH"] * (100 - fall_percent) / 100
    before = report([loan(ONE, "20", debt), holding(TWO, "USDC", "4000", "0.01")])
    after = report(
        [loan(ONE, "20", debt, lower), holding(TWO, "USDC", "4000", "0.01")], prices={**PRICES, "ETH": lower}
    )
    assert after.status.severity >= before.status.severity


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 47_000).map(str), sizes, deposits, amounts, st.sets(st.sampled_from(sorted(PRICES))))
def test_unknown_never_becomes_a_number(debt, size, deposit, idle, missing):
    prices = {key: price for key, price in PRICES.items() if key not in missing}
    made = report(book(debt, size, deposit, idle, "10"), prices=prices)
    unknown = bool(missing & {"ETH", "USDC"})
    assert made.data_quality.complete is not unknown
    assert (made.mm_requirement_usd is None) is unknown
    if unknown:
        assert made.status not in {Status.SAFE, Status.WATCH}
        assert made.data_quality.degraded
