"""Alerts with their life: listed by state, and acknowledged."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import select, update
from sqlmodel import col

from aggregator.alerts import Alert
from aggregator.errors import NoSuchAlert
from aggregator.store.repository import Store, only_writer
from aggregator.store.rows import AlertRow
from aggregator.watches.kept import States, load_states, save_states
from aggregator.watches.machine import acknowledge
from aggregator.watches.tables import EPISODES

StateName = Literal["open", "acknowledged", "resolved"]
MOST_NAMED = 900
"""Names that a statement takes; more are sifted here."""
_LIFE = (
    EPISODES.c.state, EPISODES.c.severity, EPISODES.c.opened_at, EPISODES.c.acknowledged_at,
    EPISODES.c.acknowledged_by, EPISODES.c.resolved_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Life:
    """How the matter of an alert stands."""

    state: str
    severity: str
    """The worst that it was."""
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None

    @property
    def duration_s(self) -> int | None:
        """Seconds from its opening to its end; None while it has none."""
        if self.resolved_at is None:
            return None
        return max(0, int((self.resolved_at - self.opened_at).total_seconds()))


@dataclass(frozen=True, slots=True)
class Listed:
    """One alert in a list."""

    seq: int
    alert: Alert
    life: Life | None
    """None in alerts from before there were watches."""


class AlertLog:
    """Alerts of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self,
        portfolios: Collection[str],
        *,
        state: StateName | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Listed]:
        """Newest first, below ``before``; with a state the newest alert of each matter in that state."""
        query = (
            select(col(AlertRow.seq), col(AlertRow.body), *_LIFE)
            .outerjoin(EPISODES, EPISODES.c.id == col(AlertRow.episode))
            .order_by(col(AlertRow.seq).desc())
            .limit(limit)
        )
        if len(portfolios) <= MOST_NAMED:
            query = query.where(col(AlertRow.portfolio).in_(portfolios))
        if state is not None:
            query = query.where(EPISODES.c.state == state, EPISODES.c.last_alert == col(AlertRow.id))
        known, found = set(portfolios), list[Listed]()
        async with self._store.transaction(writing=False) as connection:
            while True:
                below = query if before is None else query.where(col(AlertRow.seq) < before)
                rows = [_listed(row) for row in (await connection.execute(below)).all()]
                found += [listed for listed in rows if listed.alert.portfolio in known]
                if len(rows) < limit or len(found) >= limit:
                    return found[:limit]
                before = rows[-1].seq

    async def one(self, alert_id: str) -> Listed | None:
        """An alert by its id."""
        query = (
            select(col(AlertRow.seq), col(AlertRow.body), *_LIFE)
            .outerjoin(EPISODES, EPISODES.c.id == col(AlertRow.episode))
            .where(col(AlertRow.id) == alert_id)
        )
        async with self._store.transaction(writing=False) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _listed(row)

    async def acknowledge(self, alert_id: str, by: str, now: datetime) -> Listed:
        """Somebody knows of the matter; it stays acknowledged until it gets worse or ends.

        Raises NoSuchAlert where there is no such alert, or nothing of it is open.
        """
        async with self._store.transaction(writing=True) as connection:
            await only_writer(connection)
            query = select(EPISODES).join(AlertRow, col(AlertRow.episode) == EPISODES.c.id)
            row = (await connection.execute(query.where(col(AlertRow.id) == alert_id))).one_or_none()
            if row is None:
                raise NoSuchAlert(f"{alert_id[:60]!r}: no alert of this id that can be acknowledged")
            if row.state == "resolved":
                raise NoSuchAlert(f"{alert_id[:60]!r}: it ended at {row.resolved_at.isoformat()}")
            if row.state == "open":
                states = await load_states(connection, [row.portfolio])
                await save_states(connection, states, {row.portfolio: _acked(states.get(row.portfolio, {}), row)})
                values = {"state": "acknowledged", "acknowledged_at": now, "acknowledged_by": by}
                await connection.execute(update(EPISODES).where(EPISODES.c.id == row.id).values(**values))
        found = await self.one(alert_id)
        if found is None:
            raise NoSuchAlert(f"{alert_id[:60]!r}: no alert of this id")
        return found


def _acked(states: States, row: Any) -> States:
    """The portfolio's memories with one alert acknowledged."""
    memory = states.get(row.watch, {}).get(row.subject)
    if memory is None:
        return states
    name = "missing" if row.kind == "missing" else "breach"
    known = msgspec.structs.replace(memory, **{name: acknowledge(getattr(memory, name))})
    return {**states, row.watch: {**states[row.watch], row.subject: known}}


def _listed(row: Any) -> Listed:
    seq, body, state, *rest = row
    return Listed(seq, Alert.model_validate_json(body), None if state is None else Life(state, *rest))
