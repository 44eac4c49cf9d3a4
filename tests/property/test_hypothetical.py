"""A portfolio that exists in the question only: its report is that of the same accounts read from a chain."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.portfolios import Portfolios
from aggregator.simulate.hypothetical import CannotSimulate
from aggregator.simulate.model import Simulation
from aggregator.simulate.run import WhatIf
from chains.accounts import ReadFailure, ReadResult, VenueId
from chains.caip import account_id, parse_address
from oracles.types import PriceBook, PriceStatus, ReconciledPrice
from tests.kit import world as hand
from tests.kit.api import NAME, a_world

FIRST, SECOND = hand.CHAINS
PRICES = {"ETH": "3000", "BTC": "60000", "USDC": "1"}
FIGURES = (
    "equity_usd", "net_value_usd", "venue_maintenance_usd", "isolated_buffer_usd", "netted_buffer_usd",
)  # fmt: skip
STRANGER = account_id(FIRST, parse_address("0x00000000000000000000000000000000DeaDBeef"))


def answer(question: dict, worlds: dict | None = None):
    what_if = WhatIf(hand.maker(), {NAME: a_world()} if worlds is None else worlds)
    return what_if.answer(Simulation.model_validate(question), hand.NOW)


def loan(collateral: str = "10", debt: str = "15000", account: str = hand.account(FIRST)) -> dict:
    legs = [
        {"kind": "collateral", "asset": "WETH", "amount": collateral, "threshold": "0.8"},
        {"kind": "debt", "asset": "USDC", "amount": debt},
    ]
    return {"account": account, "venue": "lender", "legs": legs}


def perp(size: str, cash: str) -> dict:
    legs = [
        {"kind": "perp", "asset": "WETH", "amount": size, "maintenance_ratio": "0.05"},
        {"kind": "cash", "asset": "USDC", "amount": cash},
    ]
    return {"account": hand.account(SECOND), "venue": "perps", "legs": legs}


def option(amount: str, vol: str = "0.6", is_call: bool = True) -> dict:
    expiry = hand.NOW_S + 30 * 86_400
    terms = {"strike_usd": "3200", "expiry": expiry, "vol": vol, "is_call": is_call}
    legs = [
        {"kind": "option", "asset": "WETH", "amount": amount, **terms},
        {"kind": "cash", "asset": "USDC", "amount": "9000"},
    ]
    return {"account": hand.account(SECOND), "venue": "options", "legs": legs}


def read(*accounts):
    """The report of accounts that were read, at exactly the prices of the questions."""
    exact = {key: Decimal(price) for key, price in PRICES.items()}
    book = {k: ReconciledPrice(k, PriceStatus.OK, "as given", p, p, p) for k, p in exact.items()}
    world = replace(a_world(), reads=(ReadResult(accounts),), book=PriceBook(book))
    (report,) = hand.maker().make(world)
    return report


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 60_000), st.integers(-12, 12).filter(bool), st.integers(500, 30_000))
def test_it_is_the_report_of_the_same_accounts_that_were_read(collateral, debt, size, cash):
    accounts = [loan(str(collateral), str(debt)), perp(str(size), str(cash))]
    ours = answer({"accounts": accounts, "prices": PRICES}, {}).before
    theirs = read(hand.loan(FIRST, str(collateral), str(debt)), hand.perp(SECOND, str(size), str(cash)))
    for name in FIGURES:
        assert abs(getattr(ours, name) - getattr(theirs, name)) <= Decimal("0.01"), name
    for mine, other in zip(ours.venues, theirs.venues, strict=True):
        assert (mine.venue, mine.chain) == (other.venue, other.chain)
        assert abs(mine.surplus_usd - other.surplus_usd) <= Decimal("0.01")


def test_an_option_is_worth_more_by_a_higher_volatility_and_needs_more_when_short():
    long, short = (
        answer({"accounts": [option("5")], "prices": PRICES}),
        answer({"accounts": [option("-5")], "prices": PRICES}),
    )
    assert long.before.net_value_usd > 9000 > short.before.net_value_usd
    assert long.before.net_value_usd + short.before.net_value_usd == pytest.approx(18_000, abs=1)
    assert short.before.venue_maintenance_usd > long.before.venue_maintenance_usd == 0
    more = answer({"accounts": [option("5")], "prices": PRICES, "changes": {"vol_pct": "50"}})
    assert more.net_value_change_usd > 100
    again = answer({"accounts": [option("5", vol="0.9")], "prices": PRICES})
    assert more.after.net_value_usd == pytest.approx(again.before.net_value_usd, abs=1)


def test_slower_routes_ask_for_a_larger_buffer_between_both_bounds():
    hedged = [loan("10", "10000"), perp("-8", "3000")]
    quick = answer({"accounts": hedged, "prices": PRICES})
    late = {"routes": [{"bridge": name, "delay_s": 500_000} for name in ("across", "canonical")]}
    slow = answer({"accounts": hedged, "prices": PRICES, "changes": late})
    before, after = slow.before, slow.after
    assert before.unified_buffer_usd == quick.after.unified_buffer_usd
    assert before.netted_buffer_usd <= before.unified_buffer_usd < after.unified_buffer_usd
    assert after.unified_buffer_usd <= after.isolated_buffer_usd
    assert before.model.params_hash != after.model.params_hash


def test_a_breach_is_named_and_nobody_is_asked_without_prices():
    found = answer({"accounts": [loan("10", "23000")], "prices": PRICES, "changes": {"spot_pct": "-10"}}, {})
    assert (found.would_breach, found.breaches) == (True, (f"{hand.account(FIRST)}/lender",))
    assert found.before.venues[0].surplus_usd > 0 > found.after.venues[0].surplus_usd
    with pytest.raises(CannotSimulate, match="no price of ETH"):
        answer({"accounts": [loan()]}, {})


@pytest.mark.parametrize("portfolio", [None, NAME])
def test_an_account_of_somebody_else_tells_nothing_of_what_was_read_of_it(portfolio):
    """A scan reads everybody's accounts together: naming one is not being allowed to see it."""
    theirs = replace(hand.loan(FIRST, "77", "1"), account=STRANGER, venue=VenueId("secret"))
    world = a_world()
    failed = ReadFailure(STRANGER, VenueId("hidden"), "unreachable", "not to be told")
    reads = (*world.reads, ReadResult((theirs,), (failed,)))
    everybody = Portfolios({**world.portfolios.members, "other": (STRANGER,)})
    worlds = dict.fromkeys(("other", NAME), replace(world, reads=reads, portfolios=everybody))
    question = {"portfolio": portfolio, "accounts": [loan(account=STRANGER)], "prices": PRICES}
    found = answer(question, worlds)
    for report in (found.before, found.after):
        assert [v.venue for v in report.venues if v.account == STRANGER] == ["lender"]
        assert "secret" not in report.model_dump_json()
        assert "hidden" not in report.model_dump_json()
        assert "not to be told" not in report.model_dump_json()
    alone = answer(question, {NAME: world} if portfolio else {})
    assert Decimal(alone.before.equity_usd) == found.before.equity_usd
