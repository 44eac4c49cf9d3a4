"""A chain that stands still, or whose sequencer does, shows in every report that contains it, and in no other."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from aggregator import metrics
from aggregator.clock import utc_now
from aggregator.config import PortfolioSettings
from aggregator.devnet_settings import devnet_settings
from aggregator.wiring import wire
from chains.caip import account_chain, chain_id
from chains.cut import ChainRule
from chains.devnet import sequencer
from chains.types import ChainStatus, Finality
from tests.kit import fault_proxy as faults
from tests.kit.fault_proxy import SECRET, fault_proxy

pytestmark = pytest.mark.devnet
ETHEREUM, OP, BASE, ARBITRUM = (chain_id(number) for number in (1, 10, 8453, 42161))


def settings_of(world):
    """The devnet's settings with two portfolios: an account on every chain, and the same on Ethereum only."""
    settings = devnet_settings(world.state_dir, max_head_age_s=1e9)
    everywhere = settings.portfolios["hedged-pair"]
    narrow = tuple(account for account in everywhere.accounts if account_chain(account) == ETHEREUM)
    two = {"everywhere": everywhere, "narrow": PortfolioSettings(accounts=narrow)}
    return settings.model_copy(update={"portfolios": two})


def with_chain(settings, chain, **update):
    changed = settings.chains[chain].model_copy(update=update)
    return settings.model_copy(update={"chains": {**settings.chains, chain: changed}})


async def reports_of(settings):
    async with wire(settings) as wired:
        everywhere, narrow = await wired.cycle.run(utc_now())
        return everywhere, narrow


def degraded(report):
    return {line.what: line.reason for line in report.data_quality.degraded}


async def test_a_sequencer_that_is_down_shows_in_the_reports_of_its_chain(devnet_snapshot):
    sequencer.set_down(devnet_snapshot.chains[10].ctx, True)
    everywhere, narrow = await reports_of(settings_of(devnet_snapshot))
    assert everywhere.as_of.chains[OP].status == ChainStatus.SEQUENCER_DOWN
    assert "sequencer is down since" in degraded(everywhere)[f"chain {OP}"]
    assert {chain: c.status for chain, c in everywhere.as_of.chains.items() if chain != OP} == {
        ETHEREUM: ChainStatus.OK, BASE: ChainStatus.OK, ARBITRUM: ChainStatus.OK,
    }  # fmt: skip
    assert set(narrow.as_of.chains) == {ETHEREUM}
    assert f"chain {OP}" not in degraded(narrow)
    assert metrics.CHAIN_STATUS.labels(chain=OP, status="sequencer_down")._value.get() == 1


async def test_a_stalled_chain_gives_no_figure_and_its_status(devnet):
    async with wire(settings_of(devnet)) as wired:
        rules = {**wired.cycle.rules, BASE: ChainRule(max_head_age_s=-1e9)}
        everywhere, narrow = await replace(wired.cycle, rules=rules).run(utc_now())
    assert everywhere.as_of.chains[BASE].status == ChainStatus.STALLED
    assert degraded(everywhere)[f"chain {BASE}"].startswith("stalled: eip155:8453: latest block ")
    assert BASE not in everywhere.as_of.blocks
    assert not everywhere.data_quality.complete
    assert everywhere.unified_buffer_usd is None
    assert narrow.data_quality.complete
    assert narrow.unified_buffer_usd is not None


async def test_each_chain_is_read_at_its_own_tag(devnet):
    everywhere, _ = await reports_of(with_chain(settings_of(devnet), OP, finality=Finality.SAFE))
    tags = {chain: block.finality for chain, block in everywhere.as_of.blocks.items()}
    assert tags.pop(OP) == Finality.SAFE
    assert set(tags.values()) == {Finality.LATEST}


@pytest.mark.parametrize("fault", [faults.hanging, faults.html_page, faults.null_results, faults.truncated])
async def test_reports_stand_on_the_good_endpoint_and_are_unknown_without_it(devnet, fault, caplog):
    settings = settings_of(devnet)
    healthy = await reports_of(settings)
    good = settings.chains[OP].rpc_urls[0]
    async with fault_proxy(good.get_secret_value()) as broken:
        broken.fault = fault()
        bad = SecretStr(broken.url)
        patience = {"timeout_s": 1, "hedge_after_s": 0.1}
        spared = await reports_of(with_chain(settings, OP, rpc_urls=(bad, good), **patience))
        alone = await reports_of(with_chain(settings, OP, rpc_urls=(bad,), **patience))
    for before, after in zip(healthy, spared, strict=True):
        assert after.data_quality.complete
        assert float(after.unified_buffer_usd) == pytest.approx(float(before.unified_buffer_usd), rel=1e-3)
    everywhere, narrow = alone
    assert everywhere.as_of.chains[OP].status == ChainStatus.UNREACHABLE
    assert everywhere.unified_buffer_usd is None
    assert narrow.data_quality.complete
    assert all(SECRET not in report.model_dump_json() for report in (*spared, *alone))
    assert SECRET not in caplog.text
