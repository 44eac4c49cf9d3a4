"""Thinning, backup and restore, export: what goes, what stays, and that every digit comes back."""

from datetime import timedelta
from decimal import Decimal

import pyarrow.parquet
import pytest
import sqlalchemy as sa

from aggregator.alerts import status_change
from aggregator.errors import StoreError
from aggregator.replay.freeze import Freezer
from aggregator.replay.run import replay
from aggregator.scans import record
from aggregator.store.backup import backup, restore
from aggregator.store.compact import compact, vacuum
from aggregator.store.export import export
from aggregator.store.input_tables import INPUTS, keep
from aggregator.store.inputs import InputLog
from aggregator.store.mass import MassLog, MassRow
from aggregator.store.migrate import current, downgrade, newest, upgrade
from aggregator.store.policy import RetentionSettings
from aggregator.store.prices import PriceLog, price_rows
from aggregator.store.reports import ReportLog
from aggregator.store.repository import Store
from aggregator.store.scans import ScanLog
from risk.status import Status
from tests.kit import world as hand
from tests.kit.api import a_world
from tests.kit.reports import WHEN
from tests.kit.stores import a_price, at_time, fill

NEVER = RetentionSettings(all_days=1000)
THIN = RetentionSettings(all_days=1)
LATER = WHEN + timedelta(days=2)


async def rows(store, portfolio="desk"):
    return [(r.seq, r.created_at, r.body) for r in reversed(await ReportLog(store).page(portfolio, limit=1000))]


async def test_one_an_hour_stays_with_changes_of_status_and_the_newest(store):
    ids = await fill(store)
    before = await rows(store)
    done = await compact(store, THIN, LATER)
    after = await rows(store)
    assert set(after) < set(before)
    left = b"".join(body for _, _, body in after)
    kept = [i for i, name in enumerate(ids) if name.encode() in left]
    # A report every ten minutes from :04 on: the first of each hour, the turn to WATCH and back, the newest.
    assert kept == [0, 6, 9, 11, 12, 18, 24, 30, 35]
    assert done.reports == 2 * 36 - len(kept) - 7
    assert (await store.latest("desk")).id == ids[-1]
    assert len(await store.alerts()) == 2
    assert await compact(store, THIN, LATER) == type(done)(0, 0, 0, 0)


async def test_what_is_young_stays_and_what_is_past_the_end_goes(store):
    ids = await fill(store)
    assert (await compact(store, NEVER, LATER)).reports == 0
    done = await compact(store, RetentionSettings(all_days=0.5, hourly_days=1), LATER)
    left = [report.body.decode() for report in await ReportLog(store).page("desk", limit=100)]
    assert [i for i, name in enumerate(ids) if any(name in body for body in left)] == [9, 11, 35]
    assert done.prices == 35


async def test_prices_keep_the_first_of_an_hour_and_every_change(store):
    await fill(store)
    await compact(store, THIN, LATER)
    lines = [line async for line in PriceLog(store).lines()]
    assert [line.time for line in lines] == [WHEN + timedelta(minutes=10 * i) for i in (0, 6, 12, 18, 24, 30, 35)]
    assert lines[1].mid_usd == a_price(WHEN, mid="3000.000000000000000000061").mid_usd


async def test_inputs_go_with_their_age_but_those_of_alerts_stay(store):
    freezer, old = Freezer(hand.maker()), WHEN
    quiet, told = at_time(old), at_time(old, status=Status.LIQUIDATABLE)
    frozen = freezer.freeze(a_world())
    await store.append([quiet, told], status_change, [])
    async with store.transaction(writing=True) as connection:
        await keep(connection, frozen, [quiet.id, told.id], old)
    await compact(store, RetentionSettings(inputs_days=1), LATER)
    log = InputLog(store)
    assert await log.of(quiet.id) is None
    assert await log.of(told.id) == (frozen.world.body, frozen.setting.body)
    async with store.transaction(writing=False) as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(INPUTS))).scalar() == 2


async def test_backup_and_restore_bring_back_every_row(store, tmp_path, request):
    await fill(store, hours=2)
    (report,) = hand.maker().make(a_world())
    await store.append([report], status_change, [])
    async with store.transaction(writing=True) as connection:
        await keep(connection, Freezer(hand.maker()).freeze(a_world()), [report.id], WHEN)
    await ScanLog(store).add(record([report], None, time=WHEN, duration_s=1.5, alerts=0, skipped=0))
    path = tmp_path / "b.jsonl.gz"
    counts = await backup(store, path)
    with pytest.raises(StoreError, match="exists already"):
        await backup(store, path)
    other = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'copy.db'}")
    third = await Store.open(request.getfixturevalue("postgres_server").new_database())
    try:
        assert await restore(other, path) == counts
        again = tmp_path / "c.jsonl.gz"
        assert await backup(other, again) == counts
        assert await restore(third, again) == counts
        for copy in (other, third):
            assert await rows(copy) == await rows(store)
            assert await copy.alerts() == await store.alerts()
            assert await ScanLog(copy).page() == await ScanLog(store).page()
            assert replay(report, *await InputLog(copy).of(report.id)).same
            await copy.append([at_time(LATER)], status_change, [])
            assert (await rows(copy))[-1][0] > (await rows(store))[-1][0]
        with pytest.raises(StoreError, match="not empty"):
            await restore(other, path)
    finally:
        await other.close()
        await third.close()


