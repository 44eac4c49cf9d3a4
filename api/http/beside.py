"""Other margin models' figures for a portfolio, computed beside the event loop."""

from decimal import Decimal

from aiohttp import web

from aggregator.beside import Beside, beside
from aggregator.report import Amount, Comparison, Frozen
from api.http.accounts import PARTS, kept_report
from api.http.answer import reply
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.examples import part
from api.http.models import ReportPart
from api.http.offloop import OFF_LOOP

FIGURES = (*PARTS, "net_value_usd", "venue_maintenance_usd", "mm_requirement_usd", "comparison")


class ModelLine(Frozen):
    """What one margin model would ask for everything at once; US dollars."""

    model: str
    """pm2, pmrm, standard, span16 or es."""
    version: str
    params_hash: str
    maintenance_usd: Amount | None
    initial_usd: Amount | None
    mm_excess_usd: Amount | None
    """Net value less maintenance."""
    by_market_usd: dict[str, Amount]
    """Maintenance by underlying."""
    worst: str
    """The scenario that binds, where the model has any."""
    reason: str
    """Why there are no amounts, else empty."""


class MarginModels(ReportPart):
    """The portfolio as one account of a venue with another model: for comparison, nobody is liquidated by it."""

    net_value_usd: Amount | None
    venue_maintenance_usd: Amount | None
    """What the venues that hold it ask for."""
    mm_requirement_usd: Amount | None
    """Theirs with the unified buffer and add-ons."""
    comparison: Comparison | None
    models: tuple[ModelLine, ...]
    """Empty where an account cannot be revalued or the service runs without its model."""


async def get_margin_models(request: web.Request) -> web.Response:
    """What other margin models would ask for the portfolio as one account."""
    report, what_if = (await kept_report(request)).report, request.app[DEPS].what_if
    world = None if what_if is None else what_if.worlds.get(report.portfolio.name)
    found = None
    if what_if is not None and world is not None:
        maker, mine = what_if.maker, set(report.portfolio.accounts)
        accounts = [account for read in world.reads for account in read.accounts if account.account in mine]
        found = await request.app[OFF_LOOP].run(lambda: beside(maker, world, accounts))
    parts = {name: getattr(report, name) for name in FIGURES}
    lines = tuple(_line(one, report.net_value_usd) for one in found or ())
    return reply(request, MarginModels(**parts, models=lines))


def _line(found: Beside, net_value_usd: Decimal | None) -> ModelLine:
    needed = found.maintenance_usd
    return ModelLine(
        model=found.model,
        version=found.version,
        params_hash=found.params_hash,
        maintenance_usd=found.maintenance_usd,
        initial_usd=found.initial_usd,
        mm_excess_usd=None if net_value_usd is None or needed is None else net_value_usd - needed,
        by_market_usd=found.by_market_usd,
        worst=found.worst,
        reason=found.reason,
    )


_EXAMPLE = part(*FIGURES) | {
    "models": [
        {
            "model": "pm2", "version": "1", "params_hash": "00" * 32,
            "maintenance_usd": "1200", "initial_usd": "1530", "mm_excess_usd": "14800",
            "by_market_usd": {"ETH": "1200"}, "worst": "spot -18 %, vol up", "reason": "",
        }
    ]
}  # fmt: skip
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/v1/accounts/{id}/margin-models", get_margin_models, Scope.READ,
             "What other margin models would ask for", "what-if", MarginModels, example=_EXAMPLE, also=(404, 503)),
)  # fmt: skip
