"""Who is stopped in the middle of using the store leaves no connection behind, and waits for no dead server."""

import asyncio
import gc
import os
import random
import signal
import sys
import time
from contextlib import contextmanager, suppress

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from aggregator.alerts import status_change
from aggregator.errors import StoreError
from aggregator.store import engine
from aggregator.store.repository import Store, only_writer
from risk.status import Status
from tests.kit.reports import a_report

STOP_S = 8
"""More than the bounds of the store together."""


@contextmanager
def nothing_left_open(monkeypatch):
    """A connection that is collected before it was closed warns where nobody can catch it."""
    left = []
    monkeypatch.setattr(sys, "unraisablehook", left.append)
    yield
    gc.collect()
    assert [str(each.exc_value) for each in left] == []


async def use(store: Store, way: int) -> None:
    if way == 0:
        await store.append([a_report(status=Status.WATCH)], status_change, ["hook"])
    elif way == 1:
        await store.count_reports()
    else:
        async with store.transaction(writing=True) as connection:
            await connection.execute(sa.text("SELECT 1"))
            await asyncio.sleep(0.001)


async def test_a_stop_at_any_moment_leaves_no_connection_behind(dsn, monkeypatch):
    """Of reading, writing and giving back; the store may close before its users have ended."""
    draw = random.Random(7)
    with nothing_left_open(monkeypatch):
        for i in range(24):
            store = await Store.open(dsn)
            users = [asyncio.create_task(use(store, way)) for way in range(3)]
            await asyncio.sleep(draw.choice([0, 0, 0.0005, 0.002, 0.005]) * draw.random())
            for user in users:
                user.cancel()
            if i % 2:
                await asyncio.gather(*users, return_exceptions=True)
            await store.close()
            assert all(isinstance(end, asyncio.CancelledError) or end is None for end in await ends(users))


async def ends(tasks) -> list:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_stop_while_the_store_opens_leaves_no_connection_behind(dsn, monkeypatch):
    await (await Store.open(dsn)).close()
    with nothing_left_open(monkeypatch):
        for i in range(20):
            opening = asyncio.create_task(Store.open(dsn))
            await asyncio.sleep(i * 0.0008)
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await (await opening).close()


async def test_a_closed_store_lends_nothing(dsn):
    store = await Store.open(dsn)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.count_reports()


@contextmanager
def frozen(server):
    """A server whose processes stand still: connections are taken by the system, and nothing is answered."""
    postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().splitlines()[0]))
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for process in stopped:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


@pytest.mark.postgres
async def test_a_stop_does_not_wait_for_a_server_that_does_not_answer(own_postgres, monkeypatch):
    store = await Store.open(own_postgres.new_database())
    await store.append([a_report()], status_change, ["hook"])
    inside, idle = asyncio.Event(), asyncio.Event()

    async def writes() -> None:
        async with store.transaction(writing=True) as connection:
            await connection.execute(sa.text("SELECT 1"))
            inside.set()
            await idle.wait()
            await connection.execute(sa.text("SELECT 1"))

    writing = asyncio.create_task(writes())
    await inside.wait()
    with frozen(own_postgres):
        opening = asyncio.create_task(store.count_reports())
        idle.set()
        await asyncio.sleep(0.2)
        writing.cancel()
        asked = time.monotonic()
        await store.close()
        assert isinstance((await ends([writing]))[0], asyncio.CancelledError)
        assert isinstance((await ends([opening]))[0], BaseException)
        assert time.monotonic() - asked < STOP_S


async def stand_still(store: Store, other: Store) -> None:
    """Hold the lock of appends, and say nothing more, until another has appended."""
    async with store.transaction(writing=True) as connection:
        await only_writer(connection)
        await connection.execute(sa.text("CREATE TABLE half (content text)"))
        asked = time.monotonic()
        await other.append([a_report()], status_change, ["hook"])
        assert time.monotonic() - asked < STOP_S


@pytest.mark.postgres
async def test_a_process_that_stands_still_in_the_middle_is_cut_off(postgres_server, monkeypatch):
    """Its leases are free and appends go on; what it had written is rolled back."""
    monkeypatch.setattr(engine, "STILL_S", 2)
    dsn = postgres_server.new_database()
    still, other = await Store.open(dsn), await Store.open(dsn)
    with pytest.raises(SQLAlchemyError):
        await stand_still(still, other)
    async with other.transaction(writing=False) as connection:
        assert (await connection.execute(sa.text("SELECT to_regclass('half')"))).scalar() is None
    await still.append([a_report()], status_change, [])  # over a new connection
    assert await other.count_reports() == 2
    await still.close()
    await other.close()
