"""Watches in the store: what they remember, what the API has changed, and the life of their alerts.

Everything here runs in a transaction of the caller, who has taken the appends' lock where he writes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.alerts import Alert
from aggregator.watches.book import Override
from aggregator.watches.machine import Change
from aggregator.watches.rule import WatchChange
from aggregator.watches.tables import CHANGES, EPISODES, STATES
from aggregator.watches.watch import Happened, Memory, State

AT_ONCE = 900
"""Names per statement: databases limit their parameters."""
States = dict[str, State]
_DECODER = msgspec.json.Decoder(dict[str, dict[str, Memory]])


async def load_states(connection: AsyncConnection, portfolios: Collection[str]) -> dict[str, States]:
    """What the watches of portfolios remember; those at rest have no entry."""
    found: dict[str, States] = {}
    for row in await _of(connection, select(STATES.c.portfolio, STATES.c.body), STATES.c.portfolio, portfolios):
        found[row.portfolio] = dict(_DECODER.decode(row.body))
    return found


async def save_states(
    connection: AsyncConnection, before: Mapping[str, States], after: Mapping[str, States]
) -> None:
    """Write what has changed."""
    changed = [name for name, states in after.items() if before.get(name, {}) != states]
    for names in _some([name for name in changed if name in before]):
        await connection.execute(delete(STATES).where(STATES.c.portfolio.in_(names)))
    rows = [{"portfolio": n, "body": msgspec.json.encode(after[n]).decode()} for n in changed if after[n]]
    if rows:
        await connection.execute(insert(STATES), rows)


async def load_overrides(
    connection: AsyncConnection, portfolios: Collection[str]
) -> dict[str, dict[str, Override]]:
    """What the API has changed, by portfolio and watch."""
    found: dict[str, dict[str, Override]] = {}
    query = select(CHANGES.c.portfolio, CHANGES.c.watch, CHANGES.c.body, CHANGES.c.muted_until)
    for row in await _of(connection, query, CHANGES.c.portfolio, portfolios):
        change = None if row.body is None else WatchChange.model_validate_json(row.body)
        found.setdefault(row.portfolio, {})[row.watch] = Override(change, row.muted_until)
    return found


async def save_override(
    connection: AsyncConnection, portfolio: str, watch: str, said: Override, by: str, now: datetime
) -> None:
    """Write what the API says of a watch; nothing said leaves no row."""
    here = (CHANGES.c.portfolio == portfolio, CHANGES.c.watch == watch)
    await connection.execute(delete(CHANGES).where(*here))
    if said == Override():
        return
    body = None if said.change is None else said.change.model_dump_json(exclude_unset=True)
    await connection.execute(
        insert(CHANGES).values(
            portfolio=portfolio, watch=watch, body=body, muted_until=said.muted_until,
            changed_by=by, changed_at=now,
        )
    )  # fmt: skip


async def save_episodes(connection: AsyncConnection, told: Iterable[tuple[Happened, Alert]]) -> None:
    """Write how the alerts stand after these events, in their order."""
    for happened, alert in told:
        change = happened.event.change
        if change is Change.OPENED:
            await connection.execute(insert(EPISODES).values(**_opened(happened, alert)))
            continue
        values: dict[str, Any] = {"last_alert": alert.id}
        if change is Change.RESOLVED:
            values |= {"state": "resolved", "resolved_at": happened.event.at}
        elif change is Change.WORSENED:
            values |= {"state": "open", "severity": happened.severity.value}
        await connection.execute(update(EPISODES).where(EPISODES.c.id == alert.episode).values(**values))


def _opened(happened: Happened, alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "portfolio": alert.portfolio,
        "watch": alert.watch,
        "subject": alert.subject,
        "kind": "missing" if happened.missing else "breach",
        "severity": alert.severity,
        "state": "open",
        "opened_at": happened.event.opened_at,
        "last_alert": alert.id,
    }


async def _of(connection: AsyncConnection, query: Select[Any], column: Any, names: Collection[str]) -> list[Any]:
    """Rows of some portfolios."""
    rows: list[Any] = []
    for some in _some(names):
        rows += (await connection.execute(query.where(column.in_(some)))).all()
    return rows


def _some(names: Collection[str]) -> Iterator[list[str]]:
    """A statement's worth of names at a time."""
    every = list(names)
    return (every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE))
