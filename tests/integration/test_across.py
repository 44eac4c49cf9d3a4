"""Across transfers between two lone chains, beside what the spoke pools themselves say."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from chains.accounts import PositionKind, VenueAccount
from chains.caip import Address, account_id, chain_id, erc20
from chains.devnet import across, anvil
from chains.devnet.across import AcrossWorld
from chains.devnet.context import ChainContext
from chains.devnet.deploy import DeployError
from chains.evm.client import EvmClient
from chains.instruments import Spot
from chains.types import Cut
from chains.venues.across import VENUE, AcrossReader
from chains.venues.across.deposits import Deposit
from tests.kit.lone_chain import lone_chain
from tests.kit.venue_reads import client_of, cut_of, deployment_of

pytestmark = pytest.mark.devnet

ORIGIN, DESTINATION = chain_id(1), chain_id(10)
Worlds = tuple[AcrossWorld, AcrossWorld]


@pytest.fixture(scope="module")
def chains() -> Iterator[tuple[Worlds, tuple[anvil.Anvil, anvil.Anvil]]]:
    boot = ("--timestamp", "1700000000")
    with lone_chain(1, *boot) as (here, node), lone_chain(10, *boot) as (there, other):
        worlds = across.deploy(here), across.deploy(there)
        for world in worlds:
            world.connect((here, there))
        yield worlds, (node, other)


@pytest.fixture
def worlds(chains: tuple[Worlds, object]) -> Iterator[Worlds]:
    marks = [(world.ctx.deployer, world.ctx.deployer.rpc("evm_snapshot")) for world in chains[0]]
    yield chains[0]
    for deployer, mark in marks:
        deployer.rpc("evm_revert", mark)


@pytest.fixture
async def clients(chains: tuple[Worlds, tuple[anvil.Anvil, anvil.Anvil]]) -> AsyncIterator[list[EvmClient]]:
    async with AsyncExitStack() as stack:
        pairs = zip(*chains, strict=True)
        yield [await stack.enter_async_context(client_of(world.ctx, node)) for world, node in pairs]


@pytest.fixture
def reader(worlds: Worlds, clients: list[EvmClient]) -> AcrossReader:
    deployments = {w.ctx.chain: deployment_of(w.ctx, {VENUE: w.addresses}) for w in worlds}
    return AcrossReader(ORIGIN, {client.chain: client for client in clients}, deployments)


def user_of(worlds: Worlds, index: int = 1) -> Address:
    return worlds[0].ctx.deployer.accounts[index]


async def transfers(reader: AcrossReader, clients: list[EvmClient], *users: Address) -> tuple[VenueAccount, ...]:
    accounts = [account_id(chain, user) for user in users for chain in (ORIGIN, DESTINATION)]
    result = await reader.read(accounts, await cut_of(*clients))
    assert result.failures == ()
    return result.accounts


def wait(ctx: ChainContext, seconds: int) -> None:
    ctx.deployer.rpc("evm_increaseTime", seconds)
    ctx.deployer.rpc("evm_mine")


async def test_a_deposit_is_value_without_equity_until_it_is_filled(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, there = worlds
    user = user_of(worlds)
    relay = here.deposit(user, "USDC", 150_000, 10, fee_bps=4)
    wait(here.ctx, 90)
    (transfer,) = await transfers(reader, clients, user, user_of(worlds, 5))
    arriving = erc20(DESTINATION, there.ctx.token("USDC"))
    (position,) = transfer.positions
    assert (position.kind, position.asset, position.size) == (PositionKind.IN_FLIGHT, arriving, Decimal(149_940))
    (exposure,) = transfer.exposures
    assert (exposure.instrument, exposure.value, exposure.equity) == (Spot(arriving), Decimal(149_940), 0)
    assert (transfer.equity_usd, transfer.mm_requirement_usd, transfer.liquidatable) == (0, 0, None)
    assert transfer.id == f"{account_id(ORIGIN, user)}/across/1-{relay.deposit_id}"
    details = position.details
    assert (details["origin"], details["destination"]) == (ORIGIN, DESTINATION)
    assert int(details["age_s"]) in (90, 91)
    assert details["fill_deadline"] == str(relay.fill_deadline)
    there.fill(relay, user_of(worlds, 2))
    assert await transfers(reader, clients, user) == ()


async def test_what_transfers_took_is_observed(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, there = worlds
    user, other = user_of(worlds), user_of(worlds, 3)
    quick = here.deposit(user, "USDC", 1_000, 10)
    slow = here.deposit(user, "WETH", 2, 10)
    here.deposit(user, "USDC", 7, 10)
    here.deposit(other, "USDC", 8, 10)
    there.fill(quick, user_of(worlds, 2))
    wait(there.ctx, 600)
    there.fill(slow, user_of(worlds, 2))
    accounts = [account_id(ORIGIN, user), account_id(DESTINATION, user)]
    seen = await reader.observations(accounts, await cut_of(*clients))
    assert {(one.bridge, one.source, one.destination) for one in seen} == {("across", ORIGIN, DESTINATION)}
    by_id = {one.deposit_id: one.latency_s for one in seen}
    assert len(by_id) == 3
    assert by_id[quick.deposit_id] in range(1, 30)
    assert by_id[slow.deposit_id] in range(590, 630)  # the two chains' clocks are not one
    assert sorted(by_id.values(), key=str)[-1] is None
    assert await reader.observations([account_id(ORIGIN, user_of(worlds, 9))], await cut_of(*clients)) == ()


async def test_the_relay_hash_is_that_of_the_contract(worlds: Worlds) -> None:
    here, there = worlds
    relay = here.deposit(user_of(worlds), "WETH", "1.5", 10, message=b"\x01" * 70)
    deposit = Deposit(
        ORIGIN, DESTINATION, relay.deposit_id, 0, relay.depositor, relay.recipient, relay.input_token,
        relay.output_token, relay.input_amount, relay.output_amount, relay.fill_deadline,
        relay.exclusivity_deadline, relay.exclusive_relayer, relay.message,
    )  # fmt: skip
    assert deposit.relay_hash == there.pool.functions.getV3RelayHash(tuple(relay)).call()


async def test_every_transfer_is_an_account_of_its_own(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, there = worlds
    first, second = user_of(worlds, 1), user_of(worlds, 2)
    relays = [here.deposit(first, "USDC", amount, 10) for amount in (10, 20, 30)]
    here.deposit(second, "WETH", 1, 10)
    there.fill(relays[1])
    found = await transfers(reader, clients, first, second)
    assert sorted(str(t.positions[0].size) for t in found) == sorted(
        ["9.996000", "29.988000", "0.999600000000000000"]
    )
    assert len({transfer.id for transfer in found}) == 3


async def test_an_expired_deposit_comes_back(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, there = worlds
    user = user_of(worlds)
    relay = here.deposit(user, "USDC", 1_000, 10, fill_window_s=600)
    late = here.deposit(user, "USDC", 1_000, 10, fill_window_s=5_000)
    wait(there.ctx, 1_000)
    expired, live = sorted(await transfers(reader, clients, user), key=lambda t: t.sub_account)
    assert expired.positions[0].details["state"] == "refund pending"
    assert expired.positions[0].asset == erc20(ORIGIN, here.ctx.token("USDC"))
    assert expired.exposures[0].value == 1_000
    assert live.positions[0].details["state"] == "in flight"
    with pytest.raises(DeployError, match="fillRelay"):
        there.fill(relay)
    here.refund(relay)
    (left,) = await transfers(reader, clients, user)
    assert left.sub_account == f"1-{late.deposit_id}"


async def test_a_transfer_to_another_address_belongs_to_it_if_it_is_watched(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, _ = worlds
    payer, payee = user_of(worlds, 1), user_of(worlds, 2)
    here.deposit(payer, "USDC", 500, 10, recipient=payee)
    (known,) = await transfers(reader, clients, payer, payee)
    assert known.account == account_id(DESTINATION, payee)
    assert known.degraded == ()
    (unknown,) = await transfers(reader, clients, payer)
    assert (unknown.account, unknown.exposures) == (account_id(ORIGIN, payer), ())
    assert "which is not watched" in unknown.degraded[0]


async def test_a_paused_destination_is_named(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, there = worlds
    user = user_of(worlds)
    relay = here.deposit(user, "USDC", 500, 10)
    there.pause(fills=True)
    here.pause(deposits=True)
    (transfer,) = await transfers(reader, clients, user)
    assert transfer.positions[0].details["fills_paused"] == "true"
    with pytest.raises(DeployError, match="fillRelay"):
        there.fill(relay)
    with pytest.raises(DeployError, match="deposit"):
        here.deposit(user, "USDC", 500, 10)
    there.pause(fills=False)
    there.fill(relay)
    assert await transfers(reader, clients, user) == ()


async def test_a_missing_destination_is_a_failure_and_not_zero(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    here, _ = worlds
    user = user_of(worlds)
    here.deposit(user, "USDC", 500, 10, fill_window_s=100)
    account = account_id(ORIGIN, user)
    whole = await cut_of(*clients)
    half = Cut({ORIGIN: whole.blocks[ORIGIN]}, {DESTINATION: "endpoint is silent"})
    result = await reader.read([account], half)
    assert result.accounts == ()
    assert [(f.account, f.reason) for f in result.failures] == [(account, "no_block")]
    assert "endpoint is silent" in result.failures[0].detail
    # A day after its deadline the deposit is settled, one way or the other.
    wait(here.ctx, 100 + 86_400 + 60)
    half = Cut({ORIGIN: (await cut_of(clients[0])).blocks[ORIGIN]}, {DESTINATION: "endpoint is silent"})
    assert (await reader.read([account], half)).failures == ()


async def test_a_destination_without_spoke_pool_is_a_failure(worlds: Worlds, clients: list[EvmClient]) -> None:
    here, there = worlds
    user = user_of(worlds)
    here.deposit(user, "USDC", 500, 10)
    lost = {VENUE: {"spoke_pool": Address("0x" + "1f" * 20)}}
    account = account_id(ORIGIN, user)
    for broken, chain in ((here, ORIGIN), (there, DESTINATION)):
        deployments = {w.ctx.chain: deployment_of(w.ctx, {VENUE: w.addresses}) for w in worlds}
        deployments[chain] = deployment_of(broken.ctx, lost)
        reader = AcrossReader(ORIGIN, {client.chain: client for client in clients}, deployments)
        result = await reader.read([account], await cut_of(*clients))
        assert result.accounts == ()
        assert [(f.account, f.reason) for f in result.failures] == [(account, "no_code")]


async def test_deposits_before_the_start_block_are_not_looked_at(worlds: Worlds, clients: list[EvmClient]) -> None:
    here, _ = worlds
    user = user_of(worlds)
    here.deposit(user, "USDC", 500, 10)
    at = (await cut_of(*clients)).blocks[ORIGIN]
    wait(here.ctx, 12)
    deployments = {w.ctx.chain: deployment_of(w.ctx, {VENUE: w.addresses}) for w in worlds}
    by_chain = {client.chain: client for client in clients}
    for bounds, count in (
        ({"start_block": at.number}, 1),
        ({"start_block": at.number + 1}, 0),
        ({"lookback_blocks": 0}, 0),
    ):
        reader = AcrossReader(ORIGIN, by_chain, deployments, **bounds)
        assert len(await transfers(reader, clients, user)) == count


async def test_an_address_without_transfer_is_nowhere(
    worlds: Worlds, clients: list[EvmClient], reader: AcrossReader
) -> None:
    assert await transfers(reader, clients, user_of(worlds, 6)) == ()
