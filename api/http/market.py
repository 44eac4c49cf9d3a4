"""Prices, bridges and the model's parameters."""

from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, BeforeValidator

from aggregator.bridge_desk import key_of
from aggregator.bridge_laws import defaults, laws
from aggregator.bridge_view import row
from aggregator.clock import utc_now
from aggregator.model import REACTION_S
from aggregator.prices import ClockLine, DissentLine, PriceLine, clock_lines
from aggregator.report import Amount, AsOf, DataQuality, Degraded, Frozen, ModelRef
from aggregator.store.prices import PriceLog
from api.errors import Problem
from api.http.answer import Query, query_of, reply
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.models import Answer, nothing_read
from oracles.types import PriceStatus
from risk.status import Status

_BRIEF = {"contributors", "facts"}


class PriceRow(Frozen):
    """A reconciled price without its votes; what was left out stands here."""

    price_key: str
    time: datetime
    status: PriceStatus
    reason: str
    low_usd: str | None
    mid_usd: str | None
    high_usd: str | None
    borrow_ceiling_usd: str | None
    observed_at: int | None
    age_s: int | None
    parameters: str
    notes: tuple[str, ...]
    dissenters: tuple[DissentLine, ...]


class Prices(Answer):
    """The newest price of every key."""

    prices: tuple[PriceRow, ...]
    clocks: tuple[ClockLine, ...]


class Price(PriceLine):
    """One price with its votes, exclusions and reasons."""

    as_of: AsOf
    data_quality: DataQuality
    clocks: tuple[ClockLine, ...]


class Quantiles(Frozen):
    """Seconds from source to destination; None: may never arrive at that confidence."""

    median_s: float | None
    p95_s: float | None
    p99_s: float | None
    p99_stress_s: float | None


class LiveRow(Frozen):
    """An operator's answer; None: it says nothing about that."""

    asked_at: datetime
    used: bool
    """It may only make a route slower, smaller or dearer."""
    reason: str
    """Why it is not used; '' where it is."""
    median_s: float | None
    p90_s: float | None
    fee_bps: Amount | None
    capacity_usd: Amount | None


class BridgeRow(Quantiles):
    """One directed route."""

    bridge: str
    source: str
    destination: str
    mark: str
    """M measured, m measured on a kindred pair, D documented, A assumption."""
    default: Quantiles
    fee_bps: Amount
    capacity_usd: Amount
    challenge_s: float
    slow_weight: float
    observations: int
    slow_observations: int
    tail_trusted: bool
    age_s: int | None
    live: LiveRow | None
    """What the operator's interface said last; None: it is not asked."""


class WatchedPool(Frozen):
    """How the look at one chain's transfers went."""

    chain: str
    looked_at: datetime
    block: int | None
    """Up to here everything was seen."""
    reason: str
    """Why the last look failed; '' where it did not."""


class Bridges(Answer):
    """The routes in use."""

    bridges: tuple[BridgeRow, ...]
    watched: tuple[WatchedPool, ...]
    """Chains whose own transfers are followed; empty where no service runs."""


class ModelRow(Frozen):
    """A model with the parameters that decide its figures."""

    model: ModelRef
    horizon_s: int
    confidence: float
    kappa: float
    reaction: str
    reaction_s: float
    im_factor: str
    haircut_crypto: str
    haircut_stable: str
    sigma_day: dict[str, float]
    stress_multiple: float
    chains: tuple[str, ...]
    bridges: tuple[str, ...]
    statuses: tuple[Status, ...]
    """Worst last."""


class Models(Answer):
    """The models that this service computes with; none where it only serves stored reports."""

    models: tuple[ModelRow, ...]


def _utc(value: object) -> object:
    """A time without a zone is UTC."""
    if (
        isinstance(value, str)
        and len(value) > 10
        and value[-1] not in "Zz"
        and "+" not in value
        and "-" not in value[10:]
    ):
        return value + "Z"
    return value


class PriceQuery(Query):
    """When."""

    at: Annotated[AwareDatetime, BeforeValidator(_utc)] | None = None


