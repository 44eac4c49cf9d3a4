"""A shock through the accounts of a world: by factor name, with each venue's rule, nothing left out silently."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from aggregator.errors import ConfigError
from aggregator.portfolios import Portfolios
from aggregator.reports import World
from aggregator.spiral import spiral
from api.cli.cascade import _body, _pair
from chains.accounts import Closing, Liquidation, ReadResult
from chains.types import Cut
from tests.kit.world import CHAINS, NOW, account, block, holding, loan, maker, perp, quotes

ONE, TWO = CHAINS


def a_world(*accounts) -> World:
    members = tuple(account(chain) for chain in CHAINS)
    cut = Cut({chain: block(chain) for chain in CHAINS})
    return World(NOW, cut, Portfolios({"p": members}), (ReadResult(accounts),), quotes(), frozenset())


def lent(collateral: str, debt: str):
    rule = Liquidation(Closing.DEBT, Decimal(debt), Decimal("0.05"), Decimal("0.5"), Decimal("0.95"))
    return replace(loan(ONE, collateral, debt), liquidation=rule)


def test_a_loan_is_closed_by_its_venues_rule_and_the_hedge_stands():
    world = a_world(lent("10", "20000"), perp(TWO, "-5", "9000"))
    found = spiral(maker(), world, {"ETH": -0.2}, {"ETH": 1e30})
    (only,) = found.result.rounds
    assert [found.accounts[row].venue for row in only.accounts] == ["lender"]
    # ETH at 2,400: E 19,200 of 20,000, health 0.96: half the debt for 10,500 of collateral
    assert found.by_venue() == {"lender on eip155:1": (pytest.approx(500.0), 0.0, 1)}
    assert only.sold_usd[found.factors.index("ETH")] == pytest.approx(10_500.0)


def test_a_rule_that_is_not_known_takes_everything():
    found = spiral(maker(), a_world(perp(ONE, "10", "6000")), {"ETH": -0.17}, {})
    assert found.by_venue()["perps on eip155:1"][0] == pytest.approx(6_000 - 10 * 3_000 * 0.17)


def test_what_cannot_take_part_is_named():
    found = spiral(maker(), a_world(lent("10", "9000"), holding(TWO, "XYZ", "1")), {"ETH": -0.1}, {})
    assert found.result.rounds == ()
    assert any("XYZ" in what for what, _ in found.left_out)
    body = json.loads(json.dumps(_body(found)))
    assert (body["settled"], body["accounts"], body["moves"]) == (True, 1, {"ETH": -0.1})


def test_a_factor_nobody_holds_is_refused():
    with pytest.raises(ConfigError, match=r"SOL.*ETH"):
        spiral(maker(), a_world(lent("10", "9000")), {"SOL": -0.1}, {})


@pytest.mark.parametrize(("text", "pair"), [("ETH=-20%", ("ETH", -0.2)), ("BTC=0.1", ("BTC", 0.1))])
def test_shocks_are_read(text, pair):
    assert _pair("--shock", text, percent=True) == pair


@pytest.mark.parametrize("text", ["ETH", "ETH=", "=-5%", "ETH=-100%", "ETH=nan", "ETH=x%", "ETH=-20%%"])
def test_shocks_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match="--shock"):
        _pair("--shock", text, percent=True)
