"""The index on real chains: reorgs, two at once, restarts, a killed process, an account that cannot be read."""

import asyncio
import random
import signal
import subprocess
import sys

import msgspec
import pytest

from chains.caip import account_id
from chains.deployments_file import plain
from chains.errors import EndpointUnreachable
from chains.indexer import reading
from chains.indexer.types import Advanced, Failing, Recovered, Refreshed, RolledBack
from chains.types import Call, Finality
from tests.kit.index_chains import Bench, clients_of, file_store, lender, settle, venue_readers

pytestmark = pytest.mark.devnet


@pytest.fixture(scope="module")
def lenders():
    with lender(1) as one, lender(8453) as other:
        yield one, other


@pytest.fixture
async def bench(lenders, tmp_path):
    async with clients_of({one.chain: [one.node.http_url] for one in lenders}) as clients:
        store = await file_store(tmp_path / "bench.db")
        yield Bench(clients, {one.chain: one.deployment for one in lenders}, store)
        await store.close()


def busy(one, rng: random.Random, count: int = 6) -> None:
    """Users come, borrow, pass aTokens on, and leave; every act is a block or more."""
    for _ in range(count):
        user = one.user(rng.randrange(5, 20))
        one.aave.supply(user, rng.choice(("WETH", "USDC")), rng.randrange(1, 50))
        if rng.random() < 0.5:
            one.aave.supply(user, "WETH", 10)
            one.aave.borrow(user, "DAI", rng.randrange(10, 5000))
        if rng.random() < 0.3:
            one.aave.supply(user, "WBTC", 2)
            one.aave.withdraw(user, "WBTC", 1)


@pytest.mark.parametrize("depth", [1, 17, 64])
async def test_live_reorg_is_taken_back(bench, lenders, depth):
    one, rng = lenders[0], random.Random(depth)
    busy(one, rng)
    index = bench.indexer(one.chain)
    await settle([index])
    await bench.must_be_fresh(one.chain)
    one.reorg(depth)
    busy(one, rng, 2)
    await settle([index])
    await bench.must_be_fresh(one.chain)
    (taken,) = bench.of(RolledBack)
    # Blocks of the new branch that are empty like the old ones, at the same time, are the same blocks.
    assert depth * 3 // 4 <= taken.depth <= depth


