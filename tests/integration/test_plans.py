"""Plans in the venues' own calls: executed by the owner's key on the devnet, judged by the venues' contracts."""

from decimal import Decimal

import pytest

from aggregator.advice import moves, reduce
from aggregator.advice.model import StepKind
from chains.accounts import PositionKind
from chains.devnet import tokens
from chains.devnet.anvil import AnvilError
from risk.status import Status
from tests.kit.advice import accounts_of, advice_of, carry_out, plan_for, report_of, send

pytestmark = pytest.mark.devnet
OPTIMISM, BASE, ARBITRUM = 10, 8453, 42161


def owner_of(plan):
    return plan.account.partition("/")[0].rpartition(":")[2]


def kinds(plan):
    return [step.kind for step in plan.steps]


def leg_of(account, kind="collateral"):
    return next(p for p in account.positions if p.kind == kind and p.raw)


_known = {}


async def first_advice(world, name, **bands):
    """Advice on the cast as it was built; several tests carry parts of it out."""
    if name not in _known:
        _known[name] = await advice_of(world, name, bands)
    return _known[name]


def with_gas(world, number, owner):
    """The cast has just enough for its own transactions."""
    world.chains[number].ctx.deployer.rpc("anvil_setBalance", owner, hex(10**18))


# --- Synthetix ---


async def test_susd_goes_into_a_synthetix_account_and_out_again(devnet_snapshot):
    world, name = devnet_snapshot, "hedged-pair"
    market = world.chains[OPTIMISM].synthetix.markets["sETHPERP"].functions
    advice = await advice_of(world, name, {"coverage": "1.5"})
    plan, smaller = plan_for(advice, "fund", "sETHPERP"), plan_for(advice, "reduce", "sETHPERP")
    owner = owner_of(plan)
    assert kinds(plan) == [StepKind.DEPOSIT]
    (before, _), size = market.remainingMargin(owner).call(), market.positions(owner).call()[4]
    carry_out(world, plan)
    after, _ = market.remainingMargin(owner).call()
    added = int(plan.steps[0].amount.scaleb(18))
    assert after - before == pytest.approx(added, rel=1e-4)  # a second of funding lies between
    assert plan.after.surplus_usd > plan.before.surplus_usd

    accounts, deployments = await accounts_of(world, name)
    account = accounts[moves.SYNTHETIX, "sETHPERP"]
    here = deployments[account.at.chain]
    free = int(account.withdrawable_usd.scaleb(18))
    for raw, goes in ((int(free * 1.001), False), (int(free * 0.999), True)):
        (call,) = moves.take_out(account, here, None, leg_of(account), raw)
        if goes:
            send(world, call)
        else:
            with pytest.raises(AnvilError):
                send(world, call)
    left, _ = market.remainingMargin(owner).call()
    assert after - left == pytest.approx(free * 0.999, rel=1e-3)

    with_gas(world, OPTIMISM, owner)
    world.chains[OPTIMISM].synthetix.mint_susd(owner, 60_000)
    world.chains[OPTIMISM].synthetix.deposit(owner, "sETHPERP", 60_000)
    carry_out(world, smaller)
    rest = market.positions(owner).call()[4]
    assert size < rest < 0


async def test_other_dollars_are_changed_into_the_token_that_the_account_takes(devnet_snapshot):
    world, name = devnet_snapshot, "hedged-pair"
    market = world.chains[OPTIMISM].synthetix.markets["sETHPERP"].functions
    accounts, _ = await accounts_of(world, name)
    owner = accounts[moves.SYNTHETIX, "sETHPERP"].account.rpartition(":")[2]
    tokens.mint(world.chains[OPTIMISM].ctx, "USDC", owner, 100_000)
    world.meet()
    advice = await advice_of(world, name, {"coverage": "1.5"})
    plan = next(p for p in advice.plans if StepKind.SWAP in kinds(p) and p.account.endswith("sETHPERP"))
    before, _ = market.remainingMargin(owner).call()
    carry_out(world, plan)
    after, _ = market.remainingMargin(owner).call()
    paid_in = sum(step.amount for step in plan.steps if step.kind is StepKind.DEPOSIT)
    assert kinds(plan) == [StepKind.DEPOSIT, StepKind.SWAP, StepKind.DEPOSIT]
    assert after - before == pytest.approx(float(paid_in.scaleb(18)), rel=1e-3)


