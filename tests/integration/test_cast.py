"""The whole path on the devnet: every portfolio of the cast, at the start and after every step of the tape."""

from decimal import Decimal

import pytest

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.report import MarginReport
from aggregator.wiring import wire
from chains.devnet.tape import STEPS, play
from risk.status import Status

pytestmark = pytest.mark.devnet
TOLERANCE = Decimal("1e-9")
UNKNOWN_PORTFOLIOS = {"stale-feed"}


async def reports_of(world) -> dict[str, MarginReport]:
    async with wire(devnet_settings(world.state_dir)) as wired:
        return {report.portfolio.name: report for report in await wired.cycle.run(utc_now())}


@pytest.fixture(scope="module")
async def at_start(devnet):
    return await reports_of(devnet)


def must_hold(report: MarginReport) -> None:
    """What is true of every report, whatever the market does."""
    name = report.portfolio.name
    for line in report.venues:
        assert (line.model_vs_venue_rel_error or 0) < TOLERANCE, (name, line)
        if line.venue_liquidatable is not None and line.surplus_usd is not None:
            assert line.venue_liquidatable == (line.surplus_usd < 0), (name, line)
        assert (line.status is Status.LIQUIDATABLE) == bool(line.venue_liquidatable), (name, line)
    if not report.data_quality.complete:
        assert report.data_quality.degraded
        assert report.status not in {Status.SAFE, Status.WATCH}
        assert report.mm_requirement_usd is None
        return
    iso, net, uni = report.isolated_buffer_usd, report.netted_buffer_usd, report.unified_buffer_usd
    assert net <= uni <= iso + Decimal("0.01"), name
    assert report.bridge_latency_addon_usd == uni - net
    assert report.equity_usd - report.mm_requirement_usd == report.mm_excess_usd
    assert report.im_requirement_usd >= report.mm_requirement_usd


def test_every_report_holds_at_the_start(at_start):
    assert len(at_start) >= 12
    for report in at_start.values():
        must_hold(report)


def test_the_cast_covers_chains_venues_and_statuses(at_start):
    lines = [line for report in at_start.values() for line in report.venues]
    assert {line.chain for line in lines} == {"eip155:1", "eip155:10", "eip155:42161", "eip155:8453"}
    assert {line.venue for line in lines} == {
        "wallet", "aave-v3", "perp-v2", "synthetix-perps-v2", "lyra-v1", "morpho-blue", "across", "uniswap-v3",
    }  # fmt: skip
    assert len({report.status for report in at_start.values()}) >= 3


def test_hedged_books_pay_for_latency_and_lone_ones_do_not(at_start):
    hedged, loop = at_start["hedged-pair"], at_start["leverage-loop"]
    assert hedged.bridge_latency_addon_usd > 0
    assert hedged.unified_buffer_usd < hedged.isolated_buffer_usd
    assert loop.bridge_latency_addon_usd == 0


def test_stale_feed_is_unknown_with_its_reason(at_start):
    report = at_start["stale-feed"]
    assert report.status is Status.UNKNOWN
    reasons = " ".join(item.what + item.reason for item in report.data_quality.degraded)
    assert "LINK" in reasons
    assert "STALE" in reasons or "INSUFFICIENT" in reasons
    # What the venue itself says still stands.
    assert any(line.venue == "aave-v3" and line.health is not None for line in report.venues)


def test_empty_portfolio_is_safe_with_zeros_that_are_known(at_start):
    report = at_start["empty"]
    assert (report.status, report.data_quality.complete) == (Status.SAFE, True)
    assert (report.mm_requirement_usd, report.net_value_usd, report.margin_ratio) == (0, 0, None)


def test_transfer_in_flight_has_value_but_backs_nothing(at_start):
    (line,) = [line for line in at_start["in-transit"].venues if line.venue == "across"]
    assert line.net_value_usd > 0
    assert (line.equity_usd, line.movable_usd) == (0, 0)


async def test_a_second_reading_gives_the_same_figures(devnet, at_start):
    again = await reports_of(devnet)
    for name, report in again.items():
        same = {"venue_maintenance_usd", "isolated_buffer_usd", "netted_buffer_usd"}
        for field in same:
            before, now = getattr(at_start[name], field), getattr(report, field)
            assert before == now or abs(before - now) <= max(Decimal("0.01"), abs(before) * Decimal("1e-4")), name


@pytest.mark.slow
async def test_tape_shows_every_status_and_the_venues_agree_throughout(devnet_snapshot):
    seen: set[Status] = set()
    for step in STEPS:
        play(devnet_snapshot, step)
        reports = await reports_of(devnet_snapshot)
        for report in reports.values():
            must_hold(report)
            seen.add(report.status)
        incomplete = {name for name, report in reports.items() if not report.data_quality.complete}
        assert incomplete <= UNKNOWN_PORTFOLIOS, (step.name, [reports[n].data_quality for n in incomplete])
    assert seen == set(Status)
