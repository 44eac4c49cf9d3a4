"""The index in both databases: what one change does, and what it must not."""

import pytest
import sqlalchemy as sa

from aggregator.store.index_store import SqlIndexStore
from aggregator.store.index_tables import ACCOUNTS, MENTIONS
from aggregator.store.repository import Store
from chains.accounts import VenueId
from chains.caip import account_id, chain_id
from chains.indexer.types import Advance, CheckpointMoved, Reading, Readings, Rollback, Touches
from chains.types import BlockRef, Finality
from tests.kit.index import ToyChain, ToyReader, address, amounts, indexer, settle

A, B = chain_id(1), chain_id(10)
ONE, TWO = account_id(A, address(1)), account_id(A, address(2))
ABROAD = account_id(B, address(1))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def store(request, tmp_path):
    sqlite = request.param == "sqlite"
    server = None if sqlite else request.getfixturevalue("postgres_server")
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 's.db'}" if sqlite else server.new_database())
    yield opened
    await opened.close()


@pytest.fixture
def index(store):
    return SqlIndexStore(store)


def block(number: int, chain=A, branch: int = 0) -> BlockRef:
    return BlockRef(
        chain, number, f"0x{branch:02x}{number:062x}", f"0x{branch:02x}{number - 1:062x}", number, Finality.LATEST
    )


async def advance(index, after: int | None, to: int, touches: Touches, chain=A, drop=()) -> None:
    before = None if after is None else block(after, chain)
    await index.apply(chain, Advance(before, (block(to, chain),), touches, drop))


async def read(index, account, marks: int, at: int, state: str = "{}", failure: str = "") -> None:
    chain = A if account != ABROAD else B
    await index.apply(chain, Readings((Reading(account, marks, block(at, chain), state, failure),)))


async def dirty(index, chain=A) -> set:
    return {one.account for one in await index.pick(chain, dirty=True, limit=99)}


async def test_account_appears_with_its_first_event_and_is_dirty(index):
    await advance(index, None, 5, Touches({ONE: (3, 5)}))
    (one,) = await index.pick(A, dirty=True, limit=9)
    assert (one.account, one.marks, one.touched_block, one.state) == (ONE, 1, 5, None)
    assert await index.load(A) == (block(5),)
    assert await index.load(B) == ()


async def test_read_cleans_what_it_was_made_for_and_no_later_mark(index):
    await advance(index, None, 5, Touches({ONE: (3, 5)}))
    await advance(index, 5, 6, Touches({ONE: (6, 6)}))
    await read(index, ONE, marks=1, at=5)
    assert await dirty(index) == {ONE}
    await read(index, ONE, marks=2, at=6)
    assert await dirty(index) == set()


async def test_failed_read_keeps_the_old_state_and_comes_last(index):
    await advance(index, None, 5, Touches({ONE: (3, 3), TWO: (4, 4)}))
    await read(index, ONE, 1, 5, '{"toy":[]}')
    await advance(index, 5, 6, Touches({ONE: (6, 6)}))
    await read(index, ONE, 2, 6, "{}", "toy: reverted")
    found = await index.pick(A, dirty=True, limit=9)
    assert [(one.account, one.failures, one.state) for one in found] == [(TWO, 0, None), (ONE, 1, '{"toy":[]}')]


async def test_rollback_forgets_new_accounts_and_marks_touched_and_read_ones(index):
    await advance(index, None, 5, Touches({ONE: (3, 5)}))
    await read(index, ONE, 1, 5)
    await advance(index, 5, 9, Touches({TWO: (8, 9)}))
    await index.apply(A, Rollback(block(9), 5))
    assert await index.load(A) == (block(5),)
    assert await dirty(index) == set()
    assert [one.account for one in await index.pick(A, dirty=False, limit=9)] == [ONE]
    await index.apply(A, Rollback(block(5), 4))
    assert await dirty(index) == {ONE}


