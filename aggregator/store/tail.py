"""Following the store: reports and alerts in the order in which they were committed, from a place on.

Appends are serialised, so a row below one that was seen never appears later.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from aggregator.store.repository import Store
from aggregator.store.rows import AlertRow, ReportRow


@dataclass(frozen=True, slots=True)
class Place:
    """How far a follower has come: the last report and the last alert that it knows."""

    report: int
    alert: int

    def __str__(self) -> str:
        return f"{self.report}-{self.alert}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One report or alert."""

    kind: str
    """``report`` or ``alert``."""
    portfolio: str
    body: str
    """JSON as stored."""
    place: Place
    """Where a follower stands behind this entry."""


class Tail:
    """The end of a store's logs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def end(self) -> Place:
        """The newest report and alert; 0 where there are none."""
        reports = select(func.max(col(ReportRow.seq)))
        alerts = select(func.max(col(AlertRow.seq)))
        async with self._store.transaction(writing=False) as connection:
            last = [(await connection.execute(query)).scalar() or 0 for query in (reports, alerts)]
        return Place(last[0], last[1])

    async def after(self, place: Place, limit: int = 500) -> list[Entry]:
        """Entries behind a place, reports before the alerts that they caused; at most ``limit`` of each."""
        async with self._store.transaction(writing=False) as connection:
            reports = (await connection.execute(_rows(ReportRow, place.report, limit))).all()
            alerts = (await connection.execute(_rows(AlertRow, place.alert, limit))).all()
        found: list[Entry] = []
        for kind, rows in (("report", reports), ("alert", alerts)):
            for seq, portfolio, body in rows:
                place = Place(seq, place.alert) if kind == "report" else Place(place.report, seq)
                found.append(Entry(kind, portfolio, body, place))
        return found


def _rows(table: Any, above: int, limit: int) -> Any:
    columns = (col(table.seq), col(table.portfolio), col(table.body))
    return select(*columns).where(col(table.seq) > above).order_by(col(table.seq)).limit(limit)
