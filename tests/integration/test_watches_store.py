"""Watches in the store: alerts, memory and outbox in one transaction, over restarts, on both databases."""

import asyncio
from datetime import time, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from aggregator.alerts import AlertKind
from aggregator.errors import ConfigError, NoSuchAlert, NoSuchWatch
from aggregator.report import DataQuality, Degraded
from aggregator.store.columns import UtcDateTime
from aggregator.store.engine import make_engine
from aggregator.store.migrate import downgrade, upgrade
from aggregator.store.repository import Store
from aggregator.watches.book import WatchBook
from aggregator.watches.desk import WatchDesk
from aggregator.watches.life import AlertLog
from aggregator.watches.rule import Quiet, WatchChange
from aggregator.watches.watching import Watching
from risk.status import Status
from tests.kit.reports import WHEN, a_report

HOOK = ["hook"]
RATIO = WatchChange(figure="margin_ratio", when="below", fire="1.2", clear="1.3")


def at(seconds: int, status: Status = Status.SAFE, name: str = "desk", **changes):
    made = a_report(name, status, **changes)
    return made.model_copy(
        update={"as_of": made.as_of.model_copy(update={"time": WHEN + timedelta(seconds=seconds)})}
    )


def blind(seconds: int):
    """A report without figures."""
    gaps = DataQuality(complete=False, staleness_s=None, degraded=(Degraded(what="aave", reason="unreachable"),))
    nothing = dict.fromkeys(("margin_ratio", "mm_excess_usd", "mm_requirement_usd"))
    return at(seconds, Status.UNKNOWN, data_quality=gaps, **nothing)


async def outbox(store) -> list[str]:
    query = sa.text("SELECT alert_id FROM deliveries ORDER BY seq")
    async with store.transaction(writing=False) as connection:
        return list((await connection.execute(query)).scalars())


async def test_a_breach_lives_from_open_over_acknowledged_to_resolved(store):
    watching, log = Watching(WatchBook()), AlertLog(store)
    (opened,) = await store.append([at(0, Status.LIQUIDATABLE)], watching, HOOK)
    assert (opened.type, opened.change, opened.severity) == (AlertKind.WORSE, "opened", "critical")
    assert await store.append([at(10, Status.LIQUIDATABLE)], watching, HOOK) == ()
    (listed,) = await log.page(["desk"], state="open")
    assert (listed.alert.id, listed.life.severity) == (opened.id, "critical")
    acked = await log.acknowledge(opened.id, "key_1", WHEN + timedelta(seconds=20))
    assert (acked.life.state, acked.life.acknowledged_by) == ("acknowledged", "key_1")
    for seconds in (60, 70):
        resolved = await store.append([at(seconds)], watching, HOOK)
    (resolved,) = resolved
    assert (resolved.change, resolved.episode, resolved.duration_s) == ("resolved", opened.id, 70)
    assert await log.page(["desk"], state="open") == []
    (ended,) = await log.page(["desk"], state="resolved")
    assert (ended.alert.id, ended.life.duration_s) == (resolved.id, 70)
    assert ended.life.acknowledged_by == "key_1"
    with pytest.raises(NoSuchAlert, match="ended"):
        await log.acknowledge(opened.id, "key_1", WHEN)
    assert await outbox(store) == [opened.id, resolved.id]
    async with store.transaction(writing=False) as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM watch_states"))).scalar() == 0


async def test_what_worsens_after_it_was_acknowledged_is_open_again(store):
    watching, log = Watching(WatchBook()), AlertLog(store)
    (first,) = await store.append([at(0, Status.WATCH)], watching, HOOK)
    await log.acknowledge(first.id, "me", WHEN)
    (worse,) = await store.append([at(10, Status.DELEVERAGE)], watching, HOOK)
    assert (worse.change, worse.episode) == ("worsened", first.id)
    (listed,) = await log.page(["desk"], state="open")
    assert (listed.alert.id, listed.life.severity) == (worse.id, "critical")


async def test_memory_survives_a_restart(dsn):
    slow = Watching(WatchBook({"ratio": WatchChange(**RATIO.model_dump(exclude_unset=True), for_cycles=3)}))
    for seconds in (0, 10, 20, 30, 40):
        store = await Store.open(dsn)
        alerts = await store.append([at(seconds, margin_ratio=Decimal("1.1"))], slow, HOOK)
        assert [alert.watch for alert in alerts] == (["ratio"] if seconds == 20 else [])
        await store.close()


