"""Every incident of the shipped file: what this layer decided at each step, and that simpler rules were fooled."""

from decimal import Decimal
from pathlib import Path

import pytest

from oracles.incidents import Incident, Outcome, load_incidents, replay

INCIDENTS = load_incidents()
ROOT = Path(__file__).parents[2]


def by_name(name: str) -> tuple[Outcome, ...]:
    return replay(next(item for item in INCIDENTS if item.name == name))


def test_all_incidents_are_there_in_order_of_time() -> None:
    assert len(INCIDENTS) >= 19
    assert [item.date for item in INCIDENTS] == sorted(item.date for item in INCIDENTS)
    assert len({item.name for item in INCIDENTS}) == len(INCIDENTS)


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda item: item.name)
def test_every_step_ends_as_the_file_says(incident: Incident) -> None:
    for outcome in replay(incident):
        expected, price = outcome.step.expected, outcome.price
        assert price.status is expected.status, (outcome.step.label, price.reason)
        if expected.mid is None:
            assert (price.low, price.mid, price.high) == (None, None, None)
        else:
            assert price.low is not None
            assert price.mid is not None
            assert price.high is not None
            assert expected.mid[0] <= price.mid <= expected.mid[1], outcome.step.label
            assert price.low <= price.mid <= price.high
        assert expected.note in price.reason + " ".join(price.notes), outcome.step.label


@pytest.mark.parametrize(
    ("name", "step", "wrong", "factor"),
    [
        # the mean of a right and a thousand times too high won: 500.5 times (blog.synthetix.io)
        ("skrw-2019", 0, "mean", Decimal("500.5")),
        ("luna-2022", 0, "feed", Decimal("10.7")),
        ("usde-2025", 0, "feed", Decimal("0.65")),
        ("uwu-2024", 1, "median", Decimal("1.03")),
        ("cbeth-2026", 0, "feed", Decimal("0.000509")),
        ("ribbon-2025", 0, "feed", Decimal("1e10")),
    ],
)
def test_simpler_rules_were_fooled_by_as_much_as_reported(
    name: str, step: int, wrong: str, factor: Decimal
) -> None:
    outcome = by_name(name)[step]
    truth = {"skrw-2019": Decimal("0.000865")}.get(name, outcome.price.mid)
    assert truth is not None
    fooled = getattr(outcome, wrong)
    assert abs(fooled / truth / factor - 1) < Decimal("0.02")


def test_the_flash_crash_of_pyth_gives_the_price_of_the_aggregation_that_was_then_written() -> None:
    # pyth-client test vector 31: 43286.345 +- 29.145
    (outcome,) = by_name("pyth-btc-2021")
    assert outcome.price.mid is not None
    assert abs(outcome.price.mid - Decimal("43286.345")) < Decimal("29.145")
    assert {d.source: d.reason for d in outcome.price.dissenters} == {"pub-3": "outside_band", "pub-8": "invalid"}


def test_a_rate_cap_limits_borrowing_only() -> None:
    # governance.aave.com/t/24269: capped at 1.1939, live rate 1.2282
    (outcome,) = by_name("capo-wsteth-2026")
    price = outcome.price
    assert price.low is not None
    assert price.borrow_low is not None
    assert abs(price.borrow_low / 2000 - Decimal("1.1939")) < Decimal("0.001")
    assert price.low / 2000 > Decimal("1.22")
    (fact,) = price.facts
    assert fact.off_bps is not None
    assert -290 < fact.off_bps < -270


def test_a_rise_is_collateral_slowly_and_owed_at_once() -> None:
    last = by_name("mango-2022")[-1].price
    assert last.mid is not None
    assert last.high is not None
    # three windows of five minutes were 0.0382 -> 0.0458; five more of 20 %: 0.114
    assert abs(last.mid - Decimal("0.0382") * Decimal("1.2") ** 6) < Decimal("0.0001")
    assert last.high >= Decimal("0.495")


def test_the_documented_table_is_what_is_decided() -> None:
    rows = [row for row in (ROOT / "docs" / "prices.md").read_text().splitlines() if row.startswith("| `")]
    table = {row.split("`")[1]: row.split("|")[2] for row in rows}
    for incident in INCIDENTS:
        statuses = [part.split()[0] for part in table[incident.name].split(";")]
        assert statuses == [outcome.price.status.value for outcome in replay(incident)], incident.name
