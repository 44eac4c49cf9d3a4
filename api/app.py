"""The HTTP application. Every answer comes from the store; a GET never reads a chain."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from aggregator.bridge_laws import Law, defaults, laws
from aggregator.bridge_view import row
from aggregator.clock import unix, utc_now
from aggregator.metrics import REGISTRY
from aggregator.portfolios import Portfolios
from aggregator.prices import clock_lines
from aggregator.report import MarginReport
from aggregator.service import Service
from aggregator.store.prices import PriceLog
from aggregator.store.repository import Store
from api.errors import BadRequest, problems

MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Deps:
    """What the handlers use."""

    store: Store
    portfolios: Portfolios
    service: Service | None
    """None where only stored reports are served."""
    max_scan_age_s: float
    bridge_laws: tuple[Law, ...] | None = None
    """Routes in use; None: the defaults that ship."""


DEPS = web.AppKey("deps", Deps)


def create_app(deps: Deps, *contexts: Callable[[web.Application], AsyncIterator[None]]) -> web.Application:
    """Application over a store; ``contexts`` run beside it from start to stop (scan loop, delivery)."""
    app = web.Application(middlewares=[problems])
    app[DEPS] = deps
    app.cleanup_ctx.extend(contexts)
    app.add_routes([
        web.get("/v1/accounts/{id}/margin", get_margin),
        web.get("/v1/accounts/{id}/positions", get_positions),
        web.get("/v1/accounts", get_accounts),
        web.get("/v1/prices", get_prices),
        web.get("/v1/prices/{asset}", get_price),
        web.get("/v1/bridges", get_bridges),
        web.get("/v1/alerts", get_alerts),
        web.get("/livez", livez),
        web.get("/readyz", readyz),
        web.get("/metrics", get_metrics),
    ])  # fmt: skip
    return app


async def get_margin(request: web.Request) -> web.Response:
    """GET /v1/accounts/{id}/margin: the newest report. ``id``: portfolio name, CAIP-10 account or address."""
    return _json(request, (await _report(request)).model_dump_json().encode())


async def get_positions(request: web.Request) -> web.Response:
    """GET /v1/accounts/{id}/positions: the legs of the newest report."""
    report = await _report(request)
    parts = report.model_dump(mode="json", include={"id", "portfolio", "as_of", "data_quality", "positions"})
    return _json(request, msgspec.json.encode(parts))


async def get_accounts(request: web.Request) -> web.Response:
    """GET /v1/accounts: the portfolios, each with its newest status."""
    deps, items = request.app[DEPS], []
    for name in deps.portfolios.names:
        report = await deps.store.latest(name)
        items.append({
            "portfolio": name,
            "accounts": deps.portfolios.accounts(name),
            "status": None if report is None else report.status,
            "status_reason": "no report yet" if report is None else report.status_reason,
            "as_of": None if report is None else report.as_of.model_dump(mode="json"),
            "data_quality": None if report is None else report.data_quality.model_dump(mode="json"),
        })  # fmt: skip
    return _json(request, msgspec.json.encode({"accounts": items}))


async def get_prices(request: web.Request) -> web.Response:
    """GET /v1/prices: the newest price of every key, and the clocks against the host's."""
    deps = request.app[DEPS]
    log = PriceLog(deps.store)
    found = [line for key in await log.keys() if (line := await log.at(key)) is not None]
    items = [line.model_dump(mode="json", exclude={"contributors", "dissenters", "facts"}) for line in found]
    return _json(request, msgspec.json.encode({"prices": items, "clocks": _clocks(deps)}))


async def get_price(request: web.Request) -> web.Response:
    """GET /v1/prices/{asset}?at=: one price with its votes, exclusions and reasons, now or as of a time."""
    deps, key = request.app[DEPS], request.match_info["asset"]
    at = _time(request, "at")
    line = await PriceLog(deps.store).at(key, at)
    if line is None:
        raise web.HTTPNotFound(reason="No Such Price")
    body = line.model_dump(mode="json") | {"clocks": _clocks(deps)}
    return _json(request, msgspec.json.encode(body))


def _clocks(deps: Deps) -> list[dict[str, object]]:
    done = None if deps.service is None else deps.service.last_prices
    return [] if done is None else [line.model_dump() for line in clock_lines(done.clocks)]


def _time(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name}: expected ISO 8601 such as 2026-03-10T11:46:00, was {text[:40]!r}") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


async def get_bridges(request: web.Request) -> web.Response:
    """GET /v1/bridges: the routes in use, their quantiles, fees, capacity and posterior."""
    now, known = utc_now(), request.app[DEPS].bridge_laws
    found = laws(defaults(), (), now) if known is None else known
    return _json(request, msgspec.json.encode({"bridges": [row(law, now) for law in found]}))


async def get_alerts(request: web.Request) -> web.Response:
    """GET /v1/alerts?portfolio=&before=&limit=: alerts, newest first, with a Link to the next page."""
    limit = _integer(request, "limit", 50, 1, MAX_LIMIT)
    before = _integer(request, "before", None, 1, 2**62)
    portfolio = request.query.get("portfolio")
    rows = await request.app[DEPS].store.alerts(portfolio=portfolio, before=before, limit=limit or 50)
    items = [{"seq": seq, **alert.model_dump(mode="json")} for seq, alert in rows]
    response = _json(request, msgspec.json.encode({"alerts": items}))
    if len(rows) == limit:
        following = request.rel_url.update_query(before=str(rows[-1][0]))
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


async def livez(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when the store answers and the last scan is fresh, else 503 with what is wrong."""
    deps, wrong = request.app[DEPS], []
    await deps.store.ping()
    if deps.service is not None:
        at = deps.service.last_success_at
        age_s = None if at is None else unix(utc_now()) - at
        if age_s is None:
            wrong.append("no scan has finished yet")
        elif age_s > deps.max_scan_age_s:
            wrong.append(f"the last scan finished {age_s} s ago, limit {deps.max_scan_age_s:.0f} s")
    body = {"status": "not ready" if wrong else "ok", "wrong": wrong}
    return web.json_response(body, status=503 if wrong else 200)


async def get_metrics(_: web.Request) -> web.Response:
    """Prometheus text format."""
    return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _report(request: web.Request) -> MarginReport:
    deps = request.app[DEPS]
    name = deps.portfolios.find(request.match_info["id"])
    report = await deps.store.latest(name)
    if report is None:
        raise web.HTTPNotFound(reason="No Report Yet")
    return report


def _json(request: web.Request, body: bytes) -> web.Response:
    """Body with a strong ETag; 304 where the reader has it already."""
    etag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{etag}"', "Cache-Control": "private, max-age=1"}
    if request.if_none_match and any(tag.value in {etag, "*"} for tag in request.if_none_match):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _integer(request: web.Request, name: str, default: int | None, low: int, high: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise BadRequest(f"{name}: expected a whole number from {low} to {high}, was {text[:40]!r}")
    return int(text)
