"""From accounts and prices to the report: what must be there, what must not, and on which side it is rounded."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chains.accounts import ReadFailure, VenueId
from risk.status import Status
from tests.kit.world import CHAINS, PRICES, account, holding, loan, perp, report

ONE, TWO = CHAINS


def by_venue(made, venue: str):
    return next(line for line in made.venues if line.venue == venue)


def test_empty_portfolio_is_known_to_be_empty():
    made = report([])
    assert (made.status, made.data_quality.complete) == (Status.SAFE, True)
    assert (made.mm_requirement_usd, made.unified_buffer_usd, made.equity_usd) == (0, 0, 0)
    assert made.margin_ratio is None
    assert made.data_quality.staleness_s is None


def test_lines_add_up():
    made = report([perp(ONE, "100", "60000"), perp(TWO, "-100", "60000"), holding(ONE, "USDC", "5000", "0.01")])
    addons = sum(getattr(made.addons, line) for line in type(made.addons).model_fields)
    buffer = max(made.unified_buffer_usd, made.stress_floor_usd)
    assert made.mm_requirement_usd == made.venue_maintenance_usd + buffer + addons
    assert made.mm_excess_usd == made.equity_usd - made.mm_requirement_usd
    assert made.bridge_latency_addon_usd == made.unified_buffer_usd - made.netted_buffer_usd
    assert made.capital_freed_usd == made.isolated_buffer_usd - made.unified_buffer_usd
    assert made.equity_usd == sum(line.equity_usd for line in made.venues)
    assert made.im_requirement_usd > made.mm_requirement_usd


def test_hedge_over_two_chains_costs_latency_and_on_one_chain_does_not():
    apart = report([perp(ONE, "100", "60000"), perp(TWO, "-100", "60000")])
    assert apart.netted_buffer_usd < apart.unified_buffer_usd < apart.isolated_buffer_usd
    assert 0 < apart.efficiency.latency_loss < 1
    together = report([perp(ONE, "100", "60000"), holding(ONE, "WETH", "1")])
    assert together.bridge_latency_addon_usd == 0


def test_paused_bridges_leave_every_account_alone():
    legs = [perp(ONE, "100", "60000"), perp(TWO, "-100", "60000")]
    open_, paused = report(legs), report(legs, paused=frozenset({"across"}))
    assert paused.unified_buffer_usd == paused.isolated_buffer_usd
    assert paused.unified_buffer_usd > open_.unified_buffer_usd
    assert all((line.ttf_s, line.ttf_reachable) == (None, False) for line in paused.venues)


def test_slower_reaction_never_lowers_the_buffer():
    legs = [perp(ONE, "100", "60000"), perp(TWO, "-100", "60000")]
    buffers = [report(legs, reaction=who).unified_buffer_usd for who in ("keeper", "person", "unattended")]
    assert buffers == sorted(buffers)
    assert buffers[0] < buffers[-1]


def test_unpriced_position_makes_everything_unknown_not_smaller():
    whole = [loan(ONE, "10", "10000"), holding(ONE, "XYZ", "1000")]
    made = report(whole)
    assert made.data_quality.complete is False
    assert made.status is Status.UNKNOWN
    assert made.status_reason.startswith("wallet on one ")
    totals = (made.mm_requirement_usd, made.equity_usd, made.net_value_usd, made.unified_buffer_usd)
    assert totals == (None,) * 4
    assert "XYZ" in " ".join(item.what for item in made.data_quality.degraded)
    lender = by_venue(made, "lender")
    assert (lender.equity_usd, lender.mm_requirement_usd) == (24000, 10000)


def test_missing_price_never_becomes_a_number():
    made = report([loan(ONE, "10", "10000")], prices={"USDC": Decimal(1)})
    line = by_venue(made, "lender")
    assert line.status is Status.UNKNOWN
    assert (line.net_value_usd, line.ttl_s, line.local_floor_usd, line.rescue_probability) == (None,) * 4
    assert (line.equity_usd, line.surplus_usd) == (24000, 14000)
    assert made.positions[0].value_usd is None


def test_account_that_could_not_be_read_is_a_gap_with_its_reason():
    failure = ReadFailure(account(TWO), VenueId("perps"), "unreachable", "eip155:42161 endpoint 1: refused")
    made = report([loan(ONE, "10", "10000")], failures=[failure])
    assert (made.status, made.mm_requirement_usd) == (Status.UNKNOWN, None)
    assert any("refused" in item.reason for item in made.data_quality.degraded)


def test_liquidatable_is_a_fact_even_when_the_rest_is_unknown():
    made = report([loan(ONE, "10", "24001"), holding(TWO, "XYZ", "1")])
    assert made.status is Status.LIQUIDATABLE
    assert made.binding_account == by_venue(made, "lender").account + "/lender"
    assert made.data_quality.complete is False


def test_idle_holdings_count_at_the_low_end_and_after_the_haircut():
    made = report([holding(ONE, "WETH", "10")])
    line = by_venue(made, "wallet")
    band = made.positions[0].price
    assert band.low < PRICES["ETH"] < band.high
    micro = Decimal("0.000001")
    assert 0 <= 10 * band.low - line.net_value_usd <= micro
    assert 0 <= Decimal("9.5") * band.low - line.equity_usd <= micro
    assert (line.status, line.ttl_s, line.health) == (Status.SAFE, None, None)


def test_debt_counts_at_the_high_end():
    made = report([loan(ONE, "0", "1000")])
    assert by_venue(made, "lender").net_value_usd < -1000


def test_oracle_uncertainty_grows_when_the_venue_is_above_the_market():
    near = report([loan(ONE, "10", "10000")])
    above = report([loan(ONE, "10", "10000")], prices={**PRICES, "ETH": Decimal(2950)})
    gap = above.addons.oracle_uncertainty_usd - near.addons.oracle_uncertainty_usd
    assert gap > 8 * 49
    assert above.equity_usd == near.equity_usd


def test_liquidation_distance_of_a_loan_is_exact():
    line = by_venue(report([loan(ONE, "10", "12000")]), "lender")
    assert line.distance_to_liquidation["ETH"] == pytest.approx(Decimal(-50), abs=Decimal("1e-6"))


def test_same_inputs_same_hash_other_inputs_another():
    first, again = report([loan(ONE, "10", "10000")]), report([loan(ONE, "10", "10000")])
    other = report([loan(ONE, "10", "10001")])
    assert first.inputs_hash == again.inputs_hash != other.inputs_hash
    assert first.model.params_hash == other.model.params_hash
    assert first.id != again.id


def test_order_of_accounts_changes_nothing():
    legs = [
        perp(ONE, "100", "60000"),
        perp(TWO, "-80", "60000"),
        holding(TWO, "WETH", "3"),
        loan(ONE, "10", "9000"),
    ]
    forth, back = report(legs), report(reversed(legs))
    for field in ("isolated_buffer_usd", "netted_buffer_usd", "unified_buffer_usd", "mm_requirement_usd"):
        assert getattr(forth, field) == pytest.approx(getattr(back, field), abs=Decimal("0.00001"))


def test_exposures_that_do_not_add_up_to_the_surplus_are_not_trusted():
    sound = loan(ONE, "10", "10000")
    made = report([replace(sound, equity_usd=sound.equity_usd + 5)])
    assert made.status is Status.UNKNOWN
    assert "exposures differ" in made.data_quality.degraded[0].reason
