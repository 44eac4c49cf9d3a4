"""Signed margin statements, the Merkle roots of scans, and proofs that a report was in one."""

from datetime import datetime, timedelta

from aiohttp import web
from pydantic import Field, SecretStr

from aggregator.access.keys import Keys
from aggregator.clock import utc_now
from aggregator.errors import ConfigError
from aggregator.report import Frozen, MarginReport
from aggregator.statements.log import RootLog, StatementLog
from aggregator.statements.make import Basis, statement_of
from aggregator.statements.merkle import leaf_of
from aggregator.statements.model import Statement
from aggregator.statements.settings import StatementSettings
from aggregator.statements.typed import address_of, signer_of
from aggregator.store.reports import ReportLog
from api.errors import Problem
from api.http.accounts import Page, stored_report
from api.http.answer import Body, body_of, paged, query_of, reply
from api.http.caller import CALLER, visible, visible_names
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read
from chains.caip import AccountId, account_chain, parse_account


class StatementBody(Body):
    """Of what a statement is wanted."""

    portfolio: str = Field(min_length=1, max_length=200)
    """Name, CAIP-10 account or address."""
    report: str | None = Field(default=None, max_length=60)
    """Id of a stored report of it; None: the newest."""
    lifetime_s: int | None = Field(default=None, ge=60, le=2_592_000)
    """How long it holds; None: the service's setting."""


class RootRow(Frozen):
    """Root over the reports of one scan."""

    root: str
    """0x and 64 hex digits."""
    time: datetime
    size: int
    """Number of reports."""


class Roots(Answer):
    """Roots of scans, newest first."""

    roots: tuple[RootRow, ...]


class InclusionProof(Answer):
    """That a report was part of a scan: RFC 6962 over SHA-256, leaves sorted (docs/statements.md)."""

    report_id: str
    root: str
    time: datetime
    size: int
    index: int
    leaf: str
    path: tuple[str, ...]
    """Hashes beside the way up, the lowest first."""


async def make_statement(request: web.Request) -> web.Response:
    """Sign what a stored report says, with the prices it rests on and a time at which it ends."""
    given, deps = await body_of(request, StatementBody), request.app[DEPS]
    settings, key = deps.statements, _key(deps.statements)
    body, report = await _report(request, visible(request, given.portfolio), given.report)
    log = StatementLog(deps.store)
    prices = await log.prices(report.as_of.time)
    if not prices:
        raise Problem(409, "no_prices", f"{report.id}: its prices are not stored (any more); name a newer report")
    proven = await RootLog(deps.store).of(body, report.as_of.time)
    basis = Basis(report, prices, leaf_of(body), None if proven is None else proven.root.root)
    own = None if settings.signer is None else parse_account(settings.signer)
    signer = signer_of(key, own, account_chain(AccountId(report.portfolio.accounts[0])))
    now, lifetime = utc_now(), timedelta(seconds=given.lifetime_s or settings.lifetime_s)
    made = statement_of(basis, key, signer, now, lifetime)
    await log.add(made, now)
    subject = f"{made.typed_data.message.id} {report.portfolio.name} {report.id}"
    await Keys(deps.store).note(now, request[CALLER].id, "statement.signed", subject)
    return reply(request, made, 201)


def _key(settings: StatementSettings) -> SecretStr:
    try:
        key = settings.key()
        if key is not None:
            address_of(key)
            return key
        reason = "statements.signing_key is not set: this service signs nothing"
    except ConfigError as error:
        reason = str(error)
    raise Problem(503, "no_signing_key", reason)


async def _report(request: web.Request, name: str, report_id: str | None) -> tuple[bytes, MarginReport]:
    """The newest report of a portfolio, or the one of an id that must be of it."""
    newest = await ReportLog(request.app[DEPS].store).newest(name) if report_id is None else None
    if newest is not None:
        return newest[1], MarginReport.model_validate_json(newest[1])
    body, report = await stored_report(request, report_id or "")
    if report.portfolio.name != name:
        raise Problem(404, "no_such_report", f"{name!r} has no such report")
    return body, report


async def get_statement(request: web.Request) -> web.Response:
    """A statement that was made here."""
    name = request.match_info["statement"]
    found = await StatementLog(request.app[DEPS].store).get(name)
    if found is None or found.typed_data.message.portfolio not in visible_names(request):
        raise Problem(404, "no_such_statement", f"{name[:60]!r}: no statement of this id")
    return reply(request, found)


async def get_roots(request: web.Request) -> web.Response:
    """The root of every scan: whoever keeps it can later tell whether a report was in it."""
    query, deps = query_of(request, Page), request.app[DEPS]
    found = await RootLog(deps.store).page(before=seq_of(query.cursor), limit=query.limit)
    rows = tuple(RootRow(root="0x" + one.root, time=one.at, size=one.size) for one in found)
    at = rows[0].time if rows else deps.started
    answer = reply(request, Roots(**nothing_read(at), roots=rows))
    return paged(request, answer, cursor_of(found[-1].seq) if len(found) == query.limit else None)


async def get_proof(request: web.Request) -> web.Response:
    """That a stored report was part of its scan."""
    body, report = await stored_report(request, request.match_info["report"])
    proven = await RootLog(request.app[DEPS].store).of(body, report.as_of.time)
    if proven is None:
        raise Problem(404, "no_root", f"{report.id}: no root of its scan is kept")
    return reply(
        request,
        InclusionProof(
            as_of=report.as_of, data_quality=report.data_quality, report_id=report.id,
            root="0x" + proven.root.root, time=proven.root.at, size=proven.root.size, index=proven.proof.index,
            leaf="0x" + proven.leaf.hex(), path=tuple("0x" + part.hex() for part in proven.proof.path),
        ),
    )  # fmt: skip


_T = "statements"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/v1/statements", make_statement, Scope.WATCH, "Sign a margin statement", _T, Statement, 201,
             body=StatementBody, body_example={"portfolio": "desk", "lifetime_s": 3600}, also=(404, 409, 503)),
    Endpoint("GET", "/v1/statements/roots", get_roots, Scope.READ, "Merkle roots of the scans", _T, Roots,
             query=Page),
    Endpoint("GET", "/v1/statements/{statement}", get_statement, Scope.READ, "A statement by its id", _T,
             Statement, also=(404,)),
    Endpoint("GET", "/v1/reports/{report}/proof", get_proof, Scope.READ, "Proof that a report was in its scan",
             _T, InclusionProof, also=(404,)),
)  # fmt: skip
