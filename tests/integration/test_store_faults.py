"""The store under what happens to databases: a restart, a full disk, a stop in the middle, a clock that is set."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from aggregator.alerts import status_change
from aggregator.store.repository import Store
from risk.status import Status
from tests.kit.reports import WHEN, a_report
from tests.kit.stores import at_time

ROOT = Path(__file__).parents[2]
TOGETHER = 10
WHOLE = """
    SELECT (SELECT count(*) FROM reports) % :together,
           (SELECT count(*) FROM alerts a LEFT JOIN reports r ON r.id = a.report_id WHERE r.id IS NULL),
           (SELECT count(*) FROM alerts) - (SELECT count(*) FROM deliveries)
"""
"""Reports of half an append, alerts without their report, alerts without their outbox entry."""


def portfolios(round_number: int) -> list:
    """Reports of one cycle; every other round the status of all turns."""
    status = Status.WATCH if round_number % 2 else Status.SAFE
    return [a_report(f"p{i}", status) for i in range(TOGETHER)]


async def whole(store) -> tuple[int, int, int]:
    async with store.transaction(writing=False) as connection:
        return tuple((await connection.execute(sa.text(WHOLE), {"together": TOGETHER})).one())


async def test_a_full_disk_writes_nothing_half_and_room_ends_it(tmp_path):
    path = tmp_path / "full.db"
    store = await Store.open(f"sqlite+aiosqlite:///{path}")
    with sqlite3.connect(path) as plain:
        pages = plain.execute("PRAGMA page_count").fetchone()[0]
    plain.close()
    limit = [pages + 60]

    @event.listens_for(store._engine.sync_engine, "begin")
    def bounded(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit[0]}")

    failures, done = 0, 0
    for i in range(200):
        try:
            await store.append(portfolios(i), status_change, ["hook"])
            done += 1
        except SQLAlchemyError:
            failures += 1
            if failures == 3:
                break
    assert done > 1
    assert await store.count_reports() == done * TOGETHER
    assert await whole(store) == (0, 0, 0)
    limit[0] += 10_000
    await store.append(portfolios(done), status_change, ["hook"])
    assert await store.count_reports() == (done + 1) * TOGETHER
    assert await whole(store) == (0, 0, 0)
    await store.close()


@pytest.fixture
def small_disk(own_postgres, tmp_path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A database on a disk of 24 MB, and what makes the disk larger."""
    if os.geteuid():
        pytest.skip("a small disk is mounted by root only")
    disk = Path(tempfile.mkdtemp(prefix="cm-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(disk)], check=True)
    try:
        space = disk / "space"
        space.mkdir()
        shutil.chown(space, own_postgres.data.stat().st_uid)
        own_postgres.server.psql(f"CREATE TABLESPACE small LOCATION '{space}';")
        dsn = own_postgres.new_database("TABLESPACE small")
        yield dsn, lambda: subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        own_postgres.server.psql(f"DROP DATABASE {dsn.rpartition('/')[2].partition('?')[0]} WITH (FORCE);")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


async def fill_up(store) -> None:
    some = sa.text("INSERT INTO filler SELECT repeat('x', 1900) FROM generate_series(1, 40)")
    for _ in range(10_000):
        async with store.transaction(writing=True) as connection:
            await connection.execute(some)


@pytest.mark.postgres
async def test_a_full_disk_under_postgres_writes_nothing_half_and_room_ends_it(small_disk):
    dsn, enlarge = small_disk
    store = await Store.open(dsn)
    await store.append(portfolios(0), status_change, ["hook"])
    async with store.transaction(writing=True) as connection:
        await connection.execute(sa.text("CREATE TABLE filler (content text)"))
    with pytest.raises(SQLAlchemyError):  # full to the last page
        await fill_up(store)
    done, failed = 1, 0
    for i in range(1, 400):
        try:
            await store.append(portfolios(i), status_change, ["hook"])
            done += 1
        except SQLAlchemyError:
            failed += 1
            if failed == 3:
                break
    assert failed == 3
    assert await store.count_reports() == done * TOGETHER
    assert await whole(store) == (0, 0, 0)
    await asyncio.to_thread(enlarge)
    await store.append(portfolios(done), status_change, ["hook"])
    assert await store.count_reports() == (done + 1) * TOGETHER
    assert await whole(store) == (0, 0, 0)
    await store.close()


async def test_writers_of_one_process_wait_in_line_and_none_starves(tmp_path):
    """SQLite gives up after its patience; together these writers need many times as long."""
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'line.db'}")

    @event.listens_for(store._engine.sync_engine, "begin", insert=True)
    def impatient(connection):
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")

    done = []

    async def write(i: int) -> None:
        async with store.transaction(writing=True):
            await asyncio.sleep(0.02)
            done.append(i)

    await asyncio.gather(*(write(i) for i in range(15)), store.append(portfolios(1), status_change, ["hook"]))
    assert done == list(range(15))
    assert await whole(store) == (0, 0, 0)
    await store.close()


@pytest.mark.postgres
async def test_postgres_restarted_under_load_loses_nothing_that_was_committed(own_postgres):
    store = await Store.open(own_postgres.new_database())
    committed, failed, stop = [0] * 3, [0], asyncio.Event()

    async def load(worker: int) -> None:
        while not stop.is_set():
            try:
                await store.append(portfolios(committed[worker]), status_change, ["hook"])
                committed[worker] += 1
            except (SQLAlchemyError, OSError, TimeoutError):
                failed[0] += 1
                await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(load(worker)) for worker in range(3)]
    try:
        for _ in range(2):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_postgres.restart)
            before = sum(committed)
            async with asyncio.timeout(20):
                while sum(committed) < before + 5:
                    await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*tasks)
        stored = await store.count_reports()
        # An append whose answer was lost may be there although its writer saw a failure, but never half of it.
        assert sum(committed) <= stored // TOGETHER <= sum(committed) + failed[0]
        assert await whole(store) == (0, 0, 0)
    finally:
        stop.set()
        await store.close()