async def test_missing_data_is_its_own_alert_and_ends_nothing(store):
    watching = Watching(WatchBook())
    (breach,) = await store.append([at(0, Status.DELEVERAGE)], watching, HOOK)
    (missing,) = await store.append([blind(100)], watching, HOOK)
    assert (missing.type, missing.watch, missing.severity) == (AlertKind.MISSING, "status", "critical")
    assert missing.episode == missing.id != breach.episode
    for seconds in (200, 300):
        for alert in await store.append([blind(seconds)], watching, HOOK):
            assert alert.watch == "data"
    found = await AlertLog(store).page(["desk"], state="open")
    assert {listed.alert.id for listed in found} >= {breach.id, missing.id}
    back = await store.append([at(400)], watching, HOOK)
    assert [(a.type, a.episode) for a in back if a.watch == "status"] == [(AlertKind.RESTORED, missing.id)]


async def test_no_report_is_told_by_the_timer_with_and_without_one_before(store):
    watching, now = Watching(WatchBook()), WHEN + timedelta(seconds=3600)
    await store.append([at(0)], watching, HOOK)

    async def look(waiting, when=now):
        return await store.tell(lambda c: watching.overdue(c, waiting, when), HOOK)

    assert await look({"desk": 59.0, "never": 59.0}) == ()
    told = await look({"desk": 3600.0, "never": 70.0})
    assert [(a.portfolio, a.type, a.status) for a in told] == [
        ("desk", AlertKind.MISSING, Status.SAFE), ("never", AlertKind.MISSING, Status.UNKNOWN),
    ]  # fmt: skip
    assert [a.report_id is None for a in told] == [False, True]
    assert "1 h 0 min" in told[0].reason
    assert await look({"desk": 3700.0, "never": 170.0}) == ()
    (back,) = await store.append([at(4000)], watching, HOOK)
    assert (back.type, back.watch) == (AlertKind.RESTORED, "report")
    assert await outbox(store) == [told[0].id, told[1].id, back.id]


async def test_what_another_process_has_reported_is_not_missing(store):
    watching = Watching(WatchBook())
    await store.append([at(0)], watching, HOOK)
    soon = WHEN + timedelta(seconds=30)
    assert await store.tell(lambda c: watching.overdue(c, {"desk": 500.0}, soon), HOOK) == ()


async def test_a_mute_keeps_back_and_does_not_lose(store):
    book = WatchBook()
    watching, desk = Watching(book), WatchDesk(store, book)
    await desk.mute("desk", "status", WHEN + timedelta(seconds=100), "me", WHEN)
    (silent,) = await store.append([at(0, Status.LIQUIDATABLE)], watching, HOOK)
    assert await outbox(store) == []
    assert len(await AlertLog(store).page(["desk"], state="open")) == 1
    (told,) = await store.append([at(101, Status.LIQUIDATABLE)], watching, HOOK)
    assert (told.change, told.episode) == ("held", silent.id)
    assert await outbox(store) == [told.id]


async def test_quiet_hours_let_only_the_urgent_through(store):
    quiet = WatchChange(quiet=Quiet(start=time(0), end=time(9), zone="Europe/Berlin"))  # WHEN is 04:04 there
    watching = Watching(WatchBook({"status": quiet}))
    await store.append([at(0, Status.WATCH)], watching, HOOK)
    assert await outbox(store) == []
    (worse,) = await store.append([at(10, Status.BRIDGE_NOW)], watching, HOOK)
    assert await outbox(store) == [worse.id]


async def test_hours_without_any_exception_delay_a_breach_and_hide_it_from_no_list(store):
    """WHEN is 04:04 in Berlin: the hours end 56 minutes later."""
    all_quiet = WatchChange(quiet=Quiet(start=time(0), end=time(5), zone="Europe/Berlin", override=None))
    watching, log, after = Watching(WatchBook({"status": all_quiet})), AlertLog(store), 57 * 60
    begun = [await store.append([at(0, Status.LIQUIDATABLE, name)], watching, HOOK) for name in ("desk", "brief")]
    (breach,), (short,) = begun
    for seconds in (60, 70):
        ended = await store.append([at(seconds, name="brief")], watching, HOOK)
    (ended,) = ended
    assert await outbox(store) == []
    assert [one.alert.id for one in await log.page(["desk", "brief"], state="open")] == [breach.id]
    assert [one.alert.id for one in await log.page(["desk", "brief"])] == [ended.id, short.id, breach.id]
    (told,) = await store.append([at(after, Status.LIQUIDATABLE)], watching, HOOK)
    assert (told.change, told.episode, told.severity) == ("held", breach.id, "critical")
    assert "kept back until now" in told.reason
    assert await store.append([at(after, name="brief")], watching, HOOK) == ()
    assert await outbox(store) == [told.id]
    assert [one.life.state for one in await log.page(["brief"])] == ["resolved", "resolved"]


