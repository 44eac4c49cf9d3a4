from dataclasses import replace
from decimal import Decimal

import pytest

from oracles.reconcile import reconcile
from oracles.types import PriceStatus, Quote, QuoteGap, Quotes, ReconciledPrice
from tests.kit.quotes import NOW, PARAMS, a_gap, a_quote, three

D = Decimal


def price(*items: Quote | QuoteGap, key: str = "ETH", now: float = NOW) -> ReconciledPrice:
    found = tuple(item for item in items if isinstance(item, Quote))
    gaps = tuple(item for item in items if isinstance(item, QuoteGap))
    return reconcile(Quotes(found, gaps), now, PARAMS)[key]


def test_three_that_agree_are_ok_and_the_middle_one_is_the_price() -> None:
    got = price(*three("3000", "3003", "2998").found)
    assert got.status is PriceStatus.OK
    assert got.reason == "3 of 3 groups agree"
    assert got.mid == 3000
    # votes after the floor of 5 bps: 2996.501 2998 2998.5 2999.499 3000 3001.4985 3001.5 3003 3004.5015
    assert (got.low, got.high) == (D("2998.5"), D("3001.5"))
    assert got.observed_at == NOW
    assert [vote.group for vote in got.contributors] == ["chainlink", "pyth", "uniswap"]
    assert got.dissenters == ()


def test_one_of_three_off_is_degraded_and_named_with_its_distance() -> None:
    got = price(*three("3000", "3003", "2500").found)
    assert got.status is PriceStatus.DEGRADED
    assert got.mid == 3000
    (dissent,) = got.dissenters
    assert (dissent.source, dissent.reason, dissent.price) == ("uniswap@eip155:1", "outside_band", 2500)
    assert dissent.detail == "-1667 bps off the median 3000, band 100 bps"
    assert [vote.group for vote in got.contributors] == ["chainlink", "pyth"]


def test_three_that_all_differ_are_no_consensus_without_any_figure() -> None:
    got = price(*three("3000", "2000", "1000").found)
    assert got.status is PriceStatus.NO_CONSENSUS
    assert (got.low, got.mid, got.high, got.observed_at) == (None, None, None, None)
    assert got.reason == "1 of 3 groups agree within 100 bps, 2/3 wanted: chainlink 3000, pyth 2000, uniswap 1000"


def test_two_groups_are_insufficient_and_never_averaged() -> None:
    # Synthetix sKRW, 2019-06-25: of the two live sources one was 1000 times off; the mean was 500 times off
    got = price(a_quote("0.000865", "pyth"), a_quote("0.865", "uniswap"), a_gap("unreachable", "chainlink"))
    assert got.status is PriceStatus.INSUFFICIENT
    assert got.mid is None
    assert got.reason == "2 of 3 groups have a vote (pyth, uniswap); chainlink@eip155:1: unreachable, x"


def test_many_chains_of_one_provider_are_one_vote() -> None:
    got = price(*(a_quote("3000", "chainlink", chain) for chain in (1, 10, 42161, 8453)), a_quote("3000", "pyth"))
    assert got.status is PriceStatus.INSUFFICIENT


def test_a_quote_beyond_its_validity_makes_the_price_stale() -> None:
    old = replace(a_quote("3000", "chainlink"), observed_at=NOW - 4000, valid_until=NOW - 280)
    got = price(old, a_quote("3000", "pyth"), a_quote("3000", "uniswap"))
    assert got.status is PriceStatus.STALE
    assert got.mid is None
    assert "chainlink@eip155:1: stale, 4000 s old, limit 3720 s" in got.reason


def test_all_there_is_being_old_is_stale_too() -> None:
    got = price(a_quote("15", "chainlink", key="LINK", observed_at=NOW - 4000), key="LINK")
    assert got.status is PriceStatus.STALE


def test_the_age_limit_of_the_class_holds_where_the_source_gives_none() -> None:
    limit = PARAMS.class_of("ETH").max_age_s
    for age_s, status in ((limit, PriceStatus.OK), (limit + 1, PriceStatus.STALE)):
        old = a_quote("3000", "pyth", observed_at=NOW - age_s)
        assert price(old, a_quote("3000", "chainlink"), a_quote("3000", "uniswap")).status is status


def test_a_stale_copy_on_one_chain_is_named_while_its_group_still_votes() -> None:
    # Venus, 2022-05-12: the LUNA feed stood at 0.107 while the market was at 0.01
    frozen = a_quote("0.107", "chainlink", 10, observed_at=NOW - 90_000, key="LUNA")
    fresh = [a_quote("0.010", group, key="LUNA") for group in ("chainlink", "pyth", "uniswap")]
    got = price(frozen, *fresh, key="LUNA")
    assert got.status is PriceStatus.OK
    assert got.mid == D("0.010")
    assert [(d.source, d.reason) for d in got.dissenters] == [("chainlink@eip155:10", "stale")]


