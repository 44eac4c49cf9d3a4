"""Keys and the audit log: for administrators."""

from datetime import datetime

from aiohttp import web
from pydantic import AwareDatetime, Field

from aggregator.access.keys import Key, Keys
from aggregator.access.settings import ScopeName
from aggregator.clock import utc_now
from aggregator.errors import ConfigError
from aggregator.report import Frozen
from api.errors import Problem
from api.http.accounts import Page
from api.http.answer import Body, body_of, paged, query_of, reply
from api.http.caller import CALLER
from api.http.cursor import cursor_of, seq_of
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.identity import IDENTITY
from api.http.models import Answer, nothing_read


class KeyRow(Frozen):
    """A key without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    portfolios: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class KeysAnswer(Answer):
    """All keys."""

    keys: tuple[KeyRow, ...]


class NewKey(KeyRow, Answer):
    """A key with its secret, which is shown once."""

    secret: str


class KeyBody(Body):
    """A key to make."""

    name: str = Field(min_length=1, max_length=100)
    scopes: tuple[ScopeName, ...] = Field(min_length=1, max_length=4)
    portfolios: tuple[str, ...] | None = Field(default=None, max_length=100)
    expires_at: AwareDatetime | None = None


class AuditRow(Frozen):
    """Something that an administrator did."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str


class AuditAnswer(Answer):
    """The audit log, newest first."""

    lines: tuple[AuditRow, ...]


def _row(key: Key) -> dict[str, object]:
    return {name: getattr(key, name) for name in KeyRow.model_fields}


async def get_keys(request: web.Request) -> web.Response:
    """All keys, without their secrets."""
    found = await Keys(request.app[DEPS].store).all()
    rows = tuple(KeyRow.model_validate(_row(key)) for key in found)
    return reply(request, KeysAnswer(**nothing_read(request.app[DEPS].started), keys=rows))


async def add_key(request: web.Request) -> web.Response:
    """Make a key. Its secret is in this answer and nowhere else."""
    given = await body_of(request, KeyBody)
    key, secret = await Keys(request.app[DEPS].store).create(
        given.name,
        given.scopes,
        utc_now(),
        actor=request[CALLER].id,
        portfolios=given.portfolios,
        expires_at=given.expires_at,
    )
    return reply(request, NewKey.model_validate({**nothing_read(utc_now()), **_row(key), "secret": secret}), 201)


async def rotate_key(request: web.Request) -> web.Response:
    """A new secret with the same rights; the old one works for another day."""
    try:
        key, secret = await Keys(request.app[DEPS].store).rotate(
            request.match_info["key"], utc_now(), actor=request[CALLER].id
        )
    except ConfigError as error:
        raise Problem(404, "no_such_key", str(error)) from None
    request.app[IDENTITY].forget()
    return reply(request, NewKey.model_validate({**nothing_read(utc_now()), **_row(key), "secret": secret}), 201)


async def revoke_key(request: web.Request) -> web.Response:
    """The key works no more, from this answer on."""
    try:
        await Keys(request.app[DEPS].store).revoke(request.match_info["key"], utc_now(), actor=request[CALLER].id)
    except ConfigError as error:
        raise Problem(404, "no_such_key", str(error)) from None
    request.app[IDENTITY].forget()
    return web.Response(status=204)


async def get_audit(request: web.Request) -> web.Response:
    """What administrators did, newest first."""
    deps, query = request.app[DEPS], query_of(request, Page)
    found = await Keys(deps.store).audit(before=seq_of(query.cursor), limit=query.limit)
    rows = tuple(AuditRow(seq=x.seq, at=x.at, actor=x.actor, action=x.action, subject=x.subject) for x in found)
    at = rows[0].at if rows else deps.started
    response = reply(request, AuditAnswer(**nothing_read(at), lines=rows))
    return paged(request, response, cursor_of(rows[-1].seq) if len(rows) == query.limit else None)


_T = "administration"
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/keys", get_keys, Scope.ADMIN, "All keys", _T, KeysAnswer),
    Endpoint("POST", "/v1/keys", add_key, Scope.ADMIN, "Make a key", _T, NewKey, 201, body=KeyBody,
             body_example={"name": "wallet backend", "scopes": ["read", "simulate"]}, keeps_secret=True),
    Endpoint("POST", "/v1/keys/{key}/rotate", rotate_key, Scope.ADMIN, "A new secret for a key", _T, NewKey, 201,
             also=(404,), keeps_secret=True),
    Endpoint("DELETE", "/v1/keys/{key}", revoke_key, Scope.ADMIN, "Revoke a key", _T, None, 204, also=(404,)),
    Endpoint("GET", "/v1/audit", get_audit, Scope.ADMIN, "What administrators did", _T, AuditAnswer, query=Page),
)  # fmt: skip