# --- Morpho ---


def morpho_state(world, owner):
    """What the contract says is owed (USDC units, exact enough) and held."""
    morpho = world.chains[BASE].morpho
    market = morpho.markets["WETH"].id
    totals = morpho.morpho.functions.market(market).call()
    _, shares, collateral = morpho.morpho.functions.position(market, owner).call()
    return shares * totals[2] / totals[3], collateral


@pytest.mark.parametrize("name", ["fund", "sell-collateral"])
async def test_a_morpho_loan_is_repaid_with_money_or_out_of_its_collateral(devnet_snapshot, name):
    world = devnet_snapshot
    plan = plan_for(await first_advice(world, "morpho-borrower", health="1.3"), name)
    owed, held = morpho_state(world, owner_of(plan))
    round_ = [StepKind.REPAY] if name == "fund" else [StepKind.WITHDRAW, StepKind.SWAP, StepKind.REPAY]
    assert kinds(plan) == round_ * (len(plan.steps) // len(round_))
    carry_out(world, plan)
    less, rest = morpho_state(world, owner_of(plan))
    repaid = sum(step.amount for step in plan.steps if step.kind is StepKind.REPAY)
    assert owed - less == pytest.approx(float(repaid.scaleb(6)), rel=1e-3)
    assert (rest < held) == (name == "sell-collateral")
    assert less / rest < 0.95 * owed / held  # the contract's health is its price over this
    assert plan.after.surplus_usd > plan.before.surplus_usd


async def test_what_lies_in_morpho_comes_out_as_far_as_the_contract_allows(devnet_snapshot):
    world, name = devnet_snapshot, "morpho-borrower"
    accounts, deployments = await accounts_of(world, name)
    (account,) = (a for (venue, _), a in accounts.items() if venue == moves.MORPHO)
    here, leg = deployments[account.at.chain], leg_of(account)
    token = here.asset(leg.asset)
    free = account.withdrawable_usd / leg.venue_price_usd
    for share, goes in (("1.001", False), ("0.99", True)):
        raw = int((free * Decimal(share)).scaleb(token.decimals))
        (call,) = moves.take_out(account, here, token, leg, raw)
        if goes:
            send(world, call)
        else:
            with pytest.raises(AnvilError, match="insufficient collateral"):
                send(world, call)


# --- Lyra ---


async def test_quote_goes_into_a_short_and_out_again_and_part_of_it_is_bought_back(devnet_snapshot):
    world, name = devnet_snapshot, "short-strangle"
    lyra = world.chains[OPTIMISM].lyra
    advice = await first_advice(world, name, coverage="2")
    plan, smaller = plan_for(advice, "fund", "ETH-1"), plan_for(advice, "reduce", "ETH-1")
    before = lyra.position(1)
    assert kinds(plan) == [StepKind.DEPOSIT]
    carry_out(world, plan)
    after = lyra.position(1)
    assert after[4] - before[4] == int(plan.steps[0].amount.scaleb(18))

    accounts, deployments = await accounts_of(world, name)
    account = accounts[moves.LYRA, "ETH-1"]
    here = deployments[account.at.chain]
    (held,) = [leg for leg in account.positions if leg.kind is PositionKind.COLLATERAL]
    token = here.asset(held.asset)
    free = int(account.withdrawable_usd.scaleb(18))
    for raw, goes in ((int(free * 1.001), False), (int(free * 0.999), True)):
        (call,) = moves.take_out(account, here, token, leg_of(account), raw)
        if goes:
            send(world, call)
        else:
            with pytest.raises(AnvilError):
                send(world, call)
    assert lyra.position(1)[4] < before[4]

    with_gas(world, OPTIMISM, owner_of(plan))
    lyra.fund(owner_of(plan), quote=100_000)
    lyra.set_collateral(owner_of(plan), 1, Decimal(before[4]).scaleb(-18))
    carry_out(world, smaller)
    rest = lyra.position(1)
    assert rest[3] == before[3] - int(smaller.steps[0].amount.scaleb(18))
    assert rest[4] / rest[3] > before[4] / before[3]  # more collateral for each option that is left


async def test_delta_then_vega_is_hedged_with_options_of_the_market(devnet_snapshot):
    world, name = devnet_snapshot, "short-strangle"
    plan = plan_for(await first_advice(world, name, coverage="2"), "hedge-vega")
    assert kinds(plan) == [StepKind.HEDGE] * 3
    assert [step.chain for step in plan.steps] == [f"eip155:{ARBITRUM}", *[f"eip155:{OPTIMISM}"] * 2]
    assert plan.after.mm_requirement_usd < plan.before.mm_requirement_usd
    old = await report_of(world, name)
    carry_out(world, plan)
    new = await report_of(world, name)
    assert abs(new.greeks.vega_usd.get("ETH", 0)) < abs(old.greeks.vega_usd.get("ETH", 0)) / 50
    assert abs(new.greeks.delta_usd.get("ETH", 0)) < 3_000
    longs = world.chains[OPTIMISM].lyra.system["OptionToken"].functions.getOwnerPositions(owner_of(plan)).call()
    assert sorted((p[2], p[3]) for p in longs)[:2] == [(0, 60 * 10**18), (1, 60 * 10**18)]


async def test_options_that_are_too_many_are_sold_back_to_the_market(devnet_snapshot):
    world, name = devnet_snapshot, "short-strangle"
    lyra = world.chains[OPTIMISM].lyra
    accounts, _ = await accounts_of(world, name)
    owner = accounts[moves.LYRA, "ETH-1"].account.rpartition(":")[2]
    with_gas(world, OPTIMISM, owner)
    lyra.fund(owner, quote=200_000)
    with_gas(world, ARBITRUM, owner)
    world.chains[ARBITRUM].perp.deposit(owner, 200_000)  # the delta that remains is traded there
    position = lyra.open_long(owner, lyra.strike(3200), True, 200)
    lyra.update_greeks()
    world.meet()
    plan = plan_for(await advice_of(world, name, {"coverage": "2"}), "hedge-vega")
    (sold,) = (step for step in plan.steps if "3200 call" in step.asset)
    assert -200 < sold.amount < -20
    carry_out(world, plan)
    assert lyra.position(position)[3] == 200 * 10**18 + int(sold.amount.scaleb(18))
    assert abs((await report_of(world, name)).greeks.vega_usd.get("ETH", 0)) < 20


# --- collateral into repayment ---


async def test_collateral_is_sold_to_repay_where_nobody_has_money(devnet_snapshot):
    world, name = devnet_snapshot, "thin-borrower"
    pool = world.chains[ARBITRUM].aave.pool.functions
    advice = await advice_of(world, name, {"health": "1.1"})
    (plan,) = advice.plans
    assert (plan.name, advice.status) == ("sell-collateral", Status.DELEVERAGE)
    owner = owner_of(plan)
    _, debt, *_, health = pool.getUserAccountData(owner).call()
    carry_out(world, plan)
    _, less, *_, better = pool.getUserAccountData(owner).call()
    assert less < debt * 0.8
    assert better > health * 1.03
    line = next(v for v in (await report_of(world, name)).venues if v.venue == "aave-v3")
    assert float(line.surplus_usd) == pytest.approx(float(plan.after.surplus_usd), rel=1e-3)


async def test_a_sale_that_the_pool_does_not_pay_for_is_not_shown(devnet, monkeypatch):
    monkeypatch.setattr(reduce, "SLIPPAGE", Decimal("-0.05"))  # five per cent more than the market gives
    advice = await advice_of(devnet, "thin-borrower", {"health": "1.1"})
    assert advice.plans == ()
    (refused,) = advice.refused
    assert refused.name == "sell-collateral"
    assert "Too little received" in refused.reason
