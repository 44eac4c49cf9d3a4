"""What the width of the prices means: flagged at both ends, named at one, and the venue's verdict stays a fact."""

from dataclasses import replace
from decimal import Decimal

from aggregator.portfolios import Portfolios
from aggregator.reports import World
from aggregator.verdict import borrow_shortfall_usd
from chains.accounts import ReadResult, VenueAccount
from chains.types import Cut
from oracles.clocks import ClockSkew
from oracles.reconcile import reconcile
from oracles.types import PriceBook, Quote, Quotes
from risk.status import Status
from tests.kit.world import CHAINS, NOW, NOW_S, account, block, holding, loan, maker, perp, registry

ONE, TWO = CHAINS
MEMBERS = tuple(account(chain) for chain in CHAINS)


def quoted(eth: tuple[str, str, str], width_bps: int = 40) -> Quotes:
    """Ether by three sources, dollars at par."""
    sources = ("chainlink", "pyth", "uniswap")
    found = []
    for source, text in zip(sources, eth, strict=True):
        for key, price in (("ETH", Decimal(text)), ("USDC", Decimal(1)), ("BTC", Decimal(60_000))):
            half = price * width_bps / 10_000 if key == "ETH" else Decimal(0)
            found.append(
                Quote(key, f"{source}@test", source, price, half, NOW_S - 5, NOW_S, holds_until=NOW_S + 60)
            )
    return Quotes(tuple(found))


def made(accounts: list[VenueAccount], quotes: Quotes, book: PriceBook | None = None):
    cut = Cut({chain: block(chain) for chain in CHAINS})
    world = World(NOW, cut, Portfolios({"p": MEMBERS}), (ReadResult(tuple(accounts)),), quotes, frozenset(), book)
    (report,) = maker().make(world)
    return report


def test_short_at_the_worse_end_only_names_the_source_that_it_hangs_on() -> None:
    # 10 ether at 80 %: 24,000 at 3,000; the lowest quote, 2,985 - 12, makes 23,784
    report = made([loan(ONE, "10", "23900")], quoted(("3000", "3000", "2985")))
    (line,) = report.venues
    assert line.status is Status.WATCH or line.status.severity > Status.WATCH.severity
    assert line.surplus_low_usd < 0 < line.surplus_high_usd
    assert line.price_verdict == "liquidatable if uniswap@test (ETH 2973.06) is right"
    assert line.venue_liquidatable is False


def test_short_at_every_price_before_the_venue_knows_is_to_be_deleveraged() -> None:
    report = made([loan(ONE, "10", "23000")], quoted(("2800", "2801", "2799")))
    (line,) = report.venues
    assert line.surplus_high_usd < 0
    assert line.venue_liquidatable is False
    assert line.status is Status.DELEVERAGE
    assert line.price_verdict.endswith("the venue's own oracle has not followed")
    assert "at every price that the sources agree on" in line.reason


def test_the_venues_own_verdict_stays_a_fact_when_no_price_supports_it() -> None:
    report = made([loan(ONE, "10", "24500")], quoted(("3300", "3301", "3299")))
    (line,) = report.venues
    assert (line.status, line.venue_liquidatable) == (Status.LIQUIDATABLE, True)
    assert line.price_verdict == "liquidatable by the venue's own prices only"


def test_both_agree() -> None:
    report = made([loan(ONE, "10", "24500")], quoted(("3000", "3000", "3000")))
    (line,) = report.venues
    assert (line.status, line.price_verdict) == (Status.LIQUIDATABLE, "liquidatable at every reconciled price")


def test_a_short_hangs_on_the_source_that_says_most() -> None:
    short = perp(ONE, "-10", "1550")
    short = replace(short, equity_usd=Decimal(1550))
    report = made([short], quoted(("3000", "3000", "3015")))
    (line,) = report.venues
    assert line.price_verdict == "liquidatable if uniswap@test (ETH 3027.06) is right"


def test_what_is_far_from_liquidation_has_no_verdict() -> None:
    report = made([loan(ONE, "10", "5000"), holding(TWO, "WETH", "5")], quoted(("3000", "3000", "2985")))
    assert [line.price_verdict for line in report.venues] == ["", ""]


def test_a_wider_interval_costs_more_uncertainty() -> None:
    narrow, wide = (
        made([loan(ONE, "10", "15000")], quoted(("3000", "3000", "3000"), bps)).addons.oracle_uncertainty_usd
        for bps in (5, 50)
    )
    # 24,000 of collateral 5 or 50 bps lower, 15,000 of debt 5 bps (the floor of stablecoins) higher
    assert (narrow, wide) == (Decimal("19.5"), Decimal("127.5"))


def test_collateral_counts_low_and_debt_high() -> None:
    held = made([holding(ONE, "WETH", "10", "0")], quoted(("3000", "3000", "3000"), 50))
    assert held.net_value_usd == Decimal("29850")


def test_a_ceiling_takes_from_borrowing_power_only() -> None:
    quotes = quoted(("3000", "3000", "3000"))
    book = reconcile(quotes, NOW_S, maker().prices)
    capped = PriceBook({**book, "ETH": replace(book["ETH"], ceiling=Decimal(2500))}, book.parameters)
    plain, less = (made([holding(ONE, "WETH", "10", "0")], quotes, b) for b in (book, capped))
    assert less.net_value_usd == plain.net_value_usd
    assert less.mm_requirement_usd == plain.mm_requirement_usd
    short = borrow_shortfall_usd([holding(ONE, "WETH", "10", "0")], registry(), capped)
    assert short == 10 * (book["ETH"].low - 2500)
    assert abs(less.im_requirement_usd - plain.im_requirement_usd - short) < Decimal("0.00001")


def test_a_clock_that_is_off_stands_in_the_report() -> None:
    cut = Cut({chain: block(chain) for chain in CHAINS})
    skews = (ClockSkew("eip155:1", 17.0, 15.0), ClockSkew("okx", -0.4, 1.0))
    world = World(
        NOW, cut, Portfolios({"p": MEMBERS}), (ReadResult(),), quoted(("3000",) * 3), frozenset(), None, skews
    )
    (report,) = maker().make(world)
    assert [(item.what, item.reason) for item in report.data_quality.degraded] == [
        ("clock of eip155:1", "+17.0 s to +32.0 s against the host's: check its time")
    ]