async def test_rollback_leaves_the_other_chain_alone(index, store):
    await advance(index, None, 5, Touches({ABROAD: (3, 5)}), B)
    await read(index, ABROAD, 1, 5)
    await advance(index, None, 5, Touches({ONE: (3, 5)}))
    before = await rows(store, ACCOUNTS, B)
    await index.apply(A, Rollback(block(5), -1))
    assert await rows(store, ACCOUNTS, B) == before
    assert await rows(store, ACCOUNTS, A) == []
    assert await index.load(B) == (block(5, B),)


async def rows(store, table, chain) -> list:
    async with store.transaction(writing=False) as connection:
        return list(await connection.execute(sa.select(table).where(table.c.chain == chain)))


async def test_mention_marks_known_accounts_only_and_again_when_it_is_orphaned(index, store):
    await advance(index, None, 5, Touches({ONE: (3, 5)}))
    await read(index, ONE, 1, 5)
    await advance(index, None, 7, Touches(mentioned={ONE: 7, TWO: 7}), B)
    assert await dirty(index) == {ONE}
    await read(index, ONE, 2, 5)
    await index.apply(B, Rollback(block(7, B), 6))
    assert await dirty(index) == {ONE}
    assert await rows(store, MENTIONS, B) == []


async def test_holders_of_a_venue_are_marked_without_being_named(index):
    await advance(index, None, 5, Touches({ONE: (3, 5), TWO: (3, 5)}))
    await read(index, ONE, 1, 5, '{"toy":[["","option"]]}')
    await read(index, TWO, 1, 5, '{"other":[]}')
    await advance(index, 5, 6, Touches(holders={VenueId("toy"): 6}))
    assert await dirty(index) == {ONE}


async def test_change_for_another_checkpoint_is_refused_whole(index):
    await advance(index, None, 5, Touches({ONE: (3, 5)}))
    with pytest.raises(CheckpointMoved, match="block 5"):
        await advance(index, 4, 6, Touches({TWO: (6, 6)}))
    with pytest.raises(CheckpointMoved):
        await advance(index, None, 9, Touches({TWO: (6, 6)}))
    assert await dirty(index) == {ONE}
    assert await index.load(A) == (block(5),)


async def test_two_indexers_on_one_store_do_not_count_twice(index):
    source = ToyChain(A)
    source.mine(*[((n % 3 + 1, 1),) for n in range(30)])
    events: list = []
    first, second = (indexer(source, index, events=events) for _ in range(2))
    await first.round()
    source.mine(((1, 5),))
    await second.round()
    await first.round()
    await settle(first, second)
    assert amounts(await index.pick(A, dirty=False, limit=9)) == source.sums()


async def test_drift_is_told_and_healed(index):
    from chains.indexer.types import Sampled

    source, events = ToyChain(A), []
    source.mine(((1, 5), (2, 7)))
    reader = ToyReader(source)
    one = indexer(source, index, reader=reader, events=events, sample_interval_s=0)
    await settle(one)
    assert not any(event.drifted for event in events if isinstance(event, Sampled))
    reader.hidden[ONE] = 100
    await one.round()
    assert [e.drifted for e in events if isinstance(e, Sampled)][-1] == ((ONE, VenueId("toy")),)
    await one.round()
    assert [e.drifted for e in events if isinstance(e, Sampled)][-1] == ()
    assert amounts(await index.pick(A, dirty=False, limit=9))[ONE] == 105


async def test_dropped_anchors_are_gone(index):
    await advance(index, None, 5, Touches())
    await advance(index, 5, 6, Touches(), drop=(5,))
    assert await index.load(A) == (block(6),)


async def test_counts_by_chain(index):
    await advance(index, None, 5, Touches({ONE: (3, 5), TWO: (3, 5)}))
    await read(index, ONE, 1, 5)
    await read(index, TWO, 1, 5, failure="no")
    assert await index.counts() == {A: {"accounts": 2, "dirty": 1, "failed": 1}}
