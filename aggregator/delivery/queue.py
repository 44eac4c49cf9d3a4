"""Who is tried next at a receiver: what is urgent first, nobody never, and each matter in its own order.

Messages of matters that are critical and open go before all others, the newest of them first: what is wrong now is
told before what was wrong during an outage. Among the others those never tried go first, then by age. A message
waits for those before it of the same matter, so that the end of an alert does not come before its beginning. One
that a receiver will not take holds up the rest of its matter for ``PATIENT`` attempts, about two minutes.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from aggregator.delivery.tables import ALERTS, MATTERS, NOTICES, OUTBOX

PATIENT = 8
LONGEST_CLAIM_S = 180
"""A claim that ends later than this from now is one from before the clock was set back."""


def next_ones(receiver: str, now: datetime, retry_max_s: float, most: int, *, by_age: bool) -> Select[Any]:
    """Numbers of outbox rows that may be tried, in their order, from one pass over what waits for a receiver.

    ``by_age``: the oldest first, whatever it is about.
    """
    waiting = _waiting(receiver, now, retry_max_s).subquery()
    urgent_first = (waiting.c.urgent.desc(), waiting.c.tried.asc(), waiting.c.newest.desc(), waiting.c.seq.asc())
    return (
        select(waiting.c.seq)
        .where(waiting.c.ready == 1, func.coalesce(waiting.c.behind, 0) == 0)
        .order_by(*((waiting.c.seq.asc(),) if by_age else urgent_first))
        .limit(most)
    )


def free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody tries a row now."""
    longest = timedelta(seconds=LONGEST_CLAIM_S)
    return or_(OUTBOX.c.claimed_until.is_(None), _past(OUTBOX.c.claimed_until, now, longest))


def messages() -> Any:
    """Outbox rows with what they say."""
    alerts = OUTBOX.outerjoin(ALERTS, ALERTS.c.id == OUTBOX.c.alert_id)
    return alerts.outerjoin(NOTICES, NOTICES.c.id == OUTBOX.c.notice_id)


def _waiting(receiver: str, now: datetime, retry_max_s: float) -> Select[Any]:
    """Every row that waits, with what decides about its turn.

    A time further ahead than any delay means that the clock was set back, and counts as past.
    """
    longest = timedelta(seconds=retry_max_s + 60)
    come = or_(_past(OUTBOX.c.next_attempt_at, now, longest), OUTBOX.c.attempts == 0)
    severe = and_(MATTERS.c.severity == "critical", MATTERS.c.state != "resolved")
    # A notice, or an alert of a plain rule, is a matter by itself.
    matter = func.coalesce(ALERTS.c.episode, OUTBOX.c.alert_id, OUTBOX.c.notice_id)
    in_the_way = _flag(or_(OUTBOX.c.attempts < PATIENT, ~free(now), come))
    before = func.max(in_the_way).over(partition_by=matter, order_by=OUTBOX.c.seq, rows=(None, -1))
    return (
        select(
            OUTBOX.c.seq,
            _flag(and_(come, free(now))).label("ready"),
            before.label("behind"),
            _flag(or_(severe, OUTBOX.c.notice_id.is_not(None))).label("urgent"),
            _flag(OUTBOX.c.attempts > 0).label("tried"),
            case((severe, ALERTS.c.created_at)).label("newest"),
        )
        .select_from(messages().outerjoin(MATTERS, MATTERS.c.id == ALERTS.c.episode))
        .where(OUTBOX.c.receiver == receiver, OUTBOX.c.delivered_at.is_(None))
    )


def _flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _past(column: Any, now: datetime, longest: timedelta) -> ColumnElement[bool]:
    return or_(column <= now, column > now + longest)