@pytest.mark.parametrize("damage", ["cut", "empty", "count", "revision"])
async def test_a_damaged_backup_restores_nothing(tmp_path, damage):
    import gzip

    source = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    await fill(source, hours=1)
    path = tmp_path / "b.jsonl.gz"
    await backup(source, path)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "count":
        index = next(i for i, line in enumerate(lines) if b'"reports"' in line) + 1
        path.write_bytes(gzip.compress(b"".join(lines[:index] + lines[index + 1 :])))
    else:
        path.write_bytes(gzip.compress(b"".join([lines[0].replace(b'"00', b'"99'), *lines[1:]])))
    target = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")
    with pytest.raises(StoreError):
        await restore(target, path)
    assert await target.count_reports() == 0
    await source.close()
    await target.close()


async def test_export_holds_every_digit(store, tmp_path):
    await fill(store, hours=2)
    (report,) = hand.maker().make(a_world())
    await store.append([report], status_change, [])
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "part").mkdir()
    counts = await export(store, folder)
    tables = {name: pyarrow.parquet.read_table(folder / f"{name}.parquet").to_pylist() for name in counts}
    assert {name: len(found) for name, found in tables.items()} == counts
    last = tables["reports"][-1]
    assert last["mm_excess_usd"] == format(report.mm_excess_usd, "f")
    assert last["record"] == report.model_dump_json()
    assert [p["size"] for p in tables["positions"]] == [format(p.size, "f") for p in report.positions]
    assert len(tables["venues"]) == len(report.venues)
    assert tables["prices"][1]["mid_usd"] == "3000.000000000000000000011"
    part = await export(store, tmp_path / "part", since=WHEN + timedelta(hours=1), until=WHEN + timedelta(hours=2))
    assert part["prices"] == 6


async def test_vacuum_gives_room_back(tmp_path):
    path = tmp_path / "v.db"
    opened = await Store.open(f"sqlite+aiosqlite:///{path}")
    await fill(opened, hours=24)
    await compact(opened, THIN, LATER)
    await opened.close()
    before = path.stat().st_size
    vacuum(f"sqlite+aiosqlite:///{path}")
    assert path.stat().st_size < before / 2
    with pytest.raises(StoreError):
        vacuum("sqlite+aiosqlite:////no/such/folder/x.db")


async def test_migrations_down_and_up_keep_what_the_older_schema_knows(store):
    await fill(store, hours=2)
    before, prices = await rows(store), [line async for line in PriceLog(store).lines()]
    for revision in ("0010", "0007", "0003", "0001"):
        async with store.transaction(writing=True) as connection:
            await connection.run_sync(downgrade, revision)
            assert await connection.run_sync(current) == revision
        assert await rows(store) == before
        if revision == "0003":
            assert [line async for line in PriceLog(store).lines()] == prices
    async with store.transaction(writing=True) as connection:
        await connection.run_sync(upgrade)
        assert await connection.run_sync(current) == newest()
    assert await rows(store) == before
    await store.append([at_time(LATER, status=Status.WATCH)], status_change, ["hook"])
    assert (await rows(store))[-1][0] > before[-1][0]


@pytest.mark.parametrize("number", [1, 49, 50, 20_001])
async def test_many_rows_come_in_their_order_and_a_failure_takes_all_of_them_back(store, number):
    micro = Decimal("0.000001")
    found = [MassRow("scan_1", f"p{i}", "SAFE", Decimal(i), micro * i, Decimal(-i)) for i in range(number)]
    log = MassLog(store)
    await log.add(found)
    assert await log.of("scan_1") == found
    with pytest.raises(Exception, match=r"."):
        await log.add([*(row._replace(scan_id="scan_2") for row in found), found[0]._replace(status=None)])
    assert await log.of("scan_2") == []


async def test_a_price_that_is_there_stays_as_it_is(store):
    first, again = a_price(WHEN), a_price(WHEN, mid="1")
    await store.append([at_time(WHEN)], status_change, [], price_rows([first]))
    await store.append([at_time(WHEN)], status_change, [], price_rows([again, a_price(LATER)]))
    assert [line async for line in PriceLog(store).lines()] == [first, a_price(LATER)]
