"""Transfers through the real spoke pools become observations that move the law of the running service."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from typer.testing import CliRunner

from aggregator.bridge_watch import BridgeWatch
from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.replay.run import replay
from aggregator.store.inputs import InputLog
from aggregator.store.repository import Store
from aggregator.wiring import open_service, wire
from api.cli.main import app
from api.cli.serve import serving
from chains.caip import account_address, chain_id
from chains.devnet.relayer import Relayer

pytestmark = pytest.mark.devnet
NAME = "far-from-funds"
BASE, OPTIMISM, ARBITRUM = 8453, 10, 42161
LATENCY_S = 2.0


def settings_of(world, database, **more):
    bridges = {"every_s": 0.3, **more.pop("bridges", {})}
    settings = devnet_settings(
        world.state_dir, database=database, service={"scan_interval_s": 0.5, "port": 0}, bridges=bridges, **more
    )
    return settings.model_copy(update={"portfolios": {NAME: settings.portfolios[NAME]}})


@asynccontextmanager
async def running(settings):
    async with AsyncExitStack() as stack:
        wired = await stack.enter_async_context(wire(settings))
        service, store, notifier = await stack.enter_async_context(open_service(wired))
        url = await stack.enter_async_context(serving(wired, service, store, notifier))
        session = await stack.enter_async_context(aiohttp.ClientSession(url))
        yield session, store


def owner_of(world, settings):
    """The portfolio's account, with ether for the gas of a deposit."""
    owner = account_address(settings.portfolios[NAME].accounts[0])
    world.chains[BASE].ctx.deployer.rpc("anvil_setBalance", owner, hex(10**18))
    return owner


async def body_of(session):
    async with session.get("/v1/bridges") as answer:
        assert answer.status == 200
        return await answer.json()


def row_of(body, source=BASE, destination=OPTIMISM):
    ends = (str(chain_id(source)), str(chain_id(destination)))
    (row,) = [r for r in body["bridges"] if r["bridge"] == "across" and (r["source"], r["destination"]) == ends]
    return row


async def until_observed(session, count):
    async with asyncio.timeout(30):
        while (row := row_of(await body_of(session)))["observations"] != count:
            await asyncio.sleep(0.1)
    return row


def transfer(world, owner):
    """One deposit that a relayer fills after its latency."""
    pools = {number: chain.across for number, chain in world.chains.items()}
    with Relayer(pools, lambda: LATENCY_S) as relayer:
        world.chains[BASE].across.deposit(owner, "USDC", 1_000, OPTIMISM)
        for _ in range(600):
            if relayer.filled:
                break
            relayer._stop.wait(0.05)
    world.meet()
    assert relayer.filled


async def test_a_transfer_that_the_relayer_fills_becomes_an_observation(devnet_snapshot, tmp_path):
    world, database = devnet_snapshot, f"sqlite+aiosqlite:///{tmp_path / 'service.db'}"
    settings = settings_of(world, database)
    async with running(settings) as (session, store):
        before = await until_observed(session, 0)
        await asyncio.to_thread(transfer, world, owner_of(world, settings))
        after = await until_observed(session, 1)
        assert after["age_s"] is not None
        assert before["age_s"] is None
        assert after["median_s"] >= before["median_s"]
        assert row_of(await body_of(session), BASE, ARBITRUM)["observations"] == 0
        watched = {pool["chain"]: pool for pool in (await body_of(session))["watched"]}
        assert len(watched) == 4
        assert all(pool["reason"] == "" and pool["block"] > 0 for pool in watched.values())
        # What is reported from then on is reported over the new law, and can be made again from the store alone.
        async with asyncio.timeout(30):
            while True:
                report = await store.latest(NAME)
                inputs = None if report is None else await InputLog(store).of(report.id)
                if inputs is not None and report.model.params_hash != (await first_hash(store)):
                    break
                await asyncio.sleep(0.2)
        done = replay(report, *inputs)
        assert done.same
        assert done.parameters is None
    async with watching(world, database) as (watch, _, session):  # seen again by another process: the same one
        await watch.round(session)
    env = {"CROSSMARGIN_DATABASE": database}
    command = ["bridges", "--devnet", str(world.state_dir), "--json"]
    run = await asyncio.to_thread(lambda: CliRunner().invoke(app, command, env=env))
    assert run.exit_code == 0
    shown = row_of(json.loads(run.stdout))
    assert (shown["observations"], shown["median_s"]) == (1, pytest.approx(after["median_s"]))