@pytest.mark.parametrize("depth", [2, 64])
async def test_reorg_during_backfill_is_taken_back(bench, lenders, depth):
    one, rng = lenders[0], random.Random(depth)
    busy(one, rng)
    bench.most_blocks = 16
    index, left = bench.indexer(one.chain), [one.head() // 16 - 1]

    def shake(event):
        bench.events.append(event)
        left[0] -= isinstance(event, Advanced)
        if left[0] == 0:
            left[0] = -1
            one.reorg(depth)
            busy(one, rng, 1)

    bench.observe = shake
    await settle([index])
    assert left[0] < 0
    await bench.must_be_fresh(one.chain)


async def test_rollback_is_believed_only_when_it_lasts(bench, lenders):
    one, rng = lenders[0], random.Random(3)
    busy(one, rng)
    index = bench.indexer(one.chain)
    await settle([index])
    one.rpc("anvil_rollback", 9)
    assert not await index.round()
    assert bench.of(RolledBack) == []
    await settle([index])
    assert [event.depth for event in bench.of(RolledBack)] == [9]
    await bench.must_be_fresh(one.chain)


async def test_two_chains_reorganise_at_once_and_neither_touches_the_other(bench, lenders):
    one, other = lenders
    for chain in lenders:
        busy(chain, random.Random(chain.ctx.number))
    indexers = [bench.indexer(chain.chain) for chain in lenders]
    await settle(indexers)
    before = await bench.rows(other.chain)
    one.reorg(20)
    await settle(indexers[:1])
    assert await bench.rows(other.chain) == before
    busy(one, random.Random(4), 2)
    await settle(indexers)
    one.reorg(3)
    other.reorg(31)
    await asyncio.gather(*(settle([index]) for index in indexers))
    assert sorted((e.chain, e.depth) for e in bench.of(RolledBack)) == [
        (one.chain, 3), (one.chain, 20), (other.chain, 31),
    ]  # fmt: skip
    await bench.must_be_fresh()


async def test_restart_goes_on_without_gap_or_double(bench, lenders):
    one, rng = lenders[0], random.Random(5)
    busy(one, rng)
    await settle([bench.indexer(one.chain)])
    busy(one, rng)
    await settle([bench.indexer(one.chain)])
    spans = [(e.tip.number - e.blocks + 1, e.tip.number) for e in bench.of(Advanced)]
    covered = [number for first, last in spans for number in range(first, last + 1)]
    assert covered == list(range(one.head() + 1))
    await bench.must_be_fresh(one.chain)


async def test_account_that_cannot_be_read_stays_dirty_and_the_others_stand(bench, lenders, monkeypatch):
    for pause in ("FIRST_RETRY_S", "LAST_RETRY_S"):  # not again while a busy machine is here
        monkeypatch.setattr(reading, pause, 3_600.0)
    one, rng = lenders[0], random.Random(6)
    busy(one, rng)
    bad = one.user(21)
    one.aave.supply(bad, "WETH", 3)
    client = bench.clients[one.chain]
    bench.readers[one.chain] = venue_readers(
        one.chain, {one.chain: RevertsFor(client, bad, one.aave.pool.address)}, bench.deployments
    )
    index = bench.indexer(one.chain)
    await settle([index])
    rows = {row[0]: row for row in await bench.rows(one.chain)}
    broken = rows.pop(account_id(one.chain, bad))
    assert broken[4]
    assert "reverted" in broken[7]
    assert broken[10] is None
    assert rows
    assert not any(row[4] for row in rows.values())
    assert sum(event.failures for event in bench.of(Refreshed)) == 1
    bench.readers.clear()
    await settle([bench.indexer(one.chain)])
    await bench.must_be_fresh(one.chain)


class RevertsFor:
    """A client whose calls about one account go where they revert, in the EVM and through Multicall3."""

    def __init__(self, inner, address, contract):
        self._inner, self._contract = inner, contract
        self._word = bytes.fromhex(address[2:])
        self.chain = inner.chain

    async def call(self, calls, at):
        unknown = Call(self._contract, bytes.fromhex("deadbeef"))
        return await self._inner.call([unknown if self._word in c.data else c for c in calls], at)


async def test_trouble_is_told_once_and_its_end_once(bench, lenders):
    one = lenders[0]
    index, client = bench.indexer(one.chain), bench.clients[one.chain]
    await settle([index])
    good = client.head

    async def dead(tag):
        raise EndpointUnreachable("no answer")

    client.head = dead
    for _ in range(3):
        assert not await index.round()
    client.head = good
    await settle([index])
    assert [type(e) for e in bench.events if isinstance(e, Failing | Recovered)] == [Failing, Recovered]


@pytest.mark.slow
async def test_killed_process_loses_nothing(lenders, tmp_path):
    """kill -9 of a child while it writes, several times; what it left is completed by the next one."""
    one, rng = lenders[1], random.Random(8)
    busy(one, rng)
    deployments = {"deployments": plain([one.deployment])}
    (tmp_path / "deployments.json").write_bytes(msgspec.json.encode(deployments))
    killed = 0
    for _ in range(3):
        child = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
            [sys.executable, "-c", CHILD, str(tmp_path), one.node.http_url], stdout=subprocess.PIPE
        )
        assert child.stdout.readline()  # it has written something
        await asyncio.sleep(rng.uniform(0, 0.15))
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        child.stdout.close()
        one.reorg(rng.randrange(1, 12))
        busy(one, rng, 1)
    assert killed == 3
    store = await file_store(tmp_path / "index.db")
    async with clients_of({one.chain: [one.node.http_url]}) as clients:
        bench = Bench(clients, {one.chain: one.deployment}, store)
        await settle([bench.indexer(one.chain)])
        await bench.must_be_fresh(one.chain)
    await store.close()


CHILD = """
import asyncio, sys
from pathlib import Path
from aggregator.store.index_store import SqlIndexStore
from aggregator.store.repository import Store
from chains.deployments_file import load_deployments
from chains.evm.client import EvmClient
from chains.evm.rpc import HttpTransport
from chains.indexer.indexer import ChainIndexer, IndexPlan
from chains.venues.aave import AaveReader
from chains.venues.emitters import emitters_of

async def main(folder, url):
    ((chain, deployment),) = load_deployments(folder / "deployments.json").items()
    store = await Store.open(f"sqlite+aiosqlite:///{folder}/index.db")
    async with HttpTransport(chain, [url]) as transport:
        client = EvmClient(chain, transport)
        plan = IndexPlan(chain, emitters_of(deployment), 0, most_blocks=5)
        say = lambda event: print(type(event).__name__, flush=True)
        one = ChainIndexer(plan, client, [AaveReader(client, deployment)], SqlIndexStore(store), {}, say)
        while True:
            await one.round()
            await asyncio.sleep(0.02)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_finality_of_reads_is_one_block(bench, lenders):
    """All accounts of a pass are read at one block, by hash."""
    one = lenders[0]
    await settle([bench.indexer(one.chain)])
    (refreshed,) = bench.of(Refreshed)
    (known,) = await bench.clients[one.chain].known([refreshed.at.number], Finality.LATEST)
    assert known.hash == refreshed.at.hash
    assert {row[9] for row in await bench.rows(one.chain)} == {known.hash}
