import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from oracles.votes import Aggregate, Published, aggregate, decimal_quartiles, median_interval


def test_three_alike_give_their_price_and_confidence() -> None:
    # pyth-client aggregation case 1
    assert aggregate([Published(10_000, 1_000)] * 3) == Aggregate(10_000, 1_000, trading=True)


def test_one_of_three_publishers_far_off_moves_the_width_not_the_price() -> None:
    # pyth-client aggregation case 7: with three publishers the quartiles tolerate nobody
    quotes = [Published(100_000, 10), Published(100_000, 10), Published(1_000_000, 10)]
    assert aggregate(quotes) == Aggregate(100_010, 899_980, trading=True)


def test_the_flash_crash_of_september_2021_is_outvoted() -> None:
    # pyth-client aggregation case 31: one publisher at zero, one with a wrong exponent
    prices = [
        (4329605500000, 1486500000), (4325720000000, 1290000000), (43254, 1), (4329150000000, 1500000000),
        (4329999999999, 3999999999), (4331609000000, 2422000000), (4329198852938, 3044669090), (0, 200000000),
        (4327900000000, 2000000000), (4332090000000, 1000000),
    ]  # fmt: skip
    assert aggregate([Published(*item) for item in prices]) == Aggregate(4328634500000, 2914500000, trading=True)


@pytest.mark.parametrize(
    "publisher",
    [
        Published(100, 0), Published(100, 1, status=0), Published(100, 1, age_slots=26),
        Published(100, 1, age_slots=-1), Published(2**63 - 1, 1), Published(-(2**63), 1),
    ],
    ids=["no confidence", "not trading", "late", "from the future", "above int64", "below int64"],
)  # fmt: skip
def test_a_publisher_that_does_not_count_leaves_no_price(publisher: Published) -> None:
    assert aggregate([publisher]) == Aggregate(0, 0, trading=False)


def test_too_few_publishers_leave_no_price() -> None:
    assert not aggregate([Published(100, 1)] * 2, min_publishers=3).trading


def test_halves_are_floored_as_on_chain_also_below_zero() -> None:
    assert aggregate([Published(-4, 1), Published(-3, 1)]).price == -4


def test_decimal_halves_are_exact() -> None:
    assert decimal_quartiles([(Decimal(1), Decimal(0)), (Decimal(2), Decimal(0))]).mid == Decimal("1.5")


def test_the_median_of_an_even_number_is_an_interval() -> None:
    assert median_interval([Decimal(4), Decimal(1), Decimal(3), Decimal(2)]) == (Decimal(2), Decimal(3))
    assert median_interval([Decimal(3), Decimal(1), Decimal(2)]) == (Decimal(2), Decimal(2))


if folder := os.environ.get("CROSSMARGIN_VECTORS"):
    CASES = sorted((Path(folder) / "pyth_aggregation").glob("*.json"))

    @pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
    def test_the_cases_of_pyth_client_reproduce(case: Path) -> None:
        quotes, wanted = json.loads(case.read_text()), json.loads(case.with_suffix(".result").read_text())
        # published at slot 1000 + slot_diff, aggregated at slot 1001 (pyth-client test_aggregation.rs)
        got = aggregate(
            [Published(q["price"], q["conf"], q["status"], 1 - q.get("slot_diff", 0)) for q in quotes["quotes"]]
        )
        status = "trading" if got.trading else "unknown"
        assert (got.price, got.conf, status) == (wanted["price"], wanted["conf"], wanted["status"])
