"""Lyra v1 accounts on a lone chain, beside what the market's own contracts say."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from chains.accounts import ReadResult, VenueAccount
from chains.caip import AccountId, Address
from chains.devnet import anvil, chainlink, lyra, synthetix
from chains.devnet.deploy import DeployError
from chains.devnet.lyra import LyraWorld, OptionType
from chains.devnet.lyra_params import DAY_S, wad
from chains.evm.client import EvmClient
from chains.venues.lyra import VENUE, LyraReader
from tests.kit import lyra_reference
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import pass_time
from tests.kit.venue_reads import accounts_of, client_of, cut_of, deployment_of

pytestmark = pytest.mark.devnet

CALL_BASE, CALL_QUOTE, PUT = OptionType.SHORT_CALL_BASE, OptionType.SHORT_CALL_QUOTE, OptionType.SHORT_PUT_QUOTE


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[LyraWorld, anvil.Anvil]]:
    with lone_chain(10, "--timestamp", "1700000000") as (ctx, node):
        synthetix.deploy(ctx)
        yield lyra.deploy(ctx), node


@pytest.fixture
def reader(world: LyraWorld, client: EvmClient) -> LyraReader:
    return LyraReader(client, deployment_of(world.ctx, {VENUE: world.addresses}))


def users(world: LyraWorld) -> list[Address]:
    return world.ctx.deployer.accounts[1:]


def everyone(world: LyraWorld) -> list[AccountId]:
    return accounts_of(world.ctx, *users(world))


def populate(world: LyraWorld) -> dict[str, Address]:
    """A strangle with thin collateral, all kinds at once, a covered call, dust on the static minimum, a buyer."""
    strangler, mixed, covered, dust, buyer, *_ = users(world)
    for user in (strangler, mixed, covered, dust, buyer):
        world.fund(user, 300_000, 60)
    world.open_short(strangler, world.strike(3400), CALL_QUOTE, 10, 15_000)
    world.open_short(strangler, world.strike(2600), PUT, 10, 12_000)
    world.open_short(mixed, world.strike(3800, 1), CALL_BASE, "4.321", "3.3")
    world.open_short(mixed, world.strike(2400, 1), PUT, "1.5", 2_222)
    world.open_long(mixed, world.strike(3000, 1), True, 2)
    world.open_short(covered, world.strike(3200), CALL_BASE, 3, 3)
    world.open_short(dust, world.strike(3600), CALL_QUOTE, "0.01", 250)
    world.open_short(dust, world.strike(2500), PUT, "0.05", 125)
    world.open_long(buyer, world.strike(2800), False, "7.5")
    world.open_long(buyer, world.strike(3300, 1), True, 3)
    return {"strangler": strangler, "mixed": mixed, "covered": covered, "dust": dust, "buyer": buyer}


async def read_all(world: LyraWorld, client: EvmClient, reader: LyraReader) -> tuple[VenueAccount, ...]:
    """Everyone's accounts, which must obey the laws of venue accounts."""
    result = await reader.read(everyone(world), await cut_of(client))
    assert result.failures == ()
    for account in result.accounts:
        assert_lawful(account, float(world.spot()))
    return result.accounts


def assert_lawful(account: VenueAccount, spot: float) -> None:
    assert account.checks
    for check in account.checks:
        assert check.ours == check.theirs, (account.id, check)
    assert (account.surplus_usd < 0) is account.liquidatable, account.id
    _, equity, requirement = lyra_reference.revalued(account, spot, account.at.timestamp)
    assert equity == pytest.approx(float(account.equity_usd), rel=1e-11)
    assert requirement == pytest.approx(float(account.mm_requirement_usd), rel=1e-11)


async def test_model_is_the_contract_for_every_kind(world, client, reader):
    populate(world)
    accounts = await read_all(world, client, reader)
    assert len(accounts) == 2 + 3 + 1 + 2 + 1
    assert not any(account.liquidatable for account in accounts)


