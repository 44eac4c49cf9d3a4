from dataclasses import replace
from decimal import Decimal

from oracles.memory import Memory
from oracles.reconcile import reconcile
from oracles.types import PriceBook, PriceStatus, Quote, Quotes
from tests.kit.quotes import NOW, PARAMS, a_quote, three

D = Decimal


class Rounds:
    """Rounds that remember."""

    def __init__(self) -> None:
        self.memory = Memory()

    def __call__(self, after_s: float, *found: Quote) -> PriceBook:
        book = reconcile(Quotes(found), NOW + after_s, PARAMS, self.memory)
        assert book.memory is not None
        self.memory = book.memory
        return book


def at(after_s: int, *prices: str, groups: tuple[str, ...] = ("chainlink", "pyth", "uniswap")) -> list[Quote]:
    return [a_quote(p, g, observed_at=NOW + after_s) for p, g in zip(prices, groups, strict=True)]


def test_memory_goes_in_and_out_and_the_one_given_stays_as_it_was() -> None:
    before = Memory()
    book = reconcile(three("3000", "3001", "3002"), NOW, PARAMS, before)
    assert before == Memory()
    assert book.memory is not None
    assert book.memory.mid("ETH") == 3001
    again = reconcile(three("3000", "3001", "3002"), NOW, PARAMS, before)
    assert again.memory == book.memory


def test_a_quote_from_before_the_last_one_is_replaced_by_that_one() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    late = a_quote("2990", "pyth", observed_at=NOW - 100)
    price = rounds(15, *at(10, "3000", "3000", groups=("chainlink", "uniswap")), late)["ETH"]
    assert price.status is PriceStatus.OK
    assert {vote.group: vote.price for vote in price.contributors}["pyth"] == 3000
    (dissent,) = price.dissenters
    assert (dissent.source, dissent.reason) == ("pyth@eip155:1", "backwards")
    assert "100 s before" in dissent.detail


def test_a_time_far_ahead_is_not_remembered_and_shuts_nobody_out() -> None:
    rounds = Rounds()
    rounds(
        0, *at(0, "3000", "3000", groups=("chainlink", "uniswap")), a_quote("3000", "pyth", observed_at=NOW * 1000)
    )
    price = rounds(15, *at(15, "3000", "3000", "3000"))["ETH"]
    assert price.status is PriceStatus.OK


def test_a_group_that_left_counts_again_within_half_the_band() -> None:
    rounds = Rounds()
    assert rounds(0, *at(0, "3000", "3000", "3040"))["ETH"].status is PriceStatus.DEGRADED
    inside = at(15, "3000", "3000", "3025")  # 83 bps off: inside the band of 100, outside half of it
    assert rounds(15, *inside)["ETH"].status is PriceStatus.DEGRADED
    assert reconcile(Quotes(tuple(inside)), NOW + 15, PARAMS)["ETH"].status is PriceStatus.OK
    assert rounds(30, *at(30, "3000", "3000", "3014"))["ETH"].status is PriceStatus.OK
    assert rounds(45, *at(45, "3000", "3000", "3025"))["ETH"].status is PriceStatus.OK


def flip(rounds: Rounds, times: int, anchor: bool = False) -> int:
    after = 0
    for _ in range(times):
        for price in ("3000000000000", "3000"):
            quotes = at(after, "3000", "3000", price)
            rounds(after, *[replace(q, anchor=anchor) for q in quotes])
            after += 15
    return after


def test_a_source_that_flips_units_is_held_back_after_four_times_and_the_price_says_so() -> None:
    rounds = Rounds()
    after = flip(rounds, 4)
    price = rounds(after, *at(after, "3000", "3000", "3000"))["ETH"]
    assert price.status is PriceStatus.QUARANTINED
    assert price.mid is None
    assert "uniswap@eip155:1: quarantined, was off 4 times" in price.reason
    fourth = rounds(after, *at(after, "3000", "3000", "3000"), a_quote("3000", "hermes", observed_at=NOW + after))
    assert fourth["ETH"].status is PriceStatus.DEGRADED
    later = after + PARAMS.gate.quarantine_s
    assert rounds(later, *at(later, "3000", "3000", "3000"))["ETH"].status is PriceStatus.OK


def test_a_mean_that_lags_takes_no_strike() -> None:
    rounds = Rounds()
    after = flip(rounds, 6, anchor=True)
    assert rounds(after, *at(after, "3000", "3000", "3000"))["ETH"].status is PriceStatus.OK


def test_one_value_for_hours_counts_while_the_market_stands_and_not_once_it_moved() -> None:
    rounds = Rounds()
    for hour in range(3):
        price = rounds(hour * 3600, *at(hour * 3600, "3000", "3000", "3000"))["ETH"]
        assert price.status is PriceStatus.OK
    for step, value in enumerate(("3010", "3020", "3024")):
        after = 7200 + 60 * (step + 1)
        price = rounds(after, *at(after, value, value, "3000"))["ETH"]
    # 80 bps away: inside the band, but further than its own bound and half the band in an hour of silence
    price = rounds(7500, *at(7500, "3024", "3024", "3000"))["ETH"]
    assert [d.reason for d in price.dissenters] == ["repeated"]
    assert price.status is PriceStatus.INSUFFICIENT


def test_a_market_that_leaps_and_then_stands_still_keeps_its_price() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    for after in (15, 30, 3600, 7200, 4 * 3600):  # 12 % in one round, then hours of exactly the same
        price = rounds(after, *at(after, "2640", "2640", "2641"))["ETH"]
        assert (price.status, price.mid) == (PriceStatus.OK, 2640), (after, price.reason)
    for step, value in enumerate(("2650", "2655", "2661")):
        price = rounds(4 * 3600 + 60 * (step + 1), *at(4 * 3600 + 60 * (step + 1), value, value, "2641"))["ETH"]
    assert [d.reason for d in price.dissenters] == ["repeated"]


def test_a_leap_that_all_agree_on_waits_for_its_minute_and_is_then_followed() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    for after, status in ((15, "QUARANTINED"), (60, "QUARANTINED"), (76, "OK"), (90, "OK")):
        price = rounds(after, *at(after, "3e13", "3e13", "3e13"))["ETH"]
        assert price.status.value == status, (after, price.reason)


def test_a_leap_that_goes_away_again_never_was() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    assert rounds(15, *at(15, "3e13", "3e13", "3e13"))["ETH"].status is PriceStatus.QUARANTINED
    assert rounds(30, *at(30, "3001", "3001", "3001"))["ETH"].mid == 3001
    assert rounds(80, *at(80, "3e13", "3e13", "3e13"))["ETH"].status is PriceStatus.QUARANTINED


def test_a_crash_of_any_ordinary_size_is_followed_at_once() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    price = rounds(15, *at(15, "900", "901", "900"))["ETH"]
    assert (price.status, price.mid) == (PriceStatus.OK, 900)


def test_a_restart_takes_the_price_as_it_is() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    price = rounds(7200, *at(7200, "30", "30", "30"))["ETH"]
    assert (price.status, price.mid) == (PriceStatus.OK, 30)


def test_all_sources_silent_keep_no_price() -> None:
    rounds = Rounds()
    rounds(0, *at(0, "3000", "3000", "3000"))
    book = rounds(15)
    assert "ETH" not in book
    assert book["ETH"].mid is None
    price = rounds(4000, *at(0, "3000", "3000", "3000"))["ETH"]
    assert price.status is PriceStatus.STALE
