"""Reading and writing the store. Reports, their alerts and the outbox entries commit together or not at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import sqlmodel
from alembic.util.exc import CommandError
from sqlalchemy import Insert, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from aggregator.alerts import Alert
from aggregator.errors import LeaseLost, StoreError
from aggregator.replay.freeze import Frozen
from aggregator.report import MarginReport
from aggregator.store.bulk import insert_many, insert_new
from aggregator.store.engine import WRITING, make_engine
from aggregator.store.input_tables import keep
from aggregator.store.lender import Lender
from aggregator.store.migrate import upgrade
from aggregator.store.roots import root_inserts
from aggregator.store.rows import AlertRow, DeliveryRow, PriceRow, ReportRow
from risk.status import Status

_WRITING = {WRITING: True}
APPEND_LOCK = 0x63726F73736D
"""Key of the PostgreSQL advisory lock that appends take."""

REPORTS: Any = ReportRow.__table__  # type: ignore[attr-defined]
PRICES: Any = PriceRow.__table__  # type: ignore[attr-defined]
REPORT_COLUMNS = tuple(column.name for column in REPORTS.columns if column.name != "seq")
UNKNOWN = (-1, "")
"""There is a newer report, which was not kept here."""
_PORTFOLIO, _BODY = REPORT_COLUMNS.index("portfolio"), REPORT_COLUMNS.index("body")
PRICE_COLUMNS = tuple(column.name for column in PRICES.columns if column.name != "seq")

AlertRule = Callable[[Status | None, MarginReport], tuple[Alert, ...]]
"""A plain rule over the status before and the report; it remembers nothing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of judging reports."""

    alerts: tuple[Alert, ...]
    undelivered: frozenset[str] = frozenset()
    """Alerts that are recorded only: kept back by quiet hours or a mute."""


class Judge(Protocol):
    """A rule that keeps its memory in the store."""

    async def judge(
        self, connection: AsyncConnection, reports: Sequence[MarginReport], before: Mapping[str, Status]
    ) -> Judged:
        """Alerts of reports that were just stored, in the same transaction; ``before``: status by portfolio."""
        ...


class Fence(Protocol):
    """Says what this process may write, where several share a store."""

    async def hold(self, connection: AsyncConnection, names: Collection[str]) -> frozenset[str]:
        """Portfolios that are this process's, and stay so to the end of the transaction."""
        ...


