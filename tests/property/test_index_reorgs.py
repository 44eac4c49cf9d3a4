"""Whatever the chain does, whenever the process dies: the index is what a fresh read of the canonical chain is."""

import asyncio
import tracemalloc
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.store.index_store import SqlIndexStore
from aggregator.store.repository import Store
from chains.caip import ChainId, chain_id
from chains.indexer.types import Change
from chains.types import BlockRef
from tests.kit.index import ToyChain, amounts, indexer, settle

A, B = chain_id(1), chain_id(10)
touches = st.lists(st.tuples(st.integers(1, 6), st.integers(-3, 3)), max_size=3).map(tuple)
blocks = st.lists(touches, min_size=1, max_size=12).map(tuple)
mine = st.tuples(st.just("mine"), blocks)
reorg = st.tuples(st.just("reorg"), st.integers(1, 64), blocks)
rollback = st.tuples(st.just("rollback"), st.integers(1, 20))
jump = st.tuples(st.just("jump"), st.integers(100, 400))
look = st.tuples(st.just("look"))
restart = st.tuples(st.just("restart"))
change = st.one_of(mine, reorg, rollback)
under_reader = st.tuples(st.just("under"), st.integers(1, 9), change)
crash = st.tuples(st.just("crash"), st.integers(0, 3), st.booleans())
history = st.lists(
    st.tuples(st.sampled_from((0, 1)), st.one_of(change, change, look, look, under_reader, crash, restart, jump)),
    max_size=14,
)


class Killed(BaseException):
    """The process ends here; nothing catches it."""


@dataclass
class DyingStore:
    """Dies at the n-th change from now: before it, or right after it was committed."""

    inner: SqlIndexStore
    at: int = -1
    after: bool = False

    async def load(self, chain: ChainId) -> tuple[BlockRef, ...]:
        return await self.inner.load(chain)

    async def apply(self, chain: ChainId, what: Change) -> None:
        self.at -= 1
        if self.at == -1 and not self.after:
            raise Killed
        await self.inner.apply(chain, what)
        if self.at == -1:
            raise Killed

    async def pick(self, chain: ChainId, *, dirty: bool, limit: int) -> Sequence[object]:
        return await self.inner.pick(chain, dirty=dirty, limit=limit)


def alter(source: ToyChain, step: tuple[object, ...]) -> None:
    match step:
        case ("mine", news):
            source.mine(*news)
        case ("reorg", depth, news):
            source.reorg(depth, *news)
        case ("rollback", depth):
            source.drop(depth)
        case ("jump", count):
            source.mine(*[() for _ in range(count)])


def once_at(request: int, step: tuple[object, ...]) -> Callable[[ToyChain], None]:
    """A change of the chain just before its n-th request from now."""
    left = [request]

    def hook(source: ToyChain) -> None:
        left[0] -= 1
        if left[0] == 0:
            alter(source, step)

    return hook


async def live_through(steps: Sequence[tuple[int, tuple[object, ...]]], store: SqlIndexStore) -> None:
    chains = (ToyChain(A), ToyChain(B))
    dying = DyingStore(store)
    tips: dict[ChainId, BlockRef] = {}
    running = [indexer(c, dying, tips=tips, most_blocks=50) for c in chains]
    for which, step in steps:
        source = chains[which]
        match step:
            case ("look",):
                await running[which].round()
            case ("restart",):
                running[which] = indexer(source, dying, tips=tips, most_blocks=50)
            case ("under", request, under):
                source.before_request = once_at(request, under)
                await running[which].round()
                source.before_request = lambda _: None
            case ("crash", at, after):
                dying.at, dying.after = at, after
                try:
                    await running[which].round()
                except Killed:
                    running = [indexer(c, dying, tips=tips, most_blocks=50) for c in chains]
                dying.at = -1
            case _:
                alter(source, step)
    await settle(*running)
    for source in chains:
        await must_equal_a_fresh_read(source, store)


async def must_equal_a_fresh_read(source: ToyChain, store: SqlIndexStore) -> None:
    anchors = await store.load(source.chain)
    assert anchors[-1] == source.blocks[-1].ref
    assert all(source.blocks[a.number].ref == a for a in anchors)
    assert await store.pick(source.chain, dirty=True, limit=1000) == []
    assert amounts(await store.pick(source.chain, dirty=False, limit=1000)) == source.sums()


@settings(max_examples=80)
@given(history)
def test_index_equals_a_fresh_read_after_any_history(steps):
    async def run() -> None:
        store = await Store.open("sqlite+aiosqlite://")
        try:
            await live_through(steps, SqlIndexStore(store))
        finally:
            await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("depth", [1, 2, 17, 64, 127, 128, 129, 400])
def test_reorg_of_any_depth_is_taken_back_exactly(depth):
    async def run() -> None:
        store = await Store.open("sqlite+aiosqlite://")
        index, source = SqlIndexStore(store), ToyChain(A)
        source.mine(*[((n % 5 + 1, 1),) for n in range(600)])
        one = indexer(source, index)
        await settle(one)
        source.reorg(depth, *[((n % 7 + 1, 2),) for n in range(depth + 3)])
        await settle(one)
        await must_equal_a_fresh_read(source, index)
        await store.close()

    asyncio.run(run())


def test_memory_of_a_backfill_is_flat_in_its_range():
    """Four times the blocks and logs of the same accounts: what lies in memory at most is one range of them."""

    async def peak_of(count: int) -> int:
        source = ToyChain(A)
        source.mine(*[tuple((who, 1) for who in range(1, 11)) for _ in range(count)])
        store = await Store.open("sqlite+aiosqlite://")
        try:
            tracemalloc.start()
            await settle(indexer(source, SqlIndexStore(store), events=deque(maxlen=1), most_blocks=25))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            await store.close()

    asyncio.run(peak_of(50))  # what is made once: statements, caches
    short, long = asyncio.run(peak_of(200)), asyncio.run(peak_of(800))
    assert long < 1.75 * short  # garbage of the database's statements waits for the collector
