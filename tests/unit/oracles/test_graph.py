from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from oracles.graph import composed, inverted, levels
from oracles.reconcile import reconcile
from oracles.types import PriceStatus, Quote, QuoteGap, Quotes, ReconciledPrice
from tests.kit.quotes import NOW, PARAMS, a_quote, three

D = Decimal
small = st.decimals("0.001", "1000", places=6)
shares = st.decimals("0", "0.2", places=4)


def test_legs_come_before_what_stands_on_them() -> None:
    edges = [("WSTETH", "STETH"), ("STETH", "ETH"), ("ETH", "USD"), ("BTC", "USD")]
    assert levels(edges, {"WSTETH", "STETH", "ETH", "BTC"}) == (("BTC", "ETH"), ("STETH",), ("WSTETH",))


def test_keys_that_stand_on_each_other_come_last_and_have_no_price() -> None:
    assert levels([("A", "B"), ("B", "A"), ("C", "USD")], {"A", "B", "C"}) == (("C",), ("A", "B"))
    quotes = [a_quote("2", g, key=k, in_key=i) for g in ("x", "y", "z") for k, i in (("A", "B"), ("B", "A"))]
    book = reconcile(Quotes(tuple(quotes)), NOW, PARAMS)
    assert {book[key].status for key in "AB"} == {PriceStatus.INSUFFICIENT}
    assert {d.reason for d in book["A"].dissenters} == {"no_leg"}


@given(small, shares, small, shares, st.decimals("-1", "1", places=3), st.decimals("-1", "1", places=3))
def test_the_interval_holds_every_product_of_points_of_its_legs(
    price: Decimal, width: Decimal, leg: Decimal, leg_width: Decimal, x: Decimal, y: Decimal
) -> None:
    quote = a_quote(price, half_width=price * width, key="A", in_key="B")
    base = ReconciledPrice("B", PriceStatus.OK, "", leg * (1 - leg_width), leg, leg * (1 + leg_width), NOW, (), ())
    got = composed(quote, {"B": base})
    assert isinstance(got, Quote)
    point = price * (1 + x * width) * leg * (1 + y * leg_width)
    slack = point * D("1e-20")
    assert got.price - got.half_width - slack <= point <= got.price + got.half_width + slack


@given(small, st.decimals("0", "0.99", places=3), st.decimals("-1", "1", places=3))
def test_the_inverse_interval_holds_every_inverse(price: Decimal, width: Decimal, x: Decimal) -> None:
    middle, half = inverted(price, price * width)
    point = 1 / (price * (1 + x * width))
    assert middle - half <= point * (1 + D("1e-20"))
    assert point <= (middle + half) * (1 + D("1e-20"))


def test_a_composed_price_is_as_old_as_its_oldest_leg_and_tells_its_path() -> None:
    eth = three("2000", "2000", "2000")
    old = [
        Quote(**{**{f: getattr(q, f) for f in Quote.__dataclass_fields__}, "observed_at": NOW - 90})
        for q in eth.found
    ]
    staked = [a_quote("1.2", g, key="WSTETH", in_key="ETH") for g in ("rate", "curve", "chainlink")]
    price = reconcile(Quotes((*old, *staked)), NOW, PARAMS)["WSTETH"]
    assert (price.status, price.mid) == (PriceStatus.OK, 2400)
    assert price.observed_at == NOW - 90
    got = composed(staked[0], {"ETH": reconcile(Quotes(tuple(old)), NOW, PARAMS)["ETH"]})
    assert isinstance(got, Quote)
    assert got.detail["WSTETH/ETH"].startswith("1.2 +- 0.00012 by rate")
    assert "2000 [" in got.detail["ETH/USD"]
    assert "OK by chainlink@eip155:1, pyth@eip155:1, uniswap@eip155:1" in got.detail["ETH/USD"]


def test_a_leg_without_a_price_leaves_none() -> None:
    staked = [a_quote("1.2", g, key="WSTETH", in_key="ETH") for g in ("rate", "curve", "chainlink")]
    book = reconcile(Quotes((*staked, *three("2000", "1000", "500").found)), NOW, PARAMS)
    assert book["WSTETH"].status is PriceStatus.INSUFFICIENT
    assert "no price of ETH: NO_CONSENSUS" in book["WSTETH"].reason
    gap = composed(staked[0], {})
    assert isinstance(gap, QuoteGap)
    assert gap.detail == "no price of ETH: nobody quotes it in US dollars"


def test_what_a_venue_believes_has_no_vote_and_stands_beside() -> None:
    belief = a_quote("2850", "venue:aave-v3", votes=False)
    book = reconcile(Quotes((*three("3000", "3000", "3000").found, belief)), NOW, PARAMS)
    (fact,) = book["ETH"].facts
    assert (fact.price, fact.off_bps) == (2850, -500)
    assert book["ETH"].status is PriceStatus.OK
    alone = reconcile(Quotes((belief,)), NOW, PARAMS)["ETH"]
    assert (alone.mid, alone.facts[0].off_bps) == (None, None)


def test_untimed_sources_weigh_half_and_the_answer_says_so() -> None:
    found = [a_quote("3000", g) for g in ("a", "b", "c")]
    found += [a_quote("3100", g, timed=False) for g in ("d", "e")]
    price = reconcile(Quotes(tuple(found)), NOW, PARAMS)["ETH"]
    assert (price.status, price.mid) == (PriceStatus.DEGRADED, 3000)
    assert price.reason.startswith("3 of 5 groups agree (75 % of the weight)")
