"""Observed transfers in the store: seen twice they are one, a reorg takes them back, the old ones go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from aggregator.bridge_laws import KEPT, Observation
from aggregator.store import transfers
from aggregator.store.migrate import downgrade, upgrade
from aggregator.store.transfers import Stretch, TransferLog
from chains.caip import chain_id
from chains.venues.across.watch import Paid, Sent

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
ARB, OP = chain_id(42161), chain_id(10)
ALICE, BOB = "0x" + "a1" * 20, "0x" + "b0" * 20


def sent(key="k", block=100, at=AT - 600, owner=ALICE, deadline=AT + 3600, number=7):
    return Sent(key, "across", ARB, OP, owner, number, "ab" * 32, block, at, deadline)


def paid(key="k", block=900, at=AT - 590):
    return Paid(key, OP, block, at)


async def seen(log, now=NOW):
    return [(one.latency_s, one.lost) for one in await log.observations(now)]


async def test_a_transfer_is_one_however_often_it_is_seen(store):
    log = TransferLog(store)
    for _ in range(2):
        await log.add_sent([sent()], Stretch(ARB, 0, 200), {ALICE})
        assert await seen(log) == [(None, False)]
    (waiting,) = await log.awaited(OP, 0)
    assert (waiting.deposit_id, waiting.arrived) == (7, False)
    for _ in range(2):
        await log.add_paid([paid()], Stretch(OP, 0, 1000))
        assert await seen(log) == [(10.0, False)]
    await log.add_sent([sent()], Stretch(ARB, 0, 200), {ALICE})
    assert await seen(log) == [(10.0, False)]


async def test_a_fill_before_its_deposit_by_another_clock_took_a_second(store):
    log = TransferLog(store)
    await log.add_sent([sent()], Stretch(ARB, 0, 200), None)
    await log.add_paid([paid(at=AT - 601), paid("nobody")], Stretch(OP, 0, 1000))
    assert await seen(log) == [(1.0, False)]


async def test_what_a_reorg_undoes_is_taken_back(store):
    log = TransferLog(store)
    await log.add_sent([sent("a"), sent("b", 150)], Stretch(ARB, 0, 200), {ALICE})
    await log.add_paid([paid("a"), paid("b", 950)], Stretch(OP, 0, 1000))
    await log.add_paid([], Stretch(OP, 940, 1000))
    assert sorted(await seen(log), key=str) == [(10.0, False), (None, False)]
    await log.add_sent([sent("a", 101, AT - 606)], Stretch(ARB, 90, 140), {ALICE})
    assert (16.0, False) in await seen(log)
    await log.add_sent([], Stretch(ARB, 90, 140), {BOB})
    assert len(await seen(log)) == 2
    await log.add_sent([], Stretch(ARB, 90, 140), {ALICE})
    assert await seen(log) == [(None, False)]


async def test_what_nobody_may_fill_any_more_is_lost(store):
    log = TransferLog(store)
    await log.add_sent([sent(deadline=AT - 1)], Stretch(ARB, 0, 200), {ALICE})
    assert await seen(log) == [(None, True)]
    await log.add_paid([paid()], Stretch(OP, 0, 1000))
    assert await seen(log) == [(10.0, False)]


async def test_only_new_ones_stay(store, monkeypatch):
    monkeypatch.setattr(transfers, "MOST", 3)
    log = TransferLog(store)
    old = int((NOW - KEPT).timestamp()) - 10
    many = [sent(f"n{i}", at=AT - i) for i in range(60)] + [sent("old", at=old)]
    await log.add_sent(many, Stretch(ARB, 0, 200), {ALICE})
    await log.thin(NOW)
    assert [one.observed_at for one in await log.observations(NOW)] == [
        NOW - timedelta(seconds=i) for i in (2, 1, 0)
    ]


async def test_a_transfer_that_an_operator_tells_of_counts_once(store):
    log = TransferLog(store)
    waiting = Observation(NOW - timedelta(minutes=5), "hop", ARB, OP, None)
    await log.add_done("tx:hop:1", waiting)
    assert await log.known(["tx:hop:1"]) == frozenset()
    for latency in (40.0, 999.0):
        await log.add_done("tx:hop:1", replace(waiting, latency_s=latency))
        assert await log.known(["tx:hop:1", "tx:hop:2"]) == {"tx:hop:1"}
        assert await seen(log) == [(40.0, False)]
    assert await log.awaited(OP, 0) == ()
    await log.add_sent([], Stretch(ARB, 0, 200), None)
    assert len(await seen(log)) == 1


async def test_the_table_comes_and_goes_and_leaves_the_rest(tmp_path, store):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'old.db'}")
    values = "'k', 'across', 'a', 'b', '0x', '1', 'ab', 1, '2026-01-01', '2026-01-01', NULL, NULL"
    row = f"INSERT INTO bridge_transfers VALUES ({values})"
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0012")
        await connection.execute(sa.text(row))
        await connection.execute(sa.text("INSERT INTO inputs VALUES ('d', NULL, '2026-01-01', 'x')"))
    async with engine.begin() as connection:
        await connection.run_sync(downgrade, "0011")
        tables = await connection.run_sync(lambda c: set(sa.inspect(c).get_table_names()))
        assert "bridge_transfers" not in tables
        assert (await connection.execute(sa.text("SELECT digest FROM inputs"))).scalars().all() == ["d"]
        await connection.run_sync(upgrade, "0012")
        assert (await connection.execute(sa.text("SELECT count(*) FROM bridge_transfers"))).scalar() == 0
    await engine.dispose()


@pytest.mark.parametrize("deadline", [0, 2**32 - 1])
async def test_any_deadline_of_a_depositor_can_be_kept(store, deadline):
    log = TransferLog(store)
    await log.add_sent([sent(deadline=deadline, number=2**256 - 1)], Stretch(ARB, 0, 200), None)
    assert await seen(log) == [(None, deadline == 0)]
    assert (await log.awaited(OP, 0))[0].deposit_id == 2**256 - 1
