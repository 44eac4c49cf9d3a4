import asyncio
from decimal import Decimal

import pytest
import sqlalchemy
from sqlalchemy import create_engine, inspect

from aggregator.alerts import status_change
from aggregator.delivery.outbox import Outbox
from aggregator.errors import StoreError
from aggregator.statements.log import RootLog
from aggregator.statements.merkle import proven_root
from aggregator.store.migrate import downgrade, upgrade
from aggregator.store.repository import Store
from risk.status import Status
from tests.kit.reports import a_report


async def test_report_comes_back_equal_to_the_last_digit(store):
    report = a_report(unified_buffer_usd=Decimal("12345678901234567.123456789012345678"))
    await store.append([report], status_change, [])
    assert await store.latest("desk") == report
    assert await store.report(report.id) == report


async def test_every_report_is_in_the_root_of_its_append(store):
    for names in (("a", "b", "c"), ("a",)):
        reports = [a_report(name) for name in names]
        await store.append(reports, status_change, [])
        (newest, *_) = await RootLog(store).page(limit=1)
        assert newest.size == len(names)
        for report in reports:
            proven = await RootLog(store).of(report.model_dump_json().encode(), report.as_of.time)
            assert proven.root == newest
            assert proven_root(proven.leaf, proven.proof).hex() == newest.root
    assert len(await RootLog(store).page(before=newest.seq)) == 1
    assert await RootLog(store).of(a_report().model_dump_json().encode(), report.as_of.time) is None


async def test_roots_and_statements_go_with_their_tables_and_reports_stay(store):
    await store.append([a_report()], status_change, [])
    async with store.transaction(writing=True) as connection:
        await connection.run_sync(downgrade, "0006")
        assert "report_roots" not in await connection.run_sync(lambda plain: inspect(plain).get_table_names())
        await connection.run_sync(upgrade)
    assert await RootLog(store).page() == ()
    await store.append([a_report("other")], status_change, [])
    assert len(await RootLog(store).page()) == 1
    assert await store.count_reports() == 2


async def test_latest_is_the_newest(store):
    first, second = a_report(), a_report()
    await store.append([first], status_change, [])
    await store.append([second, a_report("other")], status_change, [])
    assert (await store.latest("desk")).id == second.id
    assert await store.latest("nobody") is None


async def test_alert_is_written_against_the_stored_status(store):
    for status in (Status.SAFE, Status.WATCH, Status.WATCH, Status.SAFE):
        await store.append([a_report(status=status)], status_change, ["hook"])
    alerts = [alert for _, alert in await store.alerts()]
    assert [a.status for a in alerts] == [Status.SAFE, Status.WATCH]
    assert await Outbox(store).undelivered() == 2


async def test_two_reports_of_one_portfolio_in_one_append_follow_each_other(store):
    reports = [a_report(status=Status.WATCH), a_report(status=Status.DELEVERAGE)]
    alerts = await store.append(reports, status_change, [])
    assert [a.previous_status for a in alerts] == [None, Status.WATCH]


async def test_report_and_alert_commit_together_or_not_at_all(store):
    def broken(previous, report):
        raise RuntimeError("the rule fails")

    with pytest.raises(RuntimeError):
        await store.append([a_report()], broken, ["hook"])
    assert await store.count_reports() == 0


async def test_a_rejected_outbox_entry_takes_the_report_with_it(store):
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await store.append([a_report(status=Status.WATCH)], status_change, ["hook", "hook"])
    assert await store.count_reports() == 0
    assert await store.alerts() == []


async def test_restart_keeps_reports_alerts_and_outbox(dsn):
    first = await Store.open(dsn)
    await first.append([a_report(status=Status.WATCH)], status_change, ["hook"])
    await first.close()
    again = await Store.open(dsn)
    assert (await again.latest("desk")).status is Status.WATCH
    assert await Outbox(again).undelivered() == 1
    assert await again.append([a_report(status=Status.WATCH)], status_change, ["hook"]) == ()
    await again.close()


async def test_alerts_page_backwards(store):
    for i in range(5):
        await store.append([a_report(f"p{i}", Status.WATCH)], status_change, [])
    first = await store.alerts(limit=2)
    rest = await store.alerts(before=first[-1][0], limit=10)
    assert [a.portfolio for _, a in first + rest] == ["p4", "p3", "p2", "p1", "p0"]
    assert [a.portfolio for _, a in await store.alerts(portfolio="p3")] == ["p3"]


async def test_concurrent_appends_give_one_alert_per_change(store):
    reports = [a_report(status=Status.WATCH) for _ in range(8)]
    await asyncio.gather(*(store.append([r], status_change, []) for r in reports))
    assert len(await store.alerts()) == 1
    assert await store.count_reports() == 8


@pytest.mark.parametrize(
    "dsn", ["nonsense", "sqlite+aiosqlite:////no/such/folder/x.db", "mystery://secret@host/x"]
)
async def test_bad_dsn_is_told_without_the_dsn(dsn):
    with pytest.raises(StoreError) as error:
        await Store.open(dsn)
    assert "secret" not in str(error.value)
    assert "database" in str(error.value)


def test_migrations_go_up_and_down(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'm.db'}")
    with engine.begin() as connection:
        upgrade(connection)
        assert {"reports", "alerts", "deliveries"} <= set(inspect(connection).get_table_names())
        downgrade(connection, "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
    engine.dispose()
