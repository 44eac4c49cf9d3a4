"""Accounts: everything about one portfolio that its stored reports say."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web
from pydantic import AwareDatetime, BaseModel, Field

from aggregator.clock import utc_now
from aggregator.report import MarginReport, PortfolioRef, VenueLine
from aggregator.store.reports import ReportLog, Stored
from api.errors import Problem
from api.http.answer import Query, paged, query_of, reply, reply_bytes, stamped
from api.http.caller import Caller, visible, visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Body, Endpoint, Scope
from api.http.examples import REPORT, part
from api.http.latest import LATEST, Kept
from api.http.models import (
    AccountRow,
    Accounts,
    History,
    HistoryRow,
    HistoryVenue,
    Holdings,
    Liquidation,
    LiquidationLine,
    Portfolio,
    Positions,
    Venues,
    over,
)

PARTS = ("id", "portfolio", "as_of", "data_quality", "status", "status_reason")


class Page(Query):
    """A page of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=64)


class HistoryQuery(Page):
    """Which reports."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class AccountsQuery(Query):
    """A page of the portfolios."""

    limit: int = Field(default=200, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=64)


async def kept_report(request: web.Request) -> Kept:
    """The newest report of the portfolio in the path; a Problem where there is none."""
    name = visible(request, request.match_info["id"])
    kept = await request.app[LATEST].of(request, name)
    if kept is None:
        raise Problem(404, "no_report_yet", f"{request.path}: no scan of {name!r} has finished yet")
    return kept


async def get_margin(request: web.Request) -> web.Response:
    """The newest margin report."""
    kept = await kept_report(request)
    return stamped(request, kept.body, kept.etag, packed=_packed(request, kept))


def _at_hand(request: web.Request, caller: Caller) -> Kept | None:
    """The newest report where neither the store nor the ids of others need be asked."""
    app, name = request.app, request.match_info["id"]
    deps = app[DEPS]
    accounts = deps.portfolios.members.get(name)
    if accounts is None or not caller.sees(name, accounts, deps.portfolios.owners.get(name)):
        return None
    return app[LATEST].fresh(deps.store, name)


def kept_margin(request: web.Request, caller: Caller) -> Body | None:
    """The newest margin report where it is at hand."""
    kept = _at_hand(request, caller)
    return None if kept is None else Body(kept.body, kept.etag, _packed(request, kept))


def _packed(request: web.Request, kept: Kept) -> bytes | None:
    """The compressed body where the reader takes it: nobody else has it made."""
    return kept.packed if "gzip" in request.headers.get("Accept-Encoding", "") else None


def _kept_part(model: type[BaseModel]) -> Callable[[web.Request, Caller], Body | None]:
    """Some fields of the newest report where it is at hand."""

    def found(request: web.Request, caller: Caller) -> Body | None:
        kept = _at_hand(request, caller)
        return None if kept is None else kept.part(model)

    return found


async def get_positions(request: web.Request) -> web.Response:
    """The legs of the newest report."""
    body = (await kept_report(request)).part(Positions)
    return stamped(request, body.plain, body.etag)


async def get_venues(request: web.Request) -> web.Response:
    """The venue accounts of the newest report."""
    body = (await kept_report(request)).part(Venues)
    return stamped(request, body.plain, body.etag)


async def get_portfolio(request: web.Request) -> web.Response:
    """Totals of the newest report, by chain and by venue."""
    report = (await kept_report(request)).report
    fields = set(Portfolio.model_fields) & set(MarginReport.model_fields) - {"venues"}
    worst = max((line.status for line in report.venues), key=lambda s: s.severity, default=None)
    return reply(
        request,
        Portfolio(
            **_parts(report, fields),
            worst_venue_status=worst,
            chains=_sums(report.venues, lambda line: line.chain),
            venues=_sums(report.venues, lambda line: line.venue),
        ),
    )


async def get_liquidation(request: web.Request) -> web.Response:
    """Prices, distances and times of liquidation."""
    report = (await kept_report(request)).report
    lines = tuple(
        LiquidationLine(**{name: getattr(line, name) for name in LiquidationLine.model_fields})
        for line in report.venues
    )
    parts = _parts(report, (*PARTS, "unified_liquidation", "reverse_stress"))
    return reply(request, Liquidation(**parts, venues=lines))


async def get_history(request: web.Request) -> web.Response:
    """Stored reports in brief, newest first."""
    name, query = visible(request, request.match_info["id"]), query_of(request, HistoryQuery)
    deps = request.app[DEPS]
    found = await ReportLog(deps.store).page(
        name, before=seq_of(query.cursor), since=query.since, until=query.until, limit=query.limit
    )
    kept = await request.app[LATEST].of(request, name)
    answer = History(
        **over([None if kept is None else kept.report], _none_at(found)),
        portfolio=PortfolioRef(name=name, accounts=deps.portfolios.accounts(name)),
        reports=tuple(map(_history_row, found)),
    )
    full = len(found) == query.limit
    return paged(request, reply(request, answer), cursor_of(found[-1].seq) if full else None)


async def get_report(request: web.Request) -> web.Response:
    """A stored report by its id, for ever the same."""
    body, _ = await stored_report(request, request.match_info["report"])
    return reply_bytes(request, body)


async def stored_report(request: web.Request, report_id: str) -> tuple[bytes, MarginReport]:
    """A report as it was stored and as a value; a Problem where the caller may not see one of the id."""
    body = await ReportLog(request.app[DEPS].store).body(report_id)
    report = None if body is None else MarginReport.model_validate_json(body)
    if body is None or report is None or report.portfolio.name not in visible_names(request):
        raise Problem(404, "no_such_report", f"{report_id[:60]!r}: no report of this id")
    return body, report


async def get_accounts(request: web.Request) -> web.Response:
    """The portfolios that the caller may see, each with its newest status."""
    query, names = query_of(request, AccountsQuery), visible_names(request)
    start = seq_of(query.cursor) or 0
    wanted = names[start : start + query.limit]
    reports = [await request.app[LATEST].of(request, name) for name in wanted]
    known = [None if kept is None else kept.report for kept in reports]
    rows = tuple(_row(request, name, report) for name, report in zip(wanted, known, strict=True))
    following = cursor_of(start + query.limit) if start + query.limit < len(names) else None
    answer = Accounts(**over(known, request.app[DEPS].started), accounts=rows)
    return paged(request, reply(request, answer), following)


def _row(request: web.Request, name: str, report: MarginReport | None) -> AccountRow:
    return AccountRow(
        portfolio=name,
        accounts=request.app[DEPS].portfolios.accounts(name),
        status=None if report is None else report.status,
        status_reason="no report yet" if report is None else report.status_reason,
        binding_account=None if report is None else report.binding_account,
        mm_excess_usd=None if report is None else report.mm_excess_usd,
        as_of=None if report is None else report.as_of,
        data_quality=None if report is None else report.data_quality,
    )


def _parts(report: MarginReport, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(report, name) for name in names}


def _sums(lines: Iterable[VenueLine], key: Callable[[VenueLine], str]) -> tuple[Holdings, ...]:
    grouped: dict[str, list[VenueLine]] = {}
    for line in lines:
        grouped.setdefault(key(line), []).append(line)
    return tuple(
        Holdings(
            name=name,
            accounts=len(members),
            equity_usd=_sum(line.equity_usd for line in members),
            mm_requirement_usd=_sum(line.mm_requirement_usd for line in members),
            net_value_usd=_sum(line.net_value_usd for line in members),
            surplus_usd=_sum(line.surplus_usd for line in members),
            local_floor_usd=_sum(line.local_floor_usd for line in members),
        )
        for name, members in sorted(grouped.items())
    )


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    """None as soon as one is not known: a sum over the rest would be smaller than the truth."""
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _history_row(stored: Stored) -> HistoryRow:
    content = msgspec.json.decode(stored.body)
    names = set(HistoryRow.model_fields) - {"seq", "time", "complete", "venues"}
    venues = [{n: line.get(n) for n in HistoryVenue.model_fields} for line in content["venues"]]
    return HistoryRow.model_validate(
        {
            **{name: content[name] for name in names},
            "seq": stored.seq,
            "time": stored.created_at,
            "complete": content["data_quality"]["complete"],
            "venues": venues,
        }
    )


def _none_at(found: list[Stored]) -> datetime:
    return found[0].created_at if found else utc_now()


__all__ = ["ENDPOINTS", "Page", "kept_report", "reply_bytes"]

_A = "accounts"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/accounts", get_accounts, Scope.READ, "Portfolios with their newest status", _A,
             Accounts, query=AccountsQuery),
    Endpoint("GET", "/v1/accounts/{id}/margin", get_margin, Scope.READ, "The newest margin report", _A,
             MarginReport, example=REPORT, also=(404,), quick=kept_margin),
    Endpoint("GET", "/v1/accounts/{id}/portfolio", get_portfolio, Scope.READ, "Totals by chain and venue", _A,
             Portfolio, also=(404,)),
    Endpoint("GET", "/v1/accounts/{id}/positions", get_positions, Scope.READ, "The legs", _A, Positions,
             example=part("id", "portfolio", "as_of", "data_quality", "positions"), also=(404,),
             quick=_kept_part(Positions)),
    Endpoint("GET", "/v1/accounts/{id}/venues", get_venues, Scope.READ, "The venue accounts", _A, Venues,
             example=part(*PARTS, "binding_account", "venues"), also=(404,), quick=_kept_part(Venues)),
    Endpoint("GET", "/v1/accounts/{id}/liquidation", get_liquidation, Scope.READ,
             "Liquidation prices, distances and times", _A, Liquidation, also=(404,)),
    Endpoint("GET", "/v1/accounts/{id}/margin/history", get_history, Scope.READ, "Stored reports, newest first",
             _A, History, query=HistoryQuery, also=(404,)),
    Endpoint("GET", "/v1/reports/{report}", get_report, Scope.READ, "A stored report by its id", _A, MarginReport,
             example=REPORT, also=(404,)),
)  # fmt: skip
