"""A paused spoke pool or a stalled chain changes what help counts in the same cycle, and the report says so."""

from dataclasses import replace

import pytest

from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.portfolios import Portfolios
from aggregator.wiring import wire
from chains.caip import chain_id
from chains.cut import ChainRule
from risk.status import Status

pytestmark = pytest.mark.devnet
NAME = "far-from-funds"
BASE, OPTIMISM = chain_id(8453), chain_id(10)
PAUSED = "bridge across"


def said(report):
    return {line.what: line.reason for line in report.data_quality.degraded}


def needy(report):
    (line,) = [v for v in report.venues if v.venue == "perp-v2"]
    return line


async def report_of(cycle):
    (report,) = await cycle.run(utc_now(), Portfolios({NAME: cycle.portfolios.accounts(NAME)}))
    return report


@pytest.mark.parametrize("switch", ["deposits", "fills"])
async def test_a_paused_pool_closes_its_routes_at_once_and_opens_them_again(devnet_snapshot, switch):
    world = devnet_snapshot
    number = 8453 if switch == "deposits" else 10
    async with wire(devnet_settings(world.state_dir)) as wired:
        before = await report_of(wired.cycle)
        world.chains[number].across.pause(**{switch: True})
        world.meet()
        during = await report_of(wired.cycle)
        world.chains[number].across.pause(**{switch: False})
        world.meet()
        after = await report_of(wired.cycle)
    assert (before.status, during.status, after.status) == (
        Status.BRIDGE_NOW,
        Status.DELEVERAGE,
        Status.BRIDGE_NOW,
    )
    open_, shut = needy(before), needy(during)
    assert open_.ttf_s is not None
    assert shut.ttf_s is None or shut.ttf_s > open_.ttl_s
    assert shut.rescue_probability < open_.rescue_probability
    assert shut.rescue_gap_usd > open_.rescue_gap_usd
    assert during.unified_buffer_usd > before.unified_buffer_usd
    assert "nothing over it counts" in said(during)[PAUSED]
    assert PAUSED not in said(before)
    assert during.data_quality.complete
    assert during.inputs_hash != before.inputs_hash
    assert float(needy(after).ttf_s) == pytest.approx(float(open_.ttf_s), rel=1e-2)
    assert float(after.unified_buffer_usd) == pytest.approx(float(before.unified_buffer_usd), rel=1e-2)


async def test_without_any_route_g_is_one_and_the_report_names_the_pairs(devnet_snapshot):
    world = devnet_snapshot
    settings = devnet_settings(world.state_dir)
    narrow = settings.model.model_copy(update={"bridges": ("across",)})
    async with wire(settings.model_copy(update={"model": narrow})) as wired:
        before = await report_of(wired.cycle)
        world.chains[8453].across.pause(deposits=True)
        world.meet()
        during = await report_of(wired.cycle)
    assert before.no_route == ()
    assert f"{BASE} to {OPTIMISM}" in during.no_route
    assert needy(during).ttf_s is None
    assert needy(during).rescue_probability == 0
    assert during.isolated_buffer_usd > during.netted_buffer_usd
    assert during.unified_buffer_usd == during.isolated_buffer_usd


async def test_a_stalled_chain_takes_its_routes_and_its_money_out_and_the_rest_stands(devnet):
    async with wire(devnet_settings(devnet.state_dir)) as wired:
        before = await report_of(wired.cycle)
        rules = {**wired.cycle.rules, BASE: ChainRule(max_head_age_s=-1e9)}
        stalled = replace(wired.cycle, rules=rules)
        during = await report_of(stalled)
        assert BASE in stalled.worlds[NAME].paused
        mobility = wired.cycle.maker.model.mobility(stalled.worlds[NAME].paused)
        after = await report_of(wired.cycle)
    assert not any(BASE in pair for pair in mobility.lags)
    assert mobility.between(OPTIMISM, chain_id(1))
    # Nothing that could come from there counts, the figures of the whole are unknown, what can be read stands.
    assert (before.status, during.status) == (Status.BRIDGE_NOW, Status.DELEVERAGE)
    assert needy(during).ttf_s is None
    assert float(needy(during).surplus_usd) == pytest.approx(float(needy(before).surplus_usd), rel=1e-3)
    assert f"{BASE} to {OPTIMISM}" in during.no_route
    assert "stalled" in said(during)[f"chain {BASE}"]
    assert during.unified_buffer_usd is None
    assert not during.data_quality.complete
    assert after.status is Status.BRIDGE_NOW