async def test_changes_of_one_portfolio_leave_the_others_alone(store):
    book = WatchBook()
    watching, desk = Watching(book), WatchDesk(store, book)
    view = await desk.change("desk", "ratio", RATIO, "me", WHEN)
    assert (view.id, view.origin, view.changed) == ("desk:ratio", "api", True)
    low = {"margin_ratio": Decimal("1.1")}
    alerts = await store.append([at(0, **low), at(0, name="other", **low)], watching, HOOK)
    assert [(a.portfolio, a.watch, a.title) for a in alerts] == [
        ("desk", "ratio", "desk: margin ratio is 1.1, at or below 1.2")
    ]
    assert (await desk.view("desk", "ratio")).firing == ("",)
    await desk.restore("desk", "ratio", "me", WHEN)
    with pytest.raises(NoSuchWatch):
        await desk.view("desk", "ratio")
    (ended,) = await store.append([at(10, **low)], watching, HOOK)
    assert (ended.change, ended.reason) == ("resolved", "ratio: the watch was switched off (open for 10 s)")


async def test_a_change_that_makes_no_sense_changes_nothing(store):
    desk = WatchDesk(store, WatchBook())
    wrong = WatchChange(figure="margin_ratio", when="below", fire="1.2", clear="1.1")
    with pytest.raises(ConfigError, match=r"watches\.ratio\.clear: 1\.1 must be at or above fire"):
        await desk.change("desk", "ratio", wrong, "me", WHEN)
    assert {view.origin for view in await desk.views(["desk"])} == {"package"}
    with pytest.raises(NoSuchWatch):
        await desk.restore("desk", "status", "me", WHEN)


async def test_appends_at_once_open_one_matter(store):
    watching = Watching(WatchBook())
    await asyncio.gather(*(store.append([at(n, Status.WATCH)], watching, HOOK) for n in range(6)))
    assert len(await AlertLog(store).page(["desk"])) == 1


async def test_report_alert_memory_and_outbox_commit_together_or_not_at_all(store):
    watching = Watching(WatchBook())
    with pytest.raises(sa.exc.IntegrityError):
        await store.append([at(0, Status.WATCH)], watching, ["hook", "hook"])
    async with store.transaction(writing=False) as connection:
        for table in ("reports", "alerts", "deliveries", "watch_states", "alert_episodes"):
            assert (await connection.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar() == 0
    assert len(await store.append([at(0, Status.WATCH)], watching, HOOK)) == 1


REPORT = """INSERT INTO reports (seq, id, portfolio, created_at, status, complete, inputs_hash, body)
    VALUES (1, 'r', 'd', :at, 'WATCH', :yes, 'h', '{}')"""
ALERT = """INSERT INTO alerts (seq, id, report_id, portfolio, created_at, body)
    VALUES (:n, :id, :report, 'd', :at, '')"""
DELIVERY = """INSERT INTO deliveries (seq, alert_id, receiver, attempts, next_attempt_at, last_error)
    VALUES (:n, :id, 'hook', 0, :at, '')"""


async def test_the_migration_keeps_alerts_and_their_deliveries_up_and_down(dsn):
    engine = make_engine(dsn)

    async def do(connection, statement, **values):
        kinds = [sa.bindparam("at", WHEN, UtcDateTime())] if ":at" in statement else []
        return await connection.execute(sa.text(statement).bindparams(*kinds), values)

    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0009")
        await do(connection, REPORT, yes=True)
        await do(connection, ALERT, n=7, id="a", report="r")
        await do(connection, DELIVERY, n=1, id="a")
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0010")
        await do(connection, ALERT, n=8, id="b", report=None)
        await do(connection, DELIVERY, n=2, id="b")
    async with engine.begin() as connection:
        found = await do(connection, "SELECT seq, id FROM alerts ORDER BY seq")
        assert found.all() == [(7, "a"), (8, "b")]
        await connection.run_sync(downgrade, "0009")
    async with engine.begin() as connection:
        assert (await do(connection, "SELECT seq, id, report_id FROM alerts")).all() == [(7, "a", "r")]
        assert (await do(connection, "SELECT alert_id FROM deliveries")).all() == [("a",)]
        with pytest.raises(sa.exc.IntegrityError):
            await do(connection, DELIVERY, n=3, id="nobody")
    await engine.dispose()