async def test_model_follows_prices_time_and_trades(world, client, reader):
    cast, verdicts = populate(world), []
    for price, wait_s in (
        (3150, 60), (2800, 3_600), ("3444.12345678", 7_200), (2400, DAY_S), (4200, 3 * DAY_S), (1500, 5 * DAY_S),
        (3000, 10 * DAY_S), (2990, 10 * DAY_S),
    ):  # fmt: skip
        pass_time(world.ctx, wait_s)
        world.set_spot(Decimal(price))
        world.update_greeks()
        verdicts += [account.liquidatable for account in await read_all(world, client, reader)]
    assert {True, False} == set(verdicts)
    world.open_long(cast["buyer"], world.strike(3000, 1), True, 4)
    await read_all(world, client, reader)


async def test_surplus_changes_sign_where_the_verdict_flips(world, client, reader):
    cast = populate(world)
    wanted = {"ETH-1": (3000, 9000), "ETH-2": (3000, 900), "ETH-3": (3000, 20_000)}
    addresses = accounts_of(world.ctx, cast["strangler"], cast["mixed"])

    async def verdict(name: str, price: Decimal) -> bool:
        world.set_spot(price)
        result = await reader.read(addresses, await cut_of(client))
        account = next(a for a in result.accounts if a.sub_account == name)
        assert (account.surplus_usd < 0) is account.liquidatable, (name, price)
        assert all(check.ours == check.theirs for check in account.checks)
        return account.liquidatable

    for name, (safe, doomed) in wanted.items():
        edges = [Decimal(safe), Decimal(doomed)]
        assert not await verdict(name, edges[0])
        assert await verdict(name, edges[1])
        while abs(edges[1] / edges[0] - 1) > Decimal("1e-6"):
            middle = (sum(edges) / 2).quantize(Decimal("1e-8"))
            edges[await verdict(name, middle)] = middle


async def test_market_liquidates_where_surplus_is_negative_and_only_there(world, client, reader):
    cast = populate(world)
    keeper = users(world)[8]
    world.set_spot(Decimal(3900))
    world.update_greeks()
    for account in await read_all(world, client, reader):
        number = account.sub_account.partition("-")[2]
        if number == "long":
            continue
        if account.surplus_usd < 0:
            world.liquidate(int(number), keeper)
        else:
            with pytest.raises(DeployError):
                world.liquidate(int(number), keeper)
    left = await read_all(world, client, reader)
    assert "ETH-1" not in {account.sub_account for account in left}
    assert all(account.surplus_usd >= 0 for account in left)
    assert cast["strangler"] in {Address(a.account.rpartition(":")[2]) for a in left}, "its put survives"


async def test_revaluing_exposures_is_what_the_contract_says_after_the_move(
    world, client, reader, record_property
):
    populate(world)
    before = await read_all(world, client, reader)
    worst = {"value": 0.0, "requirement": 0.0}
    for shock in ("-0.4", "-0.15", "-0.03", "0.0001", "0.05", "0.2", "0.6"):
        spot = Decimal(3000) * (1 + Decimal(shock))
        # The requirement's stress vol depends on time: only the price may move.
        world.ctx.deployer.rpc("evm_setNextBlockTimestamp", before[0].at.timestamp)
        world.set_spot(spot)
        after = {a.id: a for a in await read_all(world, client, reader)}
        for account in before:
            moved = after[account.id]
            assert moved.at.timestamp == account.at.timestamp
            value, _, requirement = lyra_reference.revalued(account, float(spot), moved.at.timestamp)
            pairs = {
                "requirement": (requirement, float(theirs_of(moved, spot))),
                "value": (value, float(market_value(moved))),
            }
            for part, (ours, theirs) in pairs.items():
                if theirs or ours:
                    worst[part] = max(worst[part], abs(ours - theirs) / max(abs(theirs), abs(ours)))
    assert max(worst.values()) < 1e-11, worst


def theirs_of(account: VenueAccount, spot: Decimal) -> Decimal:
    """k·MM in USD by the contract's own number."""
    for check in account.checks:
        if check.name == "min_collateral":
            in_base = account.positions[0].details["type"] == "short_call_base"
            return check.theirs * (spot if in_base else 1)
    return Decimal(0)


def market_value(account: VenueAccount) -> Decimal:
    """V by the contracts: tokens held, and options at the price of the market's own library."""
    theirs = {check.name: check.theirs for check in account.checks}
    worth = Decimal(0)
    for position in account.positions:
        number = position.details.get("position_id")
        worth += position.size * (theirs[f"option_price_{number}"] if number else position.venue_price_usd)
    return worth