async def test_a_clock_set_back_reorders_nothing(store):
    for shift, status in ((0, Status.SAFE), (-3600, Status.WATCH), (-3590, Status.SAFE)):
        await store.append([at_time(WHEN + timedelta(seconds=shift), status=status)], status_change, [])
    assert (await store.latest("desk")).as_of.time == WHEN - timedelta(seconds=3590)
    assert [alert.status for _, alert in await store.alerts()] == [Status.SAFE, Status.WATCH]


def serve(devnet, database: Path) -> subprocess.Popen:
    environment = {
        **os.environ,
        "CROSSMARGIN_DATABASE": f"sqlite+aiosqlite:///{database}",
        "CROSSMARGIN_SERVICE__PORT": "0",
        "CROSSMARGIN_SERVICE__SCAN_INTERVAL_S": "0.05",
    }
    command = [sys.executable, "-m", "api.cli", "serve", "--devnet", str(devnet.state_dir)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def stored(database: Path) -> int:
    if not database.exists():
        return 0
    try:
        with sqlite3.connect(database) as plain:
            return plain.execute("SELECT count(*) FROM reports").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        plain.close()


@pytest.mark.slow
@pytest.mark.devnet
def test_a_stop_in_the_middle_of_a_cycle_leaves_whole_cycles_only(devnet, tmp_path):
    database = tmp_path / "stopped.db"
    for delay_s in (0.13, 0.31):
        before = stored(database)
        process = serve(devnet, database)
        try:
            deadline = time.monotonic() + 40
            while stored(database) == before:
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(delay_s)
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            assert time.monotonic() - asked < 10
        finally:
            process.kill()
            words = process.communicate()[1]
        assert process.returncode == 0
        assert "Traceback" not in words, words
    with sqlite3.connect(database) as plain:
        sizes = plain.execute("SELECT created_at, count(*) FROM reports GROUP BY created_at").fetchall()
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
        orphans = plain.execute("SELECT count(*) FROM alerts WHERE report_id NOT IN (SELECT id FROM reports)")
        assert orphans.fetchone() == (0,)
    plain.close()
    whole_cycles = {size for _, size in sizes}
    assert max(whole_cycles) == len(devnet_portfolios(devnet))
    assert len(whole_cycles) == 1, sizes


def devnet_portfolios(devnet) -> list[str]:
    from aggregator.devnet_settings import devnet_settings

    return list(devnet_settings(devnet.state_dir).portfolios)
