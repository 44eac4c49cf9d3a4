"""Watches: which rules look at which figure of whom, and changing them."""

from datetime import datetime, timedelta

from aiohttp import web
from pydantic import AwareDatetime, Field

from aggregator.clock import utc_now
from aggregator.errors import NoSuchWatch
from aggregator.report import Frozen
from aggregator.watches.book import WatchBook
from aggregator.watches.desk import WatchDesk, WatchView
from aggregator.watches.rule import Quiet, Severity, WatchChange
from api.errors import Problem
from api.http.answer import Body, Query, body_of, error_at, paged, query_of, reply
from api.http.caller import CALLER, seen_or_none, visible, visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read

LONGEST_MUTE = timedelta(days=366)


class LevelRow(Frozen):
    """One rung: ``fire`` and ``clear`` as numbers, or as the figure's words."""

    fire: str
    clear: str
    severity: Severity


class WatchRow(Frozen):
    """One watch of one portfolio as it stands."""

    id: str
    """Portfolio and name."""
    portfolio: str
    name: str
    enabled: bool
    origin: str
    """package, settings or api: what it comes from before ``changed``."""
    changed: bool
    """Whether the API has changed it; DELETE takes that back."""
    figure: str
    when: str
    """above or below: where trouble lies."""
    levels: tuple[LevelRow, ...]
    for_cycles: int
    clear_cycles: int
    cooldown_s: int
    missing_cycles: int
    missing_severity: Severity
    missing_told_by: str | None
    quiet: Quiet | None
    muted_until: datetime | None
    firing: tuple[str, ...]
    """Subjects (venue account, chain, asset; empty: the portfolio) whose alert is open."""
    missing: tuple[str, ...]
    """Subjects whose figure is not known."""


class Watches(Answer):
    """Watches of the portfolios that the caller may see."""

    watches: tuple[WatchRow, ...]


class WatchAnswer(Answer):
    """One watch."""

    watch: WatchRow


class WatchesQuery(Query):
    """Whose watches."""

    portfolio: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)
    """Portfolios per page."""
    cursor: str | None = Field(default=None, max_length=64)


class MuteBody(Body):
    """How long nothing is told."""

    until: AwareDatetime


def book_of(request: web.Request) -> WatchBook:
    """The watches of the settings."""
    deps = request.app[DEPS]
    if deps.service is not None:
        return deps.service.watching.book
    return WatchBook() if deps.wired is None else deps.wired.settings.watch_book


def _desk(request: web.Request) -> WatchDesk:
    return WatchDesk(request.app[DEPS].store, book_of(request))


def _row(view: WatchView) -> WatchRow:
    rule = view.rule
    levels = tuple(
        LevelRow(fire=rule.reads.text(one.fire), clear=rule.reads.text(one.clear), severity=one.severity)
        for one in rule.levels
    )
    return WatchRow(
        id=view.id, portfolio=view.portfolio, name=rule.name, enabled=rule.enabled, origin=view.origin,
        changed=view.changed, figure=rule.figure, when="below" if rule.below else "above", levels=levels,
        for_cycles=rule.law.rise_cycles, clear_cycles=rule.law.fall_cycles, cooldown_s=int(rule.law.cooldown_s),
        missing_cycles=rule.missing_law.rise_cycles, missing_severity=rule.missing_severity,
        missing_told_by=rule.missing_told_by, quiet=rule.quiet, muted_until=rule.muted_until,
        firing=view.firing, missing=view.missing,
    )  # fmt: skip


def _answer(request: web.Request, view: WatchView) -> web.Response:
    return reply(request, WatchAnswer(**nothing_read(utc_now()), watch=_row(view)))


def _place(request: web.Request) -> tuple[str, str]:
    """(portfolio, name) of the watch in the path; what the caller may not see does not exist."""
    portfolio, colon, name = request.match_info["watch"].rpartition(":")
    if not colon:
        raise Problem(
            404, "no_such_watch", f"{name[:60]!r}: expected portfolio:watch, as GET /v1/watches lists them"
        )
    return visible(request, portfolio), name


