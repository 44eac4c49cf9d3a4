"""Uniswap v3 positions on a lone chain, beside what the real contracts pay out when everything is taken."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest
from eth_abi.abi import decode

from chains.accounts import PositionKind, VenueAccount
from chains.caip import Address
from chains.devnet import uniswap
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.devnet.uniswap import UniswapWorld
from chains.instruments import LpRange, Spot
from chains.venues.holdings import HoldingsReader
from chains.venues.uniswap import VENUE, UniswapReader
from tests.kit.lone_chain import lone_chain
from tests.kit.lone_venue import Bench, bench, close
from tests.kit.venue_reads import deployment_of, read_one

pytestmark = pytest.mark.devnet
FOREVER = 2**63
MOST = 2**128 - 1


@pytest.fixture(scope="module")
def chain() -> Iterator[tuple[ChainContext, Anvil, UniswapWorld]]:
    with lone_chain(10, "--timestamp", "1790000000") as (ctx, node):
        world = uniswap.deploy(ctx)
        uniswap.add_pool(ctx, "WETH")
        uniswap.add_pool(ctx, "WBTC")
        yield ctx, node, world


@pytest.fixture
async def venue(chain: tuple[ChainContext, Anvil, UniswapWorld]) -> AsyncIterator[tuple[UniswapWorld, Bench]]:
    ctx, node, world = chain
    mark, prices = ctx.deployer.rpc("evm_snapshot"), dict(ctx.prices)
    async with bench(ctx, node, UniswapReader, VENUE, world.addresses) as reading:
        yield world, reading
    ctx.prices.update(prices)
    assert ctx.deployer.rpc("evm_revert", mark)


def user_of(reading: Bench, index: int = 1) -> Address:
    return reading.ctx.deployer.accounts[index]


def band(low: str, high: str) -> tuple[Decimal, Decimal]:
    return Decimal(low), Decimal(high)


def paid_out(
    reading: Bench, world: UniswapWorld, user: str, token_id: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """What the contracts pay: (liquidity taken out, all collected then); the chain is left as it was."""
    d = reading.ctx.deployer
    mark = d.rpc("evm_snapshot")
    liquidity = world.positions.functions.positions(token_id).call()[7]
    taken = (0, 0)
    if liquidity:
        order = (token_id, liquidity, 0, 0, FOREVER)
        data = world.positions.encode_abi("decreaseLiquidity", args=[order])
        answer = d.rpc("eth_call", {"from": user, "to": world.positions.address, "data": data}, "latest")
        taken = decode(("uint256", "uint256"), bytes.fromhex(answer[2:]))
        d.send(world.positions.functions.decreaseLiquidity(order), sender=user)
    data = world.positions.encode_abi("collect", args=[(token_id, user, MOST, MOST)])
    answer = d.rpc("eth_call", {"from": user, "to": world.positions.address, "data": data}, "latest")
    assert d.rpc("evm_revert", mark)
    return taken, decode(("uint256", "uint256"), bytes.fromhex(answer[2:]))


def legs(account: VenueAccount, word: str) -> list[int]:
    return [position.raw for position in account.positions if word in position.label]


def trade(reading: Bench, *prices: str) -> None:
    for price in prices:
        uniswap.align(reading.ctx, "ETH", Decimal(price))


async def test_the_legs_are_what_the_contracts_pay_out(venue: tuple[UniswapWorld, Bench]) -> None:
    world, reading = venue
    user = user_of(reading)
    ids = [
        uniswap.provide(reading.ctx, user, "ETH", band(low, high), 50_000)
        for low, high in (("2700", "3300"), ("3100", "3500"), ("2000", "2900"), ("1000", "9000"))
    ]
    for prices in ((), ("3050", "2980"), ("3300.5", "2850", "3123.456789"), ("1900",), ("4000",)):
        trade(reading, *prices)
        result = await reading.read(user)
        assert result.failures == ()
        assert [account.sub_account for account in result.accounts] == [str(i) for i in ids]
        for token_id, account in zip(ids, result.accounts, strict=True):
            taken, collected = paid_out(reading, world, user, token_id)
            ranged, fees = legs(account, "range"), legs(account, "fees")
            held = [raw for raw, p in zip(ranged, account.positions, strict=False) if "fees" not in p.label][:2]
            assert all(abs(a - b) <= 1 + b // 10**15 for a, b in zip(held, taken, strict=True))
            owed = [c - t for c, t in zip(collected, taken, strict=True)]
            assert [raw for raw in owed if raw] == fees


async def test_credited_fees_are_counted_once(venue: tuple[UniswapWorld, Bench]) -> None:
    world, reading = venue
    user = user_of(reading)
    token_id = uniswap.provide(reading.ctx, user, "ETH", band("2500", "3500"), 100_000)
    trade(reading, "3200", "2800", "3000")
    before = legs(await reading.one(user), "fees")
    # Taking a little out credits what has grown to the NFT: owed in another place, and no more than before.
    reading.ctx.deployer.send(
        world.positions.functions.decreaseLiquidity((token_id, 1, 0, 0, FOREVER)), sender=user
    )
    after = legs(await reading.one(user), "fees")
    assert all(0 <= a - b <= 10**5 for a, b in zip(after, before, strict=True))
    reading.ctx.deployer.send(world.positions.functions.collect((token_id, user, MOST, MOST)), sender=user)
    assert legs(await reading.one(user), "fees") == []


async def test_the_range_is_worth_what_it_holds_at_the_pools_price(venue: tuple[UniswapWorld, Bench]) -> None:
    _, reading = venue
    user = user_of(reading)
    uniswap.provide(reading.ctx, user, "ETH", band("2600", "3400"), 80_000)
    for price in ("3000", "3333.3", "2500", "3600"):
        trade(reading, price)
        account = await reading.one(user)
        (exposure,) = (e for e in account.exposures if isinstance(e.instrument, LpRange))
        terms = exposure.instrument
        assert isinstance(terms, LpRange)
        symbols = [p.label.split()[0] for p in account.positions[:2]]
        usd = {"WETH": Decimal(price), "USDC": Decimal(1)}
        ratio = usd[symbols[0]] / usd[symbols[1]]
        root = min(max(ratio, terms.lower), terms.upper).sqrt()
        base, quote = 1 / root - 1 / terms.upper.sqrt(), root - terms.lower.sqrt()
        worth = exposure.value * (base * usd[symbols[0]] + quote * usd[symbols[1]])
        held = sum(p.size * usd[symbol] for p, symbol in zip(account.positions, symbols, strict=False))
        assert close(worth, held, rel="1e-9", floor="0.00001")
        assert close(exposure.equity, exposure.value * Decimal("0.95"))


async def test_an_account_is_its_positions_and_nothing_else(venue: tuple[UniswapWorld, Bench]) -> None:
    world, reading = venue
    user, other = user_of(reading), user_of(reading, 2)
    assert (await reading.read(other)).accounts == ()
    token_id = uniswap.provide(reading.ctx, user, "ETH", band("2600", "3400"), 1000)
    account = await reading.one(user)
    assert {position.kind for position in account.positions} == {PositionKind.LP}
    assert (account.equity_usd, account.mm_requirement_usd, account.liquidatable) == (None, 0, None)
    send = world.positions.get_function_by_signature("transferFrom(address,address,uint256)")
    reading.ctx.deployer.send(send(user, other, token_id), sender=user)
    moved = await reading.read(user, other)
    assert [a.account for a in moved.accounts] == [reading.account(other)]
    liquidity = world.positions.functions.positions(token_id).call()[7]
    order = (token_id, liquidity, 0, 0, FOREVER)
    reading.ctx.deployer.send(world.positions.functions.decreaseLiquidity(order), sender=other)
    left = await reading.one(other)
    assert all(isinstance(exposure.instrument, Spot) for exposure in left.exposures)
    reading.ctx.deployer.send(world.positions.functions.collect((token_id, other, MOST, MOST)), sender=other)
    assert (await reading.read(other)).accounts == ()  # the empty NFT is still there


async def test_an_nft_is_not_a_holding(venue: tuple[UniswapWorld, Bench]) -> None:
    _, reading = venue
    user = user_of(reading)
    uniswap.provide(reading.ctx, user, "ETH", band("2900", "3100"), 1000)
    holdings = HoldingsReader(reading.client, deployment_of(reading.ctx, {}))
    idle = await read_one(holdings, reading.client, user)
    labels = {p.label.split()[0]: p.size for p in idle.positions}
    lp = await reading.one(user)
    for position in lp.positions:
        symbol = position.label.split()[0]
        whole = Decimal(1000) / reading.ctx.prices[{"WETH": "ETH", "USDC": "USDC"}[symbol]]
        # What was minted to the user is either idle or in the range, never both.
        assert close(labels.get(symbol, Decimal(0)) + position.size, whole, rel="1e-6")


async def test_a_keeper_of_many_positions_is_unknown_and_the_others_stand(
    venue: tuple[UniswapWorld, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, reading = venue
    keeper, other = user_of(reading), user_of(reading, 2)
    for user in (keeper, keeper, other):
        uniswap.provide(reading.ctx, user, "ETH", band("2900", "3100"), 1000)
    monkeypatch.setattr("chains.venues.uniswap.reader.MOST", 1)
    result = await reading.read(keeper, other)
    assert [account.account for account in result.accounts] == [reading.account(other)]
    (failure,) = result.failures
    assert (failure.account, failure.reason) == (reading.account(keeper), "unknown_mode")
    assert "holds 2 positions" in failure.detail


async def test_a_stranger_in_the_pair_is_unknown_and_two_strangers_are_nobody(
    venue: tuple[UniswapWorld, Bench],
) -> None:
    world, reading = venue
    user = user_of(reading)
    uniswap.provide(reading.ctx, user, "ETH", band("2900", "3100"), 1000)
    kept = list(reading.ctx.assets)
    try:
        reading.ctx.assets[:] = [info for info in kept if info.symbol != "WETH"]
        blind = UniswapReader(reading.client, deployment_of(reading.ctx, {VENUE: world.addresses}))
        result = await Bench(reading.ctx, reading.client, blind).read(user)
        assert result.accounts == ()
        assert [failure.reason for failure in result.failures] == ["unknown_mode"]
        assert reading.ctx.token("WETH") in result.failures[0].detail
        reading.ctx.assets[:] = [info for info in kept if info.symbol not in ("WETH", "USDC")]
        blind = UniswapReader(reading.client, deployment_of(reading.ctx, {VENUE: world.addresses}))
        result = await Bench(reading.ctx, reading.client, blind).read(user)
        assert (result.accounts, result.failures) == ((), ())
    finally:
        reading.ctx.assets[:] = kept


async def test_a_missing_manager_is_said(chain: tuple[ChainContext, Anvil, UniswapWorld]) -> None:
    ctx, node, _ = chain
    nowhere = {"position_manager": Address("0x000000000000000000000000000000000000dEaD")}
    async with bench(ctx, node, UniswapReader, VENUE, nowhere) as reading:
        result = await reading.read(ctx.deployer.accounts[1])
    assert result.accounts == ()
    assert [failure.reason for failure in result.failures] == ["no_code"]


async def test_one_broken_pool_fails_its_position_only(venue: tuple[UniswapWorld, Bench]) -> None:
    world, reading = venue
    user = user_of(reading)
    uniswap.provide(reading.ctx, user, "ETH", band("2900", "3100"), 1000)
    uniswap.provide(reading.ctx, user, "BTC", band("50000", "70000"), 1000)
    pool = world.pools["ETH"].contract.address
    reading.ctx.deployer.rpc("anvil_setCode", pool, "0x5f5ffd")  # always reverts
    result = await reading.read(user)
    assert [failure.reason for failure in result.failures] == ["reverted"]
    assert len(result.accounts) == 1
