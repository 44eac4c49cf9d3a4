"""Who is tried next at a receiver: what is urgent first, nobody never, and each matter in its own order.

Messages of matters that are critical and open go before all others, the newest of them first: what is wrong now is
told before what was wrong during an outage. Among the others those never tried go first, then by age. A message
waits for those before it of the same matter, so that the end of an alert does not come before its beginning. One
that a receiver will not take holds up the rest of its matter for ``PATIENT`` attempts, about two minutes.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select

from aggregator.delivery.tables import ALERTS, MATTERS, NOTICES, OUTBOX

PATIENT = 8
LONGEST_CLAIM_S = 180
"""A claim that ends later than this from now is one from before the clock was set back."""


def due(receiver: str, now: datetime, retry_max_s: float) -> Select[Any]:
    """Messages that may be tried, in no order.

    A time further ahead than any delay means that the clock was set back, and counts as past.
    """
    message = func.coalesce(ALERTS.c.id, NOTICES.c.id).label("id")
    body = func.coalesce(ALERTS.c.body, NOTICES.c.body).label("body")
    return (
        select(OUTBOX.c.seq, OUTBOX.c.attempts, message, body)
        .select_from(messages())
        .where(
            OUTBOX.c.receiver == receiver,
            OUTBOX.c.delivered_at.is_(None),
            _come(OUTBOX, now, retry_max_s),
            _free(OUTBOX, now),
            ~_behind(receiver, now, retry_max_s),
        )
    )


def order(*, by_age: bool) -> tuple[ColumnElement[Any], ...]:
    """What goes first; ``by_age``: the oldest, whatever it is about."""
    if by_age:
        return (OUTBOX.c.seq.asc(),)
    severe = and_(MATTERS.c.severity == "critical", MATTERS.c.state != "resolved")
    urgent = case((or_(severe, NOTICES.c.id.is_not(None)), 1), else_=0)
    newest = case((severe, func.coalesce(ALERTS.c.created_at, NOTICES.c.created_at)))
    return urgent.desc(), (OUTBOX.c.attempts > 0).asc(), newest.desc(), OUTBOX.c.seq.asc()


def messages() -> Any:
    """Outbox rows with what they say and what that is about."""
    alerts = OUTBOX.outerjoin(ALERTS, ALERTS.c.id == OUTBOX.c.alert_id)
    matters = alerts.outerjoin(MATTERS, MATTERS.c.id == ALERTS.c.episode)
    return matters.outerjoin(NOTICES, NOTICES.c.id == OUTBOX.c.notice_id)


def _behind(receiver: str, now: datetime, retry_max_s: float) -> ColumnElement[bool]:
    """Whether an earlier message of the same matter is being tried, is due, or has not failed often enough."""
    before, said = OUTBOX.alias("before"), ALERTS.alias("said")
    in_the_way = or_(before.c.attempts < PATIENT, ~_free(before, now), _come(before, now, retry_max_s))
    return exists(
        select(before.c.seq)
        .select_from(said.join(before, before.c.alert_id == said.c.id))
        .where(
            said.c.episode == ALERTS.c.episode,
            before.c.receiver == receiver,
            before.c.delivered_at.is_(None),
            before.c.seq < OUTBOX.c.seq,
            in_the_way,
        )
        .correlate(ALERTS, OUTBOX)
    )


def _come(outbox: Any, now: datetime, retry_max_s: float) -> ColumnElement[bool]:
    longest = timedelta(seconds=retry_max_s + 60)
    return or_(_past(outbox.c.next_attempt_at, now, longest), outbox.c.attempts == 0)


def _free(outbox: Any, now: datetime) -> ColumnElement[bool]:
    return or_(
        outbox.c.claimed_until.is_(None), _past(outbox.c.claimed_until, now, timedelta(seconds=LONGEST_CLAIM_S))
    )


def _past(column: Any, now: datetime, longest: timedelta) -> ColumnElement[bool]:
    return or_(column <= now, column > now + longest)
