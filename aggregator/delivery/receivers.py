"""The receivers' states in the store: failing since when, switched off why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aggregator.delivery.message import Outcome, disabled_notice
from aggregator.delivery.settings import DeliverySettings
from aggregator.delivery.tables import NOTICES, OUTBOX, RECEIVERS
from aggregator.store.repository import Store


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """How it goes with one receiver."""

    failing_since: datetime | None = None
    failures: int = 0
    """In a row."""
    last_attempt_at: datetime | None = None
    last_delivered_at: datetime | None = None
    last_error: str = ""
    disabled_at: datetime | None = None
    disabled_reason: str = ""


async def states(store: Store) -> dict[str, ReceiverState]:
    """State by name; a receiver that was never tried is not in it."""
    async with store.transaction(writing=False) as connection:
        rows = (await connection.execute(select(RECEIVERS))).all()
    return {row.name: _state(row) for row in rows}


async def enable(store: Store, name: str, now: datetime) -> bool:
    """Try a receiver again, with everything that waits for it; False where it was not switched off."""
    async with store.transaction(writing=True) as connection:
        off = (RECEIVERS.c.name == name, RECEIVERS.c.disabled_at.is_not(None))
        changed = update(RECEIVERS).where(*off).values(**_fresh(), disabled_at=None, disabled_reason="")
        if not (await connection.execute(changed)).rowcount:
            return False
        await _all_due(connection, name, now)
        return True


async def disabled(connection: AsyncConnection, name: str) -> bool:
    """Whether a receiver is switched off."""
    query = select(RECEIVERS.c.disabled_at).where(RECEIVERS.c.name == name)
    return (await connection.execute(query)).scalar() is not None


async def note_answer(connection: AsyncConnection, name: str, now: datetime) -> bool:
    """The receiver has taken a message; True where it had failed before. What waits for it is due at once then."""
    before = await _locked(connection, name)
    values = {**_fresh(), "last_attempt_at": now, "last_delivered_at": now}
    await connection.execute(update(RECEIVERS).where(RECEIVERS.c.name == name).values(**values))
    if before.failures:
        await _all_due(connection, name, now)
    return before.failures > 0


async def note_failure(
    connection: AsyncConnection, name: str, outcome: Outcome, now: datetime, settings: DeliverySettings,
    others: Collection[str],
) -> tuple[bool, str | None]:  # fmt: skip
    """The receiver has not; whether this is its first failure, and why it is switched off where it is."""
    before = await _locked(connection, name)
    since = before.failing_since or now
    why = None if before.disabled_at is not None else _reason(outcome, since, before.failures + 1, now, settings)
    values: dict[str, Any] = {
        "failing_since": since,
        "failures": before.failures + 1,
        "last_attempt_at": now,
        "last_error": outcome.detail[:200],
    }
    if why is not None:
        values |= {"disabled_at": now, "disabled_reason": why[:200]}
        await _tell(connection, name, why, now, others)
    await connection.execute(update(RECEIVERS).where(RECEIVERS.c.name == name).values(**values))
    return before.failures == 0, why


def _reason(
    outcome: Outcome, since: datetime, failures: int, now: datetime, settings: DeliverySettings
) -> str | None:
    if outcome.gone:
        return f"{outcome.detail}: the receiver says that it is gone for good"
    if now - since >= timedelta(seconds=settings.disable_after_s) and failures >= settings.disable_after_attempts:
        return f"nothing taken for {(now - since).total_seconds() / 86_400:.1f} days, last {outcome.detail}"
    return None


async def _tell(connection: AsyncConnection, name: str, why: str, now: datetime, others: Collection[str]) -> None:
    """A notice to all other receivers, in the transaction that switches this one off."""
    waiting = select(func.count()).where(OUTBOX.c.receiver == name, OUTBOX.c.delivered_at.is_(None))
    notice = disabled_notice(name, why, int((await connection.execute(waiting)).scalar() or 0), now)
    body = notice.model_dump_json()
    await connection.execute(insert(NOTICES).values(id=notice.id, type=notice.type, created_at=now, body=body))
    if others:
        rows = [
            {"notice_id": notice.id, "receiver": other, "attempts": 0, "next_attempt_at": now, "last_error": ""}
            for other in others
        ]
        await connection.execute(insert(OUTBOX), rows)


async def _locked(connection: AsyncConnection, name: str) -> ReceiverState:
    """The state, locked until the end of the transaction; made where there is none yet."""
    query = select(RECEIVERS).where(RECEIVERS.c.name == name).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is not None:
        return _state(row)
    new = _insert(connection).values(name=name, failures=0, last_error="", disabled_reason="")
    await connection.execute(new.on_conflict_do_nothing())
    return _state((await connection.execute(query)).one())


def _insert(connection: AsyncConnection) -> Any:
    """INSERT that another process may have been quicker with."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(RECEIVERS)


async def _all_due(connection: AsyncConnection, name: str, now: datetime) -> None:
    waiting = (OUTBOX.c.receiver == name, OUTBOX.c.delivered_at.is_(None), OUTBOX.c.next_attempt_at > now)
    await connection.execute(update(OUTBOX).where(*waiting).values(next_attempt_at=now))


def _fresh() -> dict[str, Any]:
    return {"failing_since": None, "failures": 0, "last_error": ""}


def _state(row: Any) -> ReceiverState:
    return ReceiverState(**{name: getattr(row, name) for name in ReceiverState.__slots__})