class Store:
    """The database behind the service; SQLite by default, PostgreSQL by DSN."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._lender = Lender(engine)
        # SQLite lets one write at a time and lets the others ask again and again, in no order: some never get it.
        # Inside one process they wait in line instead.
        self._line = asyncio.Lock() if engine.dialect.name == "sqlite" else contextlib.nullcontext()
        self.appended = 0
        """How often reports were appended here: what was read before may be old when it has changed."""
        self.followed: set[str] = set()
        """Portfolios whose newest report somebody here keeps at hand."""
        self.newest: dict[str, tuple[int, str]] = {}
        """Sequence number and JSON of reports of theirs that were appended here, or ``UNKNOWN``.

        Whoever follows takes them out.
        """

    @classmethod
    async def open(cls, dsn: str) -> "Store":
        """Connect and bring the schema up to date; raises StoreError without the DSN in it."""
        store = cls(make_engine(dsn))
        async with contextlib.AsyncExitStack() as unless_open:  # a stop may come while it opens
            unless_open.push_async_callback(store.close)
            try:
                async with store.transaction(writing=False) as connection:
                    await connection.run_sync(upgrade)
            except (SQLAlchemyError, OSError) as error:
                kind = type(error).__name__
                raise StoreError(f"database: cannot be opened ({kind}): check `database`") from None
            except CommandError:
                message = "database: written by a newer version: start that one, or restore a backup"
                raise StoreError(message) from None
            unless_open.pop_all()
        return store

    async def close(self) -> None:
        """Close all connections, within seconds whatever the database does; safe to call twice."""
        await self._lender.close()

    @asynccontextmanager
    async def transaction(self, *, writing: bool) -> AsyncIterator[AsyncConnection]:
        """One transaction for parts of the store that live elsewhere; commits at the end of the block."""
        async with self._line if writing else contextlib.nullcontext(), self._lender.lend() as plain:
            connection = await plain.execution_options(**_WRITING) if writing else plain
            async with connection.begin():
                yield connection

    async def ping(self) -> None:
        """Raise StoreError if the database does not answer."""
        try:
            async with self._lender.lend() as connection:
                await connection.execute(select(1))
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"database: {type(error).__name__}") from None

    async def append(
        self,
        reports: Sequence[MarginReport],
        rule: AlertRule | Judge,
        receivers: Collection[str],
        prices: Sequence[PriceRow] = (),
        inputs: Frozen | None = None,
        fence: Fence | None = None,
    ) -> tuple[Alert, ...]:
        """Store reports, prices and what they were made from with the alerts that they cause.

        One outbox entry per alert and receiver. A price that is there already (same key and time) stays.
        Raises LeaseLost, having written nothing, where a portfolio is not this process's any more.
        """
        # Beside the event loop, which answers others meanwhile; and before the store is locked.
        values, roots = await asyncio.to_thread(_report_values, reports)
        async with self._appending() as (session, connection):
            await _fenced(connection, fence, {report.portfolio.name for report in reports})
            await insert_new(
                connection, PRICES, PRICE_COLUMNS, ("price_key", "at"), _values(prices, PRICE_COLUMNS)
            )
            latest = await self._statuses(session, {report.portfolio.name for report in reports})
            await insert_many(connection, REPORTS, REPORT_COLUMNS, values)
            if inputs is not None and reports:
                await keep(connection, inputs, [report.id for report in reports], reports[0].as_of.time)
            for root in roots:
                await session.exec(root)
            if callable(rule):
                judged = _plainly(rule, reports, latest)
            else:
                judged = await rule.judge(connection, reports, latest)
            await _tell(session, judged, receivers)
            fresh = await _fresh(connection, self.followed, values)
        # Whom somebody began to follow while this was being written has to be looked up.
        missed = self.followed & {report.portfolio.name for report in reports} - fresh.keys()
        self.newest.update(fresh, **dict.fromkeys(missed, UNKNOWN))
        self.appended += 1
        return judged.alerts

    async def tell(
        self, judge: Callable[[AsyncConnection], Awaitable[Judged]], receivers: Collection[str]
    ) -> tuple[Alert, ...]:
        """Alerts that no report has caused, with their outbox entries, in one transaction with what finds them."""
        async with self._appending() as (session, connection):
            judged = await judge(connection)
            await _tell(session, judged, receivers)
        self.appended += bool(judged.alerts)
        return judged.alerts

    @asynccontextmanager
    async def _appending(self) -> AsyncIterator[tuple[AsyncSession, AsyncConnection]]:
        """One append at a time: the rule compares with the latest report, which must not change meanwhile."""
        async with self.transaction(writing=True) as connection, AsyncSession(connection) as session:
            await only_writer(connection)
            async with session.begin():
                yield session, connection

    async def _statuses(self, session: AsyncSession, portfolios: Collection[str]) -> dict[str, Status]:
        newest = (
            select(func.max(col(ReportRow.seq)))
            .where(col(ReportRow.portfolio).in_(portfolios))
            .group_by(col(ReportRow.portfolio))
        )
        query = sqlmodel.select(ReportRow.portfolio, ReportRow.status).where(col(ReportRow.seq).in_(newest))
        rows = (await session.exec(query)).all()
        return {name: Status(status) for name, status in rows}

    async def latest(self, portfolio: str) -> MarginReport | None:
        """Newest report of a portfolio, None where there is none yet."""
        query = (
            select(col(ReportRow.body))
            .where(col(ReportRow.portfolio) == portfolio)
            .order_by(col(ReportRow.seq).desc())
            .limit(1)
        )
        body = await self._scalar(query)
        return None if body is None else MarginReport.model_validate_json(body)

    async def report(self, report_id: str) -> MarginReport | None:
        """A report by its id."""
        body = await self._scalar(select(col(ReportRow.body)).where(col(ReportRow.id) == report_id))
        return None if body is None else MarginReport.model_validate_json(body)

    async def count_reports(self) -> int:
        """Number of stored reports."""
        return int(await self._scalar(select(func.count()).select_from(ReportRow)) or 0)

    async def alerts(
        self, *, portfolio: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[tuple[int, Alert]]:
        """Alerts with their sequence numbers, newest first, below ``before``."""
        query = select(col(AlertRow.seq), col(AlertRow.body)).order_by(col(AlertRow.seq).desc()).limit(limit)
        if portfolio is not None:
            query = query.where(col(AlertRow.portfolio) == portfolio)
        if before is not None:
            query = query.where(col(AlertRow.seq) < before)
        async with self._lender.lend() as connection:
            rows = (await connection.execute(query)).all()
        return [(seq or 0, Alert.model_validate_json(body)) for seq, body in rows]

    async def _scalar(self, query: Any) -> Any:
        async with self._lender.lend() as connection:
            return (await connection.execute(query)).scalar()


async def only_writer(connection: AsyncConnection) -> None:
    """Take the lock of appends, to the end of the transaction; SQLite's write lock does it there."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(APPEND_LOCK)))