async def first_hash(store):
    async with store.transaction(writing=False) as connection:
        from sqlalchemy import text

        body = (await connection.execute(text("SELECT body FROM reports ORDER BY seq LIMIT 1"))).scalar()
    return json.loads(body)["model"]["params_hash"]


@asynccontextmanager
async def watching(world, database, **bridges):
    settings = settings_of(world, database, bridges=bridges)
    store = await Store.open(database)
    try:
        async with wire(settings) as wired, aiohttp.ClientSession() as session:
            yield BridgeWatch(wired, store), wired, session
    finally:
        await store.close()


async def test_looks_follow_the_chains_through_reorgs_and_only_own_transfers_count(devnet_snapshot, tmp_path):
    world, database = devnet_snapshot, f"sqlite+aiosqlite:///{tmp_path / 'watch.db'}"
    pool, there = world.chains[BASE].across, world.chains[OPTIMISM].across
    async with watching(world, database) as (watch, wired, session):
        owner = owner_of(world, wired.settings)
        stranger = world.chains[BASE].ctx.deployer.accounts[3]
        await watch.round(session)
        before = set(await watch.log.observations(utc_now()))

        async def new(watch):
            return [one for one in await watch.log.observations(utc_now()) if one not in before]

        mark = pool.ctx.deployer.rpc("evm_snapshot")
        pool.deposit(owner, "USDC", 500, OPTIMISM)
        pool.deposit(stranger, "USDC", 500, OPTIMISM)
        world.meet()
        await watch.round(session)
        (seen,) = await new(watch)
        assert (seen.bridge, seen.latency_s, seen.lost) == ("across", None, False)
        pool.ctx.deployer.rpc("evm_revert", mark)
        longer(world)
        await watch.round(session)
        assert await new(watch) == []
        relay = pool.deposit(owner, "USDC", 501, OPTIMISM)
        mark = there.ctx.deployer.rpc("evm_snapshot")
        there.fill(relay)
        world.meet()
        await watch.round(session)
        (seen,) = await new(watch)
        assert seen.latency_s is not None
        there.ctx.deployer.rpc("evm_revert", mark)
        longer(world)
        await watch.round(session)
        (seen,) = await new(watch)
        assert seen.latency_s is None
    async with watching(world, f"{database}2", observe="everyone") as (watch, _, session):
        await watch.round(session)
        assert len(await watch.log.observations(utc_now())) >= 1
    async with watching(world, f"{database}3", observe="off") as (watch, _, session):
        assert not await watch.round(session)
        assert watch.desk.watched == {}


def longer(world):
    """The other branch of a reorg grows longer than the one that it replaces."""
    for _ in range(12):
        world.pass_time(1)


async def ids(watch):
    """Deposits to Optimism whose fill is awaited."""
    return {one.deposit_id for one in await watch.log.awaited(chain_id(OPTIMISM), 0)}


async def test_a_fill_that_nobody_saw_is_forgotten_and_a_chain_that_fails_is_said(
    devnet_snapshot, tmp_path, caplog
):
    caplog.set_level(logging.INFO, "aggregator.bridge_watch")
    world, database = devnet_snapshot, f"sqlite+aiosqlite:///{tmp_path / 'gap.db'}"
    pool, there = world.chains[BASE].across, world.chains[OPTIMISM].across
    async with watching(world, database) as (watch, wired, session):
        owner = owner_of(world, wired.settings)
        relay = pool.deposit(owner, "USDC", 502, OPTIMISM)
        world.meet()
        await watch.round(session)
        assert relay.deposit_id in await ids(watch)
        there.fill(relay)
        for _ in range(4):
            world.meet()
    short = chain_id(OPTIMISM)
    async with watching(world, database) as (watch, wired, session):
        chains = wired.settings.chains
        less = chains | {short: chains[short].model_copy(update={"log_lookback_blocks": 1})}
        watch._wired = replace(wired, settings=wired.settings.model_copy(update={"chains": less}))
        elsewhere = watch._pools[chain_id(ARBITRUM)]
        its, elsewhere._pool = elsewhere._pool, "0x" + "11" * 20  # no contract: it does not say "no transfers"
        await watch.round(session)
        await watch.round(session)
        assert relay.deposit_id not in await ids(watch)
        assert watch.desk.watched[short].reason == ""
        assert "0 bytes" in watch.desk.watched[chain_id(ARBITRUM)].reason
        elsewhere._pool = its
        for _ in range(2):
            await watch.round(session)
        assert watch.desk.watched[chain_id(ARBITRUM)].reason == ""
        told = [record.msg for record in caplog.records if "follow" in record.msg and "transfers of" in record.msg]
        assert told == ["transfers of %s cannot be followed: %s", "transfers of %s are followed again"]
