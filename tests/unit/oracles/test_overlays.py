from dataclasses import replace
from decimal import Decimal

import pytest

from oracles.memory import PriceMemory
from oracles.overlays import Backing, backed, off_peg, rate_ceiling, rise_capped
from oracles.params import RateCap
from oracles.reconcile import reconcile
from oracles.types import PriceStatus, ReconciledPrice
from tests.kit.quotes import NOW, PARAMS, three

D = Decimal
THIN = PARAMS.classes["thin"]
YEAR_S = 365 * 86_400


def a_price(mid: str = "100", key: str = "MNGO") -> ReconciledPrice:
    value = D(mid)
    return ReconciledPrice(
        key, PriceStatus.OK, "3 of 3 groups agree", value * D("0.99"), value, value * D("1.01"), NOW
    )


def before(mid: str, age_s: float = 300) -> PriceMemory:
    return PriceMemory(D(mid), NOW - age_s, D(mid))


@pytest.mark.parametrize(("age_s", "counts"), [(300, "60"), (600, "72"), (0, "50"), (86_400, "100")])
def test_a_rise_counts_by_a_fifth_in_five_minutes(age_s: float, counts: str) -> None:
    price, capped = rise_capped(a_price(), before("50", age_s), NOW, THIN)
    assert price.mid == pytest.approx(D(counts), rel=D("1e-9"))
    assert capped == price.mid
    assert price.high == 101
    assert (price.status is PriceStatus.OK) == (counts == "100")


def test_a_fall_is_never_capped() -> None:
    price, capped = rise_capped(a_price("10"), before("50"), NOW, THIN)
    assert (price, capped) == (a_price("10"), 10)


def test_a_class_without_a_cap_has_none() -> None:
    assert rise_capped(a_price(), before("1"), NOW, PARAMS.classes["major"])[0] == a_price()


@pytest.mark.parametrize(("mid", "noted"), [("0.9901", False), ("0.99", True), ("1.0101", True), ("0.5", True)])
def test_a_price_off_its_peg_is_named_and_stays_what_it_is(mid: str, noted: bool) -> None:
    price = off_peg(a_price(mid, "USDC"), PARAMS.classes["stable"])
    assert (price.low, price.mid, price.high) == (a_price(mid).low, D(mid), a_price(mid).high)
    assert bool(price.notes) == noted


def test_a_ceiling_grows_from_its_snapshot_and_touches_borrowing_only() -> None:
    # aave-capo: ratio 1.1572 growing 9.68 % a year, half a year later
    cap = RateCap("ETH", D("1.1572"), NOW - YEAR_S // 2, 968)
    assert cap.ratio(NOW) == D("1.1572") * (1 + D("0.0968") / 2)
    eth = replace(a_price("2000", "ETH"), low=D(2000))
    price = rate_ceiling(a_price("2500", "WSTETH"), cap, {"ETH": eth}, NOW)
    assert price.ceiling == cap.ratio(NOW) * 2000
    assert (price.low, price.mid) == (D("2475.00"), 2500)
    assert price.borrow_low == price.ceiling
    assert "grew faster than its cap" in price.notes[0]


def test_a_ceiling_without_a_price_of_its_base_is_said_and_none() -> None:
    price = rate_ceiling(a_price("2500"), RateCap("ETH", D(1), NOW, 0), {}, NOW)
    assert price.ceiling is None
    assert "ETH has no price" in price.notes[0]


@pytest.mark.parametrize(
    ("escrow", "supply", "share"),
    [("100", "100", "1"), ("120", "100", "1"), ("82", "100", "0.82"), ("0", "100", "0"), ("0", "0", "1")],
)
def test_a_bridged_token_counts_for_what_its_escrow_holds(escrow: str, supply: str, share: str) -> None:
    price = backed(a_price(), Backing("MNGO", D(escrow), D(supply)))
    assert (price.mid, price.low) == (100 * D(share), 99 * D(share))
    assert price.high == 101
    assert (price.status is PriceStatus.OK) == (share == "1")


def test_an_escrow_that_cannot_be_read_is_not_taken_for_full() -> None:
    price = backed(a_price(), Backing("MNGO", None, None, "eip155:1: no answer"))
    assert price.status is PriceStatus.DEGRADED
    assert price.notes == ("backing not known: eip155:1: no answer",)


def test_overlays_give_no_figure_where_there_is_none() -> None:
    found = reconcile(three("3000", "2000", "1000"), NOW, PARAMS, backings=[Backing("ETH", D(1), D(1))])["ETH"]
    assert (found.low, found.mid, found.high, found.ceiling) == (None, None, None, None)
