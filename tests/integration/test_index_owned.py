"""Events that name a position but not its owner: real Uniswap NFTs, and Derive sub-accounts by our stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from chains.accounts import VenueId
from chains.caip import AccountId, Address, account_id
from chains.deployments import ChainDeployment
from chains.devnet import uniswap
from chains.devnet.anvil import Anvil
from chains.devnet.context import ChainContext
from chains.indexer.indexer import ChainIndexer
from chains.indexer.types import Advanced, Refreshed, RolledBack, Sampled
from chains.venues.derive import VENUE as DERIVE
from chains.venues.uniswap import VENUE as UNISWAP
from tests.kit.derive import derive_chain
from tests.kit.index_chains import Bench, clients_of, file_store, settle
from tests.kit.lone_chain import lone_chain
from tests.kit.venue_reads import deployment_of

pytestmark = pytest.mark.devnet
FOREVER, MOST = 2**63, 2**128 - 1


@asynccontextmanager
async def following(
    ctx: ChainContext, node: Anvil, venue: VenueId, names: dict[str, Address], path: Path
) -> AsyncIterator[tuple[Bench, ChainIndexer]]:
    known: ChainDeployment = deployment_of(ctx, {venue: names})
    async with clients_of({ctx.chain: [node.http_url]}) as clients:
        store = await file_store(path / "index.db")
        found = Bench(clients, {ctx.chain: known}, store)
        try:
            yield found, found.indexer(ctx.chain)
        finally:
            await store.close()


async def woken(bench: Bench, index: ChainIndexer) -> set[AccountId]:
    """Whom the events since the last look concern; what is stored then is what a fresh read gives."""
    before = len(bench.of(Advanced))
    await settle([index])
    if index._start == 0:  # one that begins later does not know those who have done nothing since
        await bench.must_be_fresh()
    return {account for event in bench.of(Advanced)[before:] for account in event.accounts}


@pytest.mark.parametrize("first_block", [0, None])
async def test_whatever_happens_to_a_position_marks_its_owner(tmp_path: Path, first_block: int | None) -> None:
    with lone_chain(10, "--timestamp", "1790000000") as (ctx, node):
        world = uniswap.deploy(ctx)
        uniswap.add_pool(ctx, "WETH")
        users = ctx.deployer.accounts
        owner, heir = (account_id(ctx.chain, Address(user)) for user in users[1:3])
        npm, send = world.positions.functions, ctx.deployer.send
        token = uniswap.provide(ctx, users[1], "ETH", (Decimal(2700), Decimal(3300)), 50_000)
        if first_block is None:  # an index that begins after the NFT came to its owner
            ctx.deployer.rpc("anvil_mine", hex(200))
        async with following(ctx, node, UNISWAP, dict(world.addresses), tmp_path) as (bench, index):
            index._start = first_block
            await settle([index])
            # A few wei more, a trade of others, a part taken out, what is owed collected, the rest passed on.
            pair = [world.pools["ETH"].base, world.pools["ETH"].quote]
            for asset in pair:
                symbol = next(s for s, t in ctx.tokens.items() if t.address == asset)
                uniswap.tokens.mint(ctx, symbol, users[1], Decimal(1))
            send(npm.increaseLiquidity((token, 10**6, 10**6, 0, 0, FOREVER)), sender=users[1])
            assert await woken(bench, index) == {owner}
            uniswap.align(ctx, "ETH", Decimal(3100))
            assert await woken(bench, index) == set()
            send(npm.decreaseLiquidity((token, 10**6, 0, 0, FOREVER)), sender=users[1])
            assert await woken(bench, index) == {owner}
            send(npm.collect((token, users[1], MOST, MOST)), sender=users[1])
            assert await woken(bench, index) == {owner}
            send(npm.transferFrom(users[1], users[2], token), sender=users[1])
            assert await woken(bench, index) == {owner, heir}
            ctx.deployer.rpc("anvil_mine", "0x5")
            send(npm.decreaseLiquidity((token, 10**6, 0, 0, FOREVER)), sender=users[2])
            assert await woken(bench, index) == {heir}
            await index._reread.sample(100)
            assert [event.drifted for event in bench.of(Sampled)] == [()]
            states = {row[0]: row[10] for row in await bench.rows(ctx.chain)}
            assert states[owner] == "{}"
            assert f'["{token}","lp"' in states[heir]
            # The transfer did not happen after all: the NFT and what befell it are the first owner's again.
            ctx.deployer.rpc("anvil_reorg", 7, [])
            await settle([index])
            assert len(bench.of(RolledBack)) == 1
            send(npm.decreaseLiquidity((token, 10**6, 0, 0, FOREVER)), sender=users[1])
            assert owner in await woken(bench, index)


async def test_a_trade_of_a_sub_account_marks_its_owner(tmp_path: Path) -> None:
    with derive_chain() as (market, node):
        ctx, send = market.ctx, market.send
        first, second = (account_id(ctx.chain, Address(user)) for user in ctx.deployer.accounts[1:3])
        one = market.open(1, cash="9000", perp="-2")
        market.open(2, cash="500")
        async with following(ctx, node, DERIVE, market.addresses(), tmp_path) as (bench, index):
            await settle([index])
            await bench.must_be_fresh()
            market.move("3100", one, "-200")
            assert await woken(bench, index) == set()
            send(market.main.functions.adjust(one, 1, -(10**18)))
            assert await woken(bench, index) == {first}
            send(market.main.functions.changeManager(one, market.portfolio.address))
            assert await woken(bench, index) == {first}
            send(market.main.functions.give(one, ctx.deployer.accounts[2]))
            assert await woken(bench, index) == {first, second}
            send(market.main.functions.adjust(one, 0, 10**18))
            assert await woken(bench, index) == {second}
            states = {row[0]: row[10] for row in await bench.rows(ctx.chain)}
            assert states[first] == "{}"
            assert "9001" in states[second]
            await index._reread.sample(100)
            assert [event.drifted for event in bench.of(Sampled)] == [()]
            assert all(event.failures == 0 for event in bench.of(Refreshed))


async def test_a_sub_account_that_the_exchange_keeps_marks_whom_it_is_kept_for(tmp_path: Path) -> None:
    with derive_chain() as (market, node):
        ctx, send = market.ctx, market.send
        matching = market.keep()
        owner = account_id(ctx.chain, Address(ctx.deployer.accounts[1]))
        one = market.open(1, cash="9000", perp="-2")
        names = market.addresses() | {"matching": matching}
        async with following(ctx, node, DERIVE, names, tmp_path) as (bench, index):
            await settle([index])
            market.deposit(matching, one, 1)
            assert await woken(bench, index) == {owner}
            send(market.main.functions.adjust(one, 1, -(10**18)))
            assert await woken(bench, index) == {owner}
            assert "-3" in next(row[10] for row in await bench.rows(ctx.chain) if row[0] == owner)