def _quality(lines: list[PriceLine]) -> dict[str, object]:
    """Prices without a figure make the answer incomplete."""
    if not lines:
        return {"data_quality": DataQuality(complete=False, staleness_s=None, degraded=(_NO_PRICE,))}
    bad = tuple(
        Degraded(what=f"price of {x.price_key}", reason=f"{x.status}: {x.reason}")
        for x in lines
        if x.status is not PriceStatus.OK
    )
    ages = [line.age_s for line in lines if line.age_s is not None]
    complete = all(line.status.usable for line in lines)
    return {"data_quality": DataQuality(complete=complete, staleness_s=max(ages, default=None), degraded=bad)}


_NO_PRICE = Degraded(what="prices", reason="no round of prices has been stored yet")


async def get_prices(request: web.Request) -> web.Response:
    """The newest price of every key, and the clocks against the host's."""
    log = PriceLog(request.app[DEPS].store)
    found = [line for key in await log.keys() if (line := await log.at(key)) is not None]
    rows = tuple(PriceRow(**line.model_dump(mode="json", exclude=_BRIEF)) for line in found)
    at = max((line.time for line in found), default=request.app[DEPS].started)
    answer = Prices(**(nothing_read(at) | _quality(found)), prices=rows, clocks=_clocks(request))
    return reply(request, answer)


async def get_price(request: web.Request) -> web.Response:
    """One price with its votes, exclusions and reasons, now or as of a time."""
    key, query = request.match_info["asset"], query_of(request, PriceQuery)
    line = await PriceLog(request.app[DEPS].store).at(key, query.at)
    if line is None:
        raise Problem(
            404, "no_such_price", f"{request.path}: no price of this key then; /v1/prices lists the newest"
        )
    stand = nothing_read(line.time) | _quality([line])
    return reply(request, Price(**line.model_dump(), **stand, clocks=_clocks(request)))


def _clocks(request: web.Request) -> tuple[ClockLine, ...]:
    service = request.app[DEPS].service
    done = None if service is None else service.last_prices
    return () if done is None else clock_lines(done.clocks)


async def get_bridges(request: web.Request) -> web.Response:
    """The routes in use, their quantiles, fees, capacity and what they rest on."""
    now, deps = utc_now(), request.app[DEPS]
    desk, started = deps.bridges, deps.started
    found = laws(defaults(), (), now) if desk is None else desk.laws
    said = {} if desk is None else desk.said
    rows = tuple(BridgeRow.model_validate(row(law, now, said.get(key_of(law.default)))) for law in found)
    pools = () if desk is None else tuple(sorted(desk.watched.items()))
    watched = tuple(WatchedPool(chain=c, looked_at=w.looked_at, block=w.block, reason=w.reason) for c, w in pools)
    return reply(request, Bridges(**nothing_read(started), bridges=rows, watched=watched))


async def get_models(request: web.Request) -> web.Response:
    """The models with their parameters."""
    deps = request.app[DEPS]
    rows: tuple[ModelRow, ...] = ()
    if deps.wired is not None:
        model = deps.wired.cycle.maker.model
        chosen = model.settings
        rows = (
            ModelRow(
                model=ModelRef(id=model.id, version=model.grid.version, params_hash=model.params_hash),
                horizon_s=chosen.horizon_s, confidence=chosen.confidence, kappa=chosen.kappa,
                reaction=chosen.reaction, reaction_s=REACTION_S[chosen.reaction],
                im_factor=str(chosen.im_factor), haircut_crypto=str(chosen.haircut_crypto),
                haircut_stable=str(chosen.haircut_stable), sigma_day=dict(model.factors.sigma_day),
                stress_multiple=model.factors.stress_multiple, chains=model.chains,
                bridges=tuple(sorted({route.bridge for route in model.routes})),
                statuses=tuple(sorted(Status, key=lambda s: s.severity)),
            ),
        )  # fmt: skip
    reason = "" if rows else "this service serves stored reports only and has no model"
    return reply(request, Models(**nothing_read(deps.started, reason), models=rows))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/prices", get_prices, Scope.READ, "The newest price of every key", "market", Prices),
    Endpoint("GET", "/v1/prices/{asset}", get_price, Scope.READ, "One price with its votes", "market",
             Price, query=PriceQuery, also=(404,)),
    Endpoint("GET", "/v1/bridges", get_bridges, Scope.READ, "Routes: latency, fees, capacity", "market",
             Bridges),
    Endpoint("GET", "/v1/risk/models", get_models, Scope.READ, "Models and their parameters", "market", Models),
)  # fmt: skip