async def test_withdrawable_is_what_the_market_lets_out(world, client, reader):
    user = users(world)[0]
    world.fund(user, 100_000)
    position = world.open_short(user, world.strike(2600), PUT, 10, 12_000)
    (account,) = await read_all(world, client, reader)
    free = account.withdrawable_usd
    with pytest.raises(DeployError):
        world.set_collateral(user, position, 12_000 - free - Decimal("0.5"))
    world.set_collateral(user, position, 12_000 - free + Decimal("0.5"))


async def test_expired_options_wait_degraded_and_settle_to_what_is_paid(world, client, reader):
    cast = populate(world)
    pass_time(world.ctx, 30 * DAY_S)
    world.set_spot(Decimal(3300))
    expired = await read_all(world, client, reader)
    assert {a.sub_account for a in expired if a.degraded} == {
        "ETH-1", "ETH-2", "ETH-6", "ETH-7", "ETH-8", "ETH-long"
    }  # fmt: skip
    world.settle(1)
    world.set_spot(Decimal(3500))
    result = await reader.read(everyone(world), await cut_of(client))
    assert result.failures == ()
    claims = {a.sub_account: a for a in result.accounts if a.account.endswith(cast["strangler"])}
    covered = next(a for a in result.accounts if a.sub_account == "ETH-6")
    assert claims["ETH-2"].equity_usd == 12_000
    assert not any(a.degraded or a.liquidatable for a in (*claims.values(), covered))
    for owner, ids, token, owed in (
        ("strangler", [1, 2], "Quote", sum(a.equity_usd for a in claims.values())),
        ("covered", [6], "Base", covered.equity_usd / 3500),
    ):
        balance = world.system[token].functions.balanceOf(cast[owner])
        held = balance.call()
        world.system.send("ShortCollateral", "settleOptions", ids)
        assert balance.call() - held == wad(owed)


async def test_closed_positions_and_strangers_produce_nothing(world, client, reader):
    user = users(world)[0]
    world.fund(user, 100_000)
    position = world.open_short(user, world.strike(3400), CALL_QUOTE, 2, 4_000)
    world.close(user, position, 1, 3_000)
    (account,) = await read_all(world, client, reader)
    assert (account.equity_usd, account.positions[0].size) == (3_000, -1)
    world.close(user, position)
    assert await reader.read(everyone(world), await cut_of(client)) == ReadResult()


async def test_three_rounds_serve_any_number_of_accounts(world, client, reader, monkeypatch):
    populate(world)
    rounds = []
    call = client.call

    async def counted(calls, at):
        rounds.append(len(calls))
        return await call(calls, at)

    monkeypatch.setattr(client, "call", counted)
    await read_all(world, client, reader)
    assert len(rounds) == 3


async def test_paused_market_is_a_failure_not_a_figure(world, client, reader):
    cast = populate(world)
    world.system.send("SynthetixAdapter", "setMarketPaused", world.system["OptionMarket"], True)
    result = await reader.read(everyone(world), await cut_of(client))
    assert result.accounts == ()
    assert {f.account for f in result.failures} == set(accounts_of(world.ctx, *cast.values()))
    assert {f.detail for f in result.failures} == {"ETH market: the market is paused"}


async def test_stale_feed_is_a_failure_until_its_next_round(world, client, reader):
    cast = populate(world)
    pass_time(world.ctx, synthetix.RATE_STALE_PERIOD_S + 1)
    result = await reader.read(everyone(world), await cut_of(client))
    assert result.accounts == ()
    assert {(f.account, f.reason, f.detail) for f in result.failures} == {
        (account, "reverted", "ETH market: the venue's spot rate is stale or invalid")
        for account in accounts_of(world.ctx, *cast.values())
    }
    chainlink.submit(world.ctx, "ETH", Decimal("2873.25"))
    assert world.spot() == Decimal("2873.25")
    await read_all(world, client, reader)


async def test_market_without_synthetix_has_rates_of_its_own():
    with lone_chain(10, "--timestamp", "1700000000") as (ctx, node):
        world = lyra.deploy(ctx)
        populate(world)
        world.set_spot(Decimal("2871.5"))
        async with client_of(ctx, node) as client:
            reader = LyraReader(client, deployment_of(ctx, {VENUE: world.addresses}))
            assert len(await read_all(world, client, reader)) == 9
        assert world.spot() == Decimal("2871.5")