async def get_watches(request: web.Request) -> web.Response:
    """Watches of the portfolios that the caller may see, with what is open."""
    query = query_of(request, WatchesQuery)
    only = seen_or_none(request, query.portfolio)
    names = visible_names(request) if only is None else (only,)
    start = seq_of(query.cursor) or 0
    some = names[start : start + query.limit]
    rows = tuple(map(_row, await _desk(request).views(some)))
    following = cursor_of(start + query.limit) if start + query.limit < len(names) else None
    at = request.app[DEPS].started
    return paged(request, reply(request, Watches(**nothing_read(at), watches=rows)), following)


async def get_watch(request: web.Request) -> web.Response:
    """One watch of one portfolio."""
    place = _place(request)
    try:
        view = await _desk(request).view(*place)
    except NoSuchWatch as error:
        raise Problem(404, "no_such_watch", str(error)) from None
    at = request.app[DEPS].started
    return reply(request, WatchAnswer(**nothing_read(at), watch=_row(view)))


async def put_watch(request: web.Request) -> web.Response:
    """Change a watch of a portfolio, or make a new one: only what is named differs from the settings."""
    place, change = _place(request), await body_of(request, WatchChange)
    return _answer(request, await _desk(request).change(*place, change, request[CALLER].id, utc_now()))


async def delete_watch(request: web.Request) -> web.Response:
    """Take back what the API has changed, mutes too; what the settings say holds again."""
    place = _place(request)
    try:
        await _desk(request).restore(*place, request[CALLER].id, utc_now())
    except NoSuchWatch as error:
        raise Problem(404, "no_such_watch", str(error)) from None
    return web.Response(status=204)


async def mute_watch(request: web.Request) -> web.Response:
    """Tell nothing of a watch until a time. It goes on looking; what is open then is told then."""
    place, until, now = _place(request), (await body_of(request, MuteBody)).until, utc_now()
    if not now < until <= now + LONGEST_MUTE:
        words = f"must lie ahead, at most {LONGEST_MUTE.days} days"
        raise Problem(422, "invalid_body", f"body.until: {words}", (error_at(("body", "until"), words),))
    return await _muted(request, place, until, now)


async def unmute_watch(request: web.Request) -> web.Response:
    """End a mute; what is open is told with the next report."""
    return await _muted(request, _place(request), None, utc_now())


async def _muted(
    request: web.Request, place: tuple[str, str], until: datetime | None, now: datetime
) -> web.Response:
    try:
        return _answer(request, await _desk(request).mute(*place, until, request[CALLER].id, now))
    except NoSuchWatch as error:
        raise Problem(404, "no_such_watch", str(error)) from None


_T = "watches"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/watches", get_watches, Scope.READ, "Watches with what is open", _T, Watches,
             query=WatchesQuery, also=(404,)),
    Endpoint("GET", "/v1/watches/{watch}", get_watch, Scope.READ, "One watch", _T, WatchAnswer, also=(404,)),
    Endpoint("PUT", "/v1/watches/{watch}", put_watch, Scope.WATCH, "Change or make a watch", _T, WatchAnswer,
             body=WatchChange, also=(404, 422),
             body_example={"figure": "venue.health", "when": "below", "fire": "1.25", "clear": "1.3"}),
    Endpoint("DELETE", "/v1/watches/{watch}", delete_watch, Scope.WATCH, "Take a change of a watch back", _T,
             None, 204, also=(404,)),
    Endpoint("POST", "/v1/watches/{watch}/mute", mute_watch, Scope.WATCH, "Keep a watch quiet for a time", _T,
             WatchAnswer, body=MuteBody, also=(404,), body_example={"until": "2027-01-01T00:00:00Z"}),
    Endpoint("POST", "/v1/watches/{watch}/unmute", unmute_watch, Scope.WATCH, "End a mute", _T, WatchAnswer,
             also=(404,)),
)  # fmt: skip