async def _fresh(
    connection: AsyncConnection, followed: Collection[str], values: Sequence[tuple[Any, ...]]
) -> dict[str, tuple[int, str]]:
    """Sequence number and JSON of the reports just written of portfolios that are followed."""
    bodies = {row[_PORTFOLIO]: row[_BODY] for row in values if row[_PORTFOLIO] in followed}
    if not bodies:
        return {}
    newest = (
        select(col(ReportRow.portfolio), func.max(col(ReportRow.seq)))
        .where(col(ReportRow.portfolio).in_(bodies))
        .group_by(col(ReportRow.portfolio))
    )
    return {name: (seq or 0, bodies[name]) for name, seq in (await connection.execute(newest)).all()}


async def _fenced(connection: AsyncConnection, fence: Fence | None, names: set[str]) -> None:
    if fence is not None and (lost := names - await fence.hold(connection, names)):
        raise LeaseLost(frozenset(lost))


def _plainly(rule: AlertRule, reports: Sequence[MarginReport], before: dict[str, Status]) -> Judged:
    """What a plain rule says, report by report."""
    alerts: list[Alert] = []
    for report in reports:
        alerts.extend(rule(before.get(report.portfolio.name), report))
        before[report.portfolio.name] = report.status
    return Judged(tuple(alerts))


async def _tell(session: AsyncSession, judged: Judged, receivers: Collection[str]) -> None:
    """Write alerts, and one outbox entry per receiver for those that are to be delivered."""
    session.add_all([_alert_row(alert) for alert in judged.alerts])
    await session.flush()
    session.add_all(
        DeliveryRow(alert_id=alert.id, receiver=receiver, next_attempt_at=alert.created_at)
        for alert in judged.alerts
        if alert.id not in judged.undelivered
        for receiver in receivers
    )


def _report_row(report: MarginReport) -> ReportRow:
    return ReportRow(
        id=report.id,
        portfolio=report.portfolio.name,
        created_at=report.as_of.time,
        status=report.status,
        complete=report.data_quality.complete,
        inputs_hash=report.inputs_hash,
        unified_buffer_usd=report.unified_buffer_usd,
        mm_excess_usd=report.mm_excess_usd,
        body=report.model_dump_json(),
    )


def _report_values(reports: Sequence[MarginReport]) -> tuple[list[tuple[Any, ...]], list[Insert]]:
    """Rows of reports as tuples, and what stores the roots over them."""
    rows = [_report_row(report) for report in reports]
    return _values(rows, REPORT_COLUMNS), list(root_inserts(rows))


def _values(rows: Sequence[ReportRow] | Sequence[PriceRow], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows as tuples in the order of the columns."""
    pick = attrgetter(*columns)
    return [pick(row) for row in rows]


def _alert_row(alert: Alert) -> AlertRow:
    return AlertRow(
        id=alert.id,
        report_id=alert.report_id,
        portfolio=alert.portfolio,
        created_at=alert.created_at,
        body=alert.model_dump_json(),
        episode=alert.episode,
    )
