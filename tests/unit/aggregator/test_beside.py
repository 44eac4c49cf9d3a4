"""Other models' requirements for a whole portfolio: by hand, homogeneous, and refused by name."""

from dataclasses import replace
from decimal import Decimal
from math import exp

import pytest

from aggregator.beside import beside
from aggregator.registry import AssetRegistry
from chains.accounts import ReadResult
from chains.deployments import AssetInfo
from chains.instruments import Exposure, Option
from tests.kit import world as hand
from tests.kit.api import a_world

FIRST, SECOND = hand.CHAINS
DAYS = 30
EXPIRY = hand.block(FIRST).timestamp + DAYS * 86_400


def found(*accounts, prices=None):
    world = replace(a_world(), reads=(ReadResult(accounts),), quotes=hand.quotes(prices))
    return {one.model: one for one in beside(hand.maker(), world, accounts)}


def hedge(times=1):
    """10 ETH of collateral against 15,000 dollars of debt, and 5 ETH short, ``times`` over."""
    return (
        hand.loan(FIRST, str(10 * times), str(15_000 * times)),
        hand.perp(SECOND, str(-5 * times), str(3000 * times)),
    )


def option(units: str, strike: int, vol: str, *, is_call: bool, forward: int, rate: float = 0.05):
    spot = forward * exp(-rate * DAYS / 365)
    return Exposure(
        Option(
            hand.token(FIRST, "WETH"), f"{strike}", is_call, Decimal(strike), EXPIRY, Decimal(vol),
            Decimal(str(rate)), Decimal(spot),
        ),
        value=Decimal(units),
        equity=Decimal(units),
    )  # fmt: skip


def test_linear_books_by_hand():
    models = found(*hedge())
    standard, span, pmrm = models["standard"], models["span16"], models["pmrm"]
    assert standard.maintenance_usd == 10 * 3000 * Decimal("0.2") + 5 * 3000 * Decimal("0.065")
    assert standard.initial_usd == 10 * 3000 * Decimal("0.25") + 5 * 3000 * Decimal("0.1")
    assert span.maintenance_usd == 5 * 3000 * Decimal("0.18")
    assert span.worst == "ETH price -3/3, vol up"
    assert pmrm.initial_usd == pmrm.maintenance_usd * Decimal("1.25")
    # pm2: 0.8 x the worst row (-18 % of 5 ETH), 3 % of the perp and the haircut of 5 % on 10 ETH
    assert models["pm2"].maintenance_usd == pytest.approx(Decimal(2160 + 450 + 1500))


def test_the_book_of_the_documentation_by_way_of_a_portfolio():
    account = hand.perp(FIRST, "0.5", "1000", Decimal(2000))
    short = (
        option("-1", 2200, "0.60", is_call=True, forward=2000),
        option("-1", 1800, "0.65", is_call=False, forward=2000),
    )
    account = replace(account, exposures=account.exposures + short)
    models = found(account, prices=hand.PRICES | {"ETH": Decimal(2000)})
    for name, maintenance, initial in (
        ("pm2", "333.8292", "424.7865"),
        ("standard", "425", "620"),
        ("pmrm", "529.94", "662.42"),
        ("span16", "426.27", "532.83"),
    ):
        one = models[name]
        assert float(one.maintenance_usd) == pytest.approx(float(maintenance), abs=0.01), name
        assert float(one.initial_usd) == pytest.approx(float(initial), abs=0.01), name
        assert sum(one.by_market_usd.values()) == pytest.approx(one.maintenance_usd)


def test_twice_the_portfolio_needs_twice_as_much():
    once, twice = found(*hedge()), found(*hedge(2))
    assert set(once) == {"pm2", "pmrm", "standard", "span16", "es"}
    for name, one in once.items():
        assert twice[name].maintenance_usd == pytest.approx(2 * one.maintenance_usd, rel=Decimal("1e-6")), name
        assert one.initial_usd >= one.maintenance_usd > 0


def test_what_is_owed_net_is_a_short():
    owed = replace(
        hand.loan(FIRST, "1", "15000"),
        exposures=(Exposure(hand.perp(FIRST, "1", "0").exposures[0].instrument, value=Decimal(-3)),),
    )
    assert found(owed)["span16"].maintenance_usd == 3 * 3000 * Decimal("0.18")


def test_dollars_alone_need_nothing():
    for one in found(hand.holding(FIRST, "USDC", "5000")).values():
        assert (one.maintenance_usd, one.initial_usd, one.reason) == (0, 0, "")


def test_a_model_without_figures_for_a_market_says_so_and_gives_none():
    token = hand.token(FIRST, "XYZ")
    link = AssetInfo(token, "LINK", 18, "LINK", "LINK", "", "")
    known = replace(hand.maker(), registry=AssetRegistry(dict(hand.registry().assets) | {token: link}))
    account = hand.holding(FIRST, "XYZ", "100")
    world = replace(a_world(), reads=(ReadResult((account,)),), quotes=hand.quotes({"LINK": Decimal(20)}))
    models = {one.model: one for one in beside(known, world, (account,))}
    for name in ("standard", "span16"):
        assert (models[name].maintenance_usd, models[name].initial_usd) == (None, None)
        assert "LINK" in models[name].reason
    assert models["es"].maintenance_usd > 0


def test_accounts_that_cannot_be_revalued_have_no_figures():
    accounts = (hand.holding(FIRST, "XYZ", "1"),)
    world = replace(a_world(), reads=(ReadResult(accounts),))
    assert beside(hand.maker(), world, accounts) is None
