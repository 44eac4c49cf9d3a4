"""A rescue for real: the advice's calldata on the devnet, through the real spoke pools, before the crash comes."""

import json
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from aggregator.advice.advise import advise
from aggregator.advice.model import Bands, StepKind
from aggregator.clock import utc_now
from aggregator.devnet_settings import devnet_settings
from aggregator.portfolios import Portfolios
from aggregator.wiring import wire
from api.cli.main import app
from chains.caip import chain_number
from chains.devnet.relayer import Relayer
from chains.devnet.tape import find, play
from chains.venues.perp import calldata as perp
from risk.routes import load_routes
from risk.status import Status
from tests.kit import advice as kit

pytestmark = pytest.mark.devnet
NAME = "far-from-funds"
CRASH = ("crash-1", "crash-2", "crash-3")
BANDS = Bands(coverage="1.5")
OPTIMISM, BASE = 10, 8453
PATIENCE_S = 30
MARK_FOLLOWS_S = 20
"""The venue's mark is a mean over 15 s."""


async def advice_of(world, bands=BANDS):
    return await kit.advice_of(world, NAME, bands)


async def report_of(world):
    return await kit.report_of(world, NAME)


def perp_line(report):
    (line,) = [v for v in report.venues if v.venue == "perp-v2"]
    return line


def usdc_of(world, number, owner):
    token = world.chains[number].ctx.tokens["USDC"]
    return token.functions.balanceOf(owner).call()


def drawn_latency(seed=11):
    """From the law of the route that ships, Base to Optimism."""
    (route,) = [
        r for r in load_routes()
        if (r.bridge, r.source, r.destination) == ("across", f"eip155:{BASE}", f"eip155:{OPTIMISM}")
    ]  # fmt: skip
    law, rng = route.law.body, np.random.default_rng(seed)
    return lambda: float(law.median_s * np.exp(law.log_sd * rng.standard_normal()))


def execute(world, plan):
    """Steps in order; after a bridge the owner waits until the money is there."""
    pools = {number: chain.across for number, chain in world.chains.items()}
    with Relayer(pools, drawn_latency()) as relayer:
        for step in plan.steps:
            for transaction in step.transactions:
                before = usdc_of(world, OPTIMISM, transaction.sender)
                kit.send(world, transaction)
            if step.kind is StepKind.BRIDGE:
                deadline = time.monotonic() + PATIENCE_S
                while usdc_of(world, OPTIMISM, transaction.sender) <= before:
                    assert time.monotonic() < deadline, "the relayer did not fill"
                    time.sleep(0.1)
    world.meet()
    return relayer.filled


def crash(world):
    for step in find(CRASH):
        play(world, step)
        world.pass_time(MARK_FOLLOWS_S)
        world.refresh()


def near(a, b, rel):
    return float(a) == pytest.approx(float(b), rel=rel)


async def test_advice_moves_the_money_in_time_and_the_account_survives_the_crash(devnet_snapshot):
    world = devnet_snapshot
    advice = await advice_of(world)
    assert advice.status is Status.BRIDGE_NOW
    assert not advice.do_nothing
    plan = advice.plans[0]
    assert [step.kind for step in plan.steps] == [StepKind.BRIDGE, StepKind.DEPOSIT]
    assert (plan.before.status, plan.after.status) == (Status.BRIDGE_NOW, Status.SAFE)
    untouched = await report_of(world)
    assert near(perp_line(untouched).surplus_usd, plan.before.surplus_usd, 1e-3)

    (filled,) = execute(world, plan)
    assert 0 < filled.latency_s < float(plan.eta.p99_stress_s)
    rescued = await report_of(world)
    # The margin that the fork promised is the margin that the chain gives.
    assert rescued.status is Status.SAFE
    assert near(perp_line(rescued).surplus_usd, plan.after.surplus_usd, 1e-3)
    assert near(rescued.mm_requirement_usd, plan.after.mm_requirement_usd, 1e-2)

    crash(world)
    line = perp_line(await report_of(world))
    assert line.venue_liquidatable is False
    assert line.surplus_usd > 0


async def test_same_crash_without_the_transfer_makes_the_account_liquidatable(devnet_snapshot):
    crash(devnet_snapshot)
    report = await report_of(devnet_snapshot)
    assert report.status is Status.LIQUIDATABLE
    assert perp_line(report).venue_liquidatable is True


async def test_paused_bridge_means_deleverage_and_reduce_only_works(devnet_snapshot):
    world = devnet_snapshot
    world.chains[BASE].across.pause(deposits=True)
    advice = await advice_of(world)
    assert advice.status is Status.DELEVERAGE
    assert {plan.name for plan in advice.plans} == {"reduce"}
    (plan,) = advice.plans
    assert all(step.kind is StepKind.REDUCE and step.chain == f"eip155:{OPTIMISM}" for step in plan.steps)
    for step in plan.steps:
        for transaction in step.transactions:
            assert chain_number(transaction.chain) == OPTIMISM
            kit.send(world, transaction)
    world.meet()
    smaller = await report_of(world)
    assert smaller.status is Status.SAFE
    (leg,) = [p for p in smaller.positions if p.kind == "perp"]
    assert 0 < leg.size < 100
    crash(world)
    assert perp_line(await report_of(world)).venue_liquidatable is False


async def test_a_plan_that_fails_on_the_fork_is_not_shown(devnet, monkeypatch):
    """A deposit of a thousand times the money that arrives: the chain refuses it, so nobody is shown it."""
    honest = perp.deposit
    monkeypatch.setattr(
        perp, "deposit", lambda account, here, token, raw: honest(account, here, token, 1000 * raw)
    )
    advice = await advice_of(devnet)
    assert {plan.name for plan in advice.plans} == {"reduce"}
    (refused,) = advice.refused
    assert refused.name == "fund"
    assert "deposit" in refused.reason
    assert "http" not in refused.reason


async def test_trying_a_plan_leaves_the_chains_as_they_are(devnet):
    before = await report_of(devnet)
    await advice_of(devnet)
    after = await report_of(devnet)
    assert after.as_of.blocks == before.as_of.blocks
    assert [(p.asset, p.size) for p in after.positions] == [(p.asset, p.size) for p in before.positions]


async def test_nothing_to_do_is_an_answer(devnet):
    async with wire(devnet_settings(devnet.state_dir)) as wired:
        for name in ("steady-lender", "empty"):
            portfolio = Portfolios({name: wired.cycle.portfolios.accounts(name)})
            advice = await advise(wired, portfolio, utc_now())
            assert advice.do_nothing
            assert not advice.plans
            assert "do nothing" in advice.reason


def test_command_line_gives_unsigned_transactions_and_no_address_of_a_node(devnet):
    done = CliRunner().invoke(
        app, ["advice", NAME, "--devnet", str(devnet.state_dir), "--coverage", "1.5", "--json"]
    )
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    calls = [call for plan in found["plans"] for step in plan["steps"] for call in step["transactions"]]
    assert calls
    assert all(set(call) == {"chain", "sender", "to", "data", "value", "about"} for call in calls)
    assert "127.0.0.1" not in done.stdout
    assert set(found["dollar_price"]) == {f"eip155:{OPTIMISM}"}
    free = {line["account"].rpartition("/")[2]: line for line in found["movable"]}
    assert float(free["perp-v2"]["least_usd"]) == 0 < float(free["wallet"]["least_usd"])
