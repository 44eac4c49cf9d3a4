"""Alerts, newest first, with their life; and acknowledging them."""

from datetime import datetime

from aiohttp import web
from pydantic import Field

from aggregator.alerts import Alert
from aggregator.clock import utc_now
from aggregator.errors import NoSuchAlert
from aggregator.report import Frozen
from aggregator.watches.life import AlertLog, Listed, StateName
from api.errors import Problem
from api.http.answer import Query, paged, query_of, reply
from api.http.caller import CALLER, may_see, seen_or_none, visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read


class AlertLife(Frozen):
    """How the matter of an alert stands."""

    state: StateName
    severity: str
    """The worst that it was."""
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    duration_s: int | None
    """From its opening to its end; None while it has none."""


class AlertItem(Alert):
    """An alert with its place in the log."""

    seq: int
    life: AlertLife | None = None
    """None in alerts from before there were watches."""


class Alerts(Answer):
    """Alerts, newest first; each carries the blocks and the quality of its own report."""

    alerts: tuple[AlertItem, ...]


class AlertAnswer(Answer):
    """One alert."""

    alert: AlertItem


class AlertsQuery(Query):
    """Which alerts."""

    portfolio: str | None = Field(default=None, max_length=200)
    state: StateName | None = None
    """With it the newest alert of each matter in that state; without it every alert."""
    before: int | None = Field(default=None, ge=1, le=2**62)
    """Sequence number; the Link header's cursor does the same."""
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=64)


def item_of(listed: Listed) -> AlertItem:
    """An alert as it is answered."""
    life = None
    if (known := listed.life) is not None:
        life = AlertLife(**{name: getattr(known, name) for name in AlertLife.model_fields})
    return AlertItem(seq=listed.seq, life=life, **listed.alert.model_dump())


async def get_alerts(request: web.Request) -> web.Response:
    """Alerts of the portfolios that the caller may see."""
    deps, query = request.app[DEPS], query_of(request, AlertsQuery)
    only, names = seen_or_none(request, query.portfolio), visible_names(request)
    before = query.before if query.cursor is None else seq_of(query.cursor)
    wanted = names if only is None else (only,)
    rows = await AlertLog(deps.store).page(wanted, state=query.state, before=before, limit=query.limit)
    items = tuple(item_of(row) for row in rows)
    at = items[0].created_at if items else deps.started
    response = reply(request, Alerts(**nothing_read(at), alerts=items))
    return paged(request, response, cursor_of(rows[-1].seq) if len(rows) == query.limit else None)


async def acknowledge_alert(request: web.Request) -> web.Response:
    """Say that somebody looks after it: it is told again only when it gets worse, or ends."""
    log, alert_id, now = AlertLog(request.app[DEPS].store), request.match_info["alert"], utc_now()
    known = await log.one(alert_id)
    names = request.app[DEPS].portfolios.members
    if known is None or known.alert.portfolio not in names or not may_see(request, known.alert.portfolio):
        raise Problem(404, "no_such_alert", f"{alert_id[:60]!r}: no alert of this id")
    try:
        done = await log.acknowledge(alert_id, request[CALLER].id, now)
    except NoSuchAlert as error:
        raise Problem(409, "alert_is_over", str(error)) from None
    return reply(request, AlertAnswer(**nothing_read(now), alert=item_of(done)))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/alerts", get_alerts, Scope.READ, "Alerts, newest first", "alerts", Alerts,
             query=AlertsQuery, also=(404,)),
    Endpoint("POST", "/v1/alerts/{alert}/ack", acknowledge_alert, Scope.WATCH, "Acknowledge an alert", "alerts",
             AlertAnswer, also=(404,)),
)  # fmt: skip
