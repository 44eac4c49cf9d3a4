"""Alerts, newest first."""

from datetime import datetime

from aiohttp import web
from pydantic import Field

from aggregator.alerts import Alert
from api.http.answer import Query, paged, query_of, reply
from api.http.caller import seen_or_none, visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read


class AlertItem(Alert):
    """An alert with its place in the log."""

    seq: int


class Alerts(Answer):
    """Alerts, newest first; each carries the blocks and the quality of its own report."""

    alerts: tuple[AlertItem, ...]


class AlertsQuery(Query):
    """Which alerts."""

    portfolio: str | None = Field(default=None, max_length=200)
    before: int | None = Field(default=None, ge=1, le=2**62)
    """Sequence number; the Link header's cursor does the same."""
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=64)


async def get_alerts(request: web.Request) -> web.Response:
    """Alerts of the portfolios that the caller may see."""
    deps, query = request.app[DEPS], query_of(request, AlertsQuery)
    only, names = seen_or_none(request, query.portfolio), set(visible_names(request))
    before = query.before if query.cursor is None else seq_of(query.cursor)
    rows = await deps.store.alerts(portfolio=only, before=before, limit=query.limit)
    items = tuple(AlertItem(seq=seq, **alert.model_dump()) for seq, alert in rows if alert.portfolio in names)
    at = items[0].created_at if items else datetime.fromisoformat(deps.started)
    response = reply(request, Alerts(**nothing_read(at), alerts=items))
    return paged(request, response, cursor_of(rows[-1][0]) if len(rows) == query.limit else None)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/alerts", get_alerts, Scope.READ, "Alerts, newest first", "alerts", Alerts,
             query=AlertsQuery, also=(404,)),
)  # fmt: skip
