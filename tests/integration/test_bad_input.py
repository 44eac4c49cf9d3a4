"""Mistakes in the settings and chains that fail: a clear error or a typed gap, never a wrong number."""

import json
from dataclasses import replace

import pytest

from aggregator.clock import utc_now
from aggregator.config import Settings, make_settings
from aggregator.devnet_settings import devnet_settings
from aggregator.doctor.run import examine
from aggregator.errors import ConfigError
from aggregator.wiring import wire
from chains.deployments_file import load_deployments, plain
from chains.devnet import anvil, chainlink, worldfile
from risk.status import Status

pytestmark = pytest.mark.devnet
BROKEN = "eip155:8453"


@pytest.fixture
def content(devnet, tmp_path):
    """Settings of the devnet as plain values, to be broken by a test."""
    settings = devnet_settings(devnet.state_dir)
    urls = {
        chain: {"rpc_urls": [u.get_secret_value() for u in c.rpc_urls]} for chain, c in settings.chains.items()
    }
    return {
        "deployments": str(settings.deployments),
        "chains": urls,
        "portfolios": {name: {"accounts": item.accounts} for name, item in settings.portfolios.items()},
        "database": f"sqlite+aiosqlite:///{tmp_path / 'x.db'}",
        "model": {"bridges": ("across", "canonical"), "reaction": "keeper"},
        "prices": {"sequencer_grace_s": 0},
    }


async def run(settings: Settings):
    async with wire(settings) as wired:
        return {report.portfolio.name: report for report in await wired.cycle.run(utc_now())}


async def test_dead_chain_leaves_the_others_standing(content):
    whole = await run(make_settings(content, "t"))
    content["chains"][BROKEN]["rpc_urls"] = [f"http://127.0.0.1:{anvil.free_port()}"]
    broken = await run(make_settings(content, "t"))
    for name, report in broken.items():
        on_broken = any(account.startswith(BROKEN) for account in report.portfolio.accounts)
        assert report.data_quality.complete is (whole[name].data_quality.complete and not on_broken), name
        kept = {(v.venue, v.account, v.sub_account): v.mm_requirement_usd for v in report.venues}
        before = {(v.venue, v.account, v.sub_account) for v in whole[name].venues if v.chain != BROKEN}
        # A transfer in flight to the dead chain cannot be judged; every other account stands.
        assert {key for key in before if key[0] != "across"} <= set(kept), name
        if on_broken:
            assert report.status not in {Status.SAFE, Status.WATCH}
            assert report.mm_requirement_usd is None
            assert BROKEN in " ".join(item.what for item in report.data_quality.degraded)
    assert broken["underwater"].status in {Status.UNKNOWN, Status.LIQUIDATABLE}


async def test_wrong_chain_behind_an_endpoint_is_a_gap_and_named_by_the_check(content):
    content["chains"][BROKEN], url = content["chains"]["eip155:1"], content["chains"][BROKEN]["rpc_urls"][0]
    settings = make_settings(content, "t")
    reports = await run(settings)
    text = " ".join(item.reason for r in reports.values() for item in r.data_quality.degraded)
    assert "8453" in text
    (line,) = [line for line in await examine(settings) if not line.ok and "endpoint" in line.what]
    assert BROKEN in line.what
    assert "eip155:1" in line.detail or " 1" in line.detail
    assert url not in text + line.detail
    assert "127.0.0.1" not in text + line.detail


async def test_missing_contract_code_is_named(content, devnet, tmp_path):
    deployments = dict(load_deployments(worldfile.path_of(devnet.state_dir)))
    nowhere = "0x000000000000000000000000000000000000dEaD"
    chain = next(iter(deployments))
    deployments[chain] = replace(deployments[chain], multicall3=nowhere)
    path = tmp_path / "deployments.json"
    path.write_text(json.dumps({"deployments": plain(list(deployments.values()))}))
    content["deployments"] = str(path)
    lines = [line for line in await examine(make_settings(content, "t")) if not line.ok]
    assert any(chain in line.what and nowhere in line.detail and "no code" in line.detail for line in lines)


async def test_feed_without_an_answer_is_a_gap_with_its_name(content, devnet_snapshot, tmp_path):
    ctx = devnet_snapshot.chains[1].ctx
    chainlink.deploy_empty(ctx, "NEW")
    deployments = dict(load_deployments(worldfile.path_of(devnet_snapshot.state_dir)))
    chain = ctx.chain
    feeds = deployments[chain].feeds
    eth = next(feed for feed in feeds.chainlink if feed.price_key == "ETH")
    empty = replace(eth, proxy=ctx.feeds.pop("NEW").address)
    others = tuple(feed for feed in feeds.chainlink if feed.price_key != "ETH")
    deployments[chain] = replace(deployments[chain], feeds=replace(feeds, chainlink=(*others, empty)))
    path = tmp_path / "deployments.json"
    path.write_text(json.dumps({"deployments": plain(list(deployments.values()))}))
    content["deployments"] = str(path)
    failed = [line for line in await examine(make_settings(content, "t")) if not line.ok]
    assert any("ETH" in line.what and "chainlink@eip155:1" in line.what for line in failed)


async def test_unknown_chain_is_refused(content):
    content["chains"]["eip155:999"] = {"rpc_urls": ["http://127.0.0.1:1"]}
    with pytest.raises(ConfigError, match=r"chains\.eip155:999: no deployment"):
        async with wire(make_settings(content, "t")):
            pass