def test_the_freshest_of_two_chains_speaks_for_its_provider() -> None:
    late = a_quote("3000", "chainlink", 1, observed_at=NOW - 100)
    moved = a_quote("2700", "chainlink", 10, observed_at=NOW - 1)
    got = price(late, moved, a_quote("2701", "pyth"), a_quote("2702", "uniswap"))
    assert got.status is PriceStatus.OK
    assert got.contributors[0].source == "chainlink@eip155:10"
    (dissent,) = got.dissenters
    assert (dissent.source, dissent.reason) == ("chainlink@eip155:1", "outside_group")


def test_a_chain_off_on_its_own_does_not_speak_for_its_provider() -> None:
    chains = [a_quote(p, "chainlink", c, observed_at=NOW - c) for p, c in (("1.12", 1), ("2199", 2), ("2200", 3))]
    got = price(*chains, a_quote("2199", "pyth"), a_quote("2201", "uniswap"))
    assert got.contributors[0].price in (2199, 2200)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (a_quote("0"), "invalid"),
        (a_quote("-1"), "invalid"),
        (a_quote("NaN"), "invalid"),
        (a_quote("Infinity"), "invalid"),
        (a_quote("1e400"), "invalid"),
        (a_quote("3000", half_width=D("NaN")), "invalid"),
        (a_quote("3000", half_width=D(-1)), "invalid"),
        (a_quote("3000", half_width=D(3001)), "invalid"),
        (a_quote("3000", half_width=D(151)), "too_wide"),
        (a_quote("3000", observed_at=NOW + 61), "future"),
    ],
)
def test_what_cannot_be_a_price_has_no_vote_and_says_why(bad: Quote, reason: str) -> None:
    got = price(bad, a_quote("3000", "chainlink"), a_quote("3000", "uniswap"))
    assert got.status is PriceStatus.INSUFFICIENT
    assert [dissent.reason for dissent in got.dissenters] == [reason]


def test_a_real_crash_is_followed_while_the_mean_of_the_pool_lags() -> None:
    got = price(*three("2400", "2390", "2900").found)
    assert got.status is PriceStatus.DEGRADED
    assert got.mid == 2400


def test_a_depeg_that_all_see_is_not_pulled_to_one() -> None:
    # USDC, 2023-03-11
    got = price(*three("0.88", "0.881", "0.879", key="USDC").found, key="USDC")
    assert got.status is PriceStatus.OK
    assert got.mid == D("0.88")


def test_a_quote_widens_once_its_own_bound_has_ended() -> None:
    held = a_quote("3000", "pyth", observed_at=NOW - 200, holds_until=NOW)
    others = (a_quote("3000", "chainlink"), a_quote("3000", "uniswap"))
    tight, wide = (
        next(vote for vote in price(quote, *others).contributors if vote.group == "pyth").half_width
        for quote in (held, replace(held, holds_until=None))
    )
    # floor 5 bps; 400 bps a square root day: sqrt(200/86400) * 120 = 5.7735
    assert tight == D("1.5")
    assert abs(wide - D("0.3") - D("5.7735")) < D("0.0001")


def test_the_interval_is_never_tighter_than_the_floor() -> None:
    got = price(*three("3000", "3000", "3000").found)
    assert (got.low, got.high) == (D("2998.5"), D("3001.5"))


def test_a_vague_source_agrees_one_band_further_and_not_as_far_as_it_is_vague() -> None:
    others = (a_quote("3000", "chainlink"), a_quote("3000", "uniswap"))
    for off, status in (("3059", PriceStatus.OK), ("3061", PriceStatus.DEGRADED)):
        assert price(a_quote(off, "pyth", half_width=D(140)), *others).status is status


def test_a_missing_group_beyond_the_quorum_is_degraded() -> None:
    got = price(*three("3000", "3000", "3000").found, a_gap("unreachable", "hermes"))
    assert got.status is PriceStatus.DEGRADED
    assert got.reason == "3 of 3 groups agree; hermes has no vote"


def test_two_against_two_are_no_consensus() -> None:
    got = price(*three("3000", "3001", "2000").found, a_quote("2001", "hermes"))
    assert got.status is PriceStatus.NO_CONSENSUS


def test_a_key_that_nobody_quotes_is_insufficient_and_not_an_error() -> None:
    book = reconcile(three("1", "1", "1"), NOW, PARAMS)
    assert book["PEPE"].status is PriceStatus.INSUFFICIENT
    assert book["PEPE"].mid is None
    assert book.get("PEPE") == book["PEPE"]
    assert "PEPE" not in book
    assert list(book) == ["ETH"]
    assert book.parameters == "params_v1"
