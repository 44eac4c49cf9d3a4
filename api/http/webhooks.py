"""Receivers of alerts with their state, trials, and the delivery log."""

from datetime import datetime

from aiohttp import web
from pydantic import Field

from aggregator.access.keys import Keys
from aggregator.clock import utc_now
from aggregator.delivery.log import attempts
from aggregator.delivery.notifier import Notifier
from aggregator.delivery.outbox import Backlog
from aggregator.delivery.receivers import ReceiverState, states
from aggregator.delivery.settings import WebhookSettings
from aggregator.errors import UnknownReceiver
from aggregator.report import Frozen
from api.errors import Problem
from api.http.accounts import Page
from api.http.answer import paged, query_of, reply
from api.http.caller import CALLER, visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read


class WebhookRow(Frozen):
    """One receiver and how it goes with it; its address and secrets are shown to nobody."""

    name: str
    kind: str
    target: str | None
    """Scheme and host; to administrators only."""
    enabled: bool
    failing_since: datetime | None
    failures: int
    """In a row."""
    last_attempt_at: datetime | None
    last_delivered_at: datetime | None
    last_error: str
    disabled_at: datetime | None
    disabled_reason: str
    waiting: int
    """Messages that it has not taken yet."""
    oldest_at: datetime | None


class Webhooks(Answer):
    """All receivers of the settings."""

    webhooks: tuple[WebhookRow, ...]


class WebhookTrial(Answer):
    """What came of a test message."""

    id: str
    """Its ``webhook-id``."""
    receiver: str
    delivered: bool
    detail: str
    duration_ms: int


class DeliveryRow(Frozen):
    """One attempt to deliver one message to one receiver."""

    seq: int
    at: datetime
    receiver: str
    message_id: str
    """Id of the alert or notice: the ``webhook-id``."""
    portfolio: str | None
    attempt: int
    delivered: bool
    detail: str
    """``HTTP 204``, or why not."""
    duration_ms: int


class Deliveries(Answer):
    """The delivery log, newest first."""

    deliveries: tuple[DeliveryRow, ...]


class DeliveriesQuery(Page):
    """Which attempts."""

    receiver: str | None = Field(default=None, max_length=64)
    message_id: str | None = Field(default=None, max_length=40)


def _row(hook: WebhookSettings, state: ReceiverState, backlog: Backlog, *, shown: bool) -> WebhookRow:
    return WebhookRow(
        name=hook.name, kind=hook.kind, target=hook.target if shown else None, enabled=state.disabled_at is None,
        failing_since=state.failing_since, failures=state.failures, last_attempt_at=state.last_attempt_at,
        last_delivered_at=state.last_delivered_at, last_error=state.last_error, disabled_at=state.disabled_at,
        disabled_reason=state.disabled_reason, waiting=backlog.waiting, oldest_at=backlog.oldest_at,
    )  # fmt: skip


def _notifier(request: web.Request) -> Notifier:
    deps = request.app[DEPS]
    return deps.notifier or Notifier(deps.store, ())


async def get_webhooks(request: web.Request) -> web.Response:
    """Receivers of alerts: which work, which fail since when, which are switched off and why."""
    deps, notifier, admin = request.app[DEPS], _notifier(request), request[CALLER].may(Scope.ADMIN)
    known, backlogs = await states(deps.store), await notifier.backlogs()
    rows = tuple(
        _row(hook, known.get(name, ReceiverState()), backlogs.get(name, Backlog(0, None)), shown=admin)
        for name, hook in notifier.webhooks.items()
    )
    return reply(request, Webhooks(**nothing_read(deps.started), webhooks=rows))


async def try_webhook(request: web.Request) -> web.Response:
    """Send a test message to one receiver now and say what it answered."""
    name = request.match_info["name"]
    try:
        trial = await _notifier(request).try_out(name)
    except UnknownReceiver as error:
        raise Problem(404, "no_such_receiver", str(error)) from None
    now = utc_now()
    await Keys(request.app[DEPS].store).note(now, request[CALLER].id, "receiver.tried", name)
    answer = WebhookTrial(
        **nothing_read(now), id=trial.id, receiver=name, delivered=trial.outcome.delivered,
        detail=trial.outcome.detail, duration_ms=round(1000 * trial.duration_s),
    )  # fmt: skip
    return reply(request, answer)


async def get_deliveries(request: web.Request) -> web.Response:
    """Attempts at the alerts of the portfolios that the caller may see, and at notices."""
    deps, query = request.app[DEPS], query_of(request, DeliveriesQuery)
    names = None if request[CALLER].may(Scope.ADMIN) else visible_names(request)
    found = await attempts(
        deps.store, receiver=query.receiver, message=query.message_id, portfolios=names,
        before=seq_of(query.cursor), limit=query.limit,
    )  # fmt: skip
    fields = DeliveryRow.model_fields
    rows = tuple(DeliveryRow.model_validate({name: getattr(item, name) for name in fields}) for item in found)
    at = rows[0].at if rows else deps.started
    response = reply(request, Deliveries(**nothing_read(at), deliveries=rows))
    return paged(request, response, cursor_of(rows[-1].seq) if len(rows) == query.limit else None)


_T = "alerts"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/webhooks", get_webhooks, Scope.WATCH, "Receivers and their state", _T, Webhooks),
    Endpoint("POST", "/v1/webhooks/{name}/test", try_webhook, Scope.ADMIN, "Try a receiver out", _T, WebhookTrial,
             also=(404,), timeout_s=70),
    Endpoint("GET", "/v1/deliveries", get_deliveries, Scope.WATCH, "The delivery log", _T, Deliveries,
             query=DeliveriesQuery),
)  # fmt: skip
