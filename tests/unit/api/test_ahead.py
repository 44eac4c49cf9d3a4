from decimal import Decimal

from rich.console import Console

from aggregator.report import ReverseStressLine
from api.cli.ahead import ahead, nearest
from api.cli.tables import full
from tests.kit.world import CHAINS, holding, loan, perp, report

ONE, TWO = CHAINS


def printed(thing) -> str:
    console = Console(width=220, record=True)
    with console.capture() as taken:
        console.print(thing)
    return taken.get()


def test_each_account_shows_its_three_prices_its_chances_and_the_way_to_its_breach():
    made = report([loan(ONE, "20", "40000"), perp(TWO, "-10", "9000"), holding(TWO, "USDC", "5000", "0.01")])
    text = printed(full(made))
    for line in made.venues:
        for prices in line.liquidation_prices.values():
            for price in (prices.own_usd, prices.joint_usd):
                assert price is None or f"{price:,.0f}" in text
    assert "lender on" in text
    assert "perps on" in text
    assert "wallet on" not in text.split("Liquidation price")[1]
    assert text.count("daily sigmas)") == 3


def test_loan_alone_dies_where_its_collateral_is_its_debt_and_the_whole_dies_later():
    made = report([loan(ONE, "20", "40000"), holding(TWO, "USDC", "5000", "0.01")])
    (lender,) = (line for line in made.venues if line.venue == "lender")
    # 20 x 0.8 x price = 40,000: by hand 2,500. With 4,950 of counted dollars elsewhere (at the low end of their
    # interval, hence not exact): 20 x 0.8 x price = 35,050.
    assert abs(lender.liquidation_prices["ETH"].own_usd - 2500) < Decimal("0.01")
    assert abs(lender.liquidation_prices["ETH"].joint_usd - 2500) < Decimal("0.01")
    assert abs(made.unified_liquidation["ETH"].price_usd - Decimal("2190.625")) < Decimal("0.3")


def test_two_coins_fall_together_before_one_falls_alone():
    made = report([loan(ONE, "20", "40000"), perp(ONE, "10", "9000")])
    perps = next(line for line in made.venues if line.venue == "perps")
    prices = perps.liquidation_prices["ETH"]
    assert prices.joint_usd == prices.own_usd


def test_nothing_required_has_nothing_ahead_and_unknown_is_said():
    assert ahead(report([holding(ONE, "USDC", "100", "0.01")])) is None
    assert nearest(None) == "?"
    moves = {"ETH": Decimal("-20"), "BTC": Decimal("-10"), "SOL": Decimal("-1"), "LINK": Decimal("-30")}
    found = ReverseStressLine(daily_sigmas=Decimal("3.04"), moves_pct=moves)
    assert nearest(found) == "LINK -30.0 %, ETH -20.0 %, BTC -10.0 % (3.0 daily sigmas)"
