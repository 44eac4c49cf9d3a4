"""What-if: simulations and scenario tables, computed beside the event loop."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import numpy as np
from aiohttp import web

from aggregator.clock import utc_now
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.rounding import nearest
from aggregator.simulate.heat import SPOT, VOL, Heat, heat
from aggregator.simulate.hypothetical import CannotSimulate
from aggregator.simulate.model import Simulated, Simulation, SimulationRequest
from aggregator.simulate.run import WhatIf
from api.errors import Problem
from api.http.accounts import PARTS, kept_report
from api.http.answer import body_of, error_at, reply
from api.http.caller import visible
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.examples import REPORT
from api.http.models import Answer, HeatMap, ScenarioRow, Scenarios, over
from api.http.offloop import OFF_LOOP
from chains.accounts import VenueAccount

MOST_BYTES = 4 * 1_048_576
TIMEOUT_S = 60.0


class Simulations(Answer):
    """Answers in the order of the questions."""

    results: tuple[Simulated, ...]


async def simulate(request: web.Request) -> web.Response:
    """Margin before and after changes, by the code that makes the stored reports."""
    asked = await body_of(request, SimulationRequest)
    what_if = _what_if(request)
    questions = tuple(_seen(request, one) for one in asked.simulations)
    now = utc_now()

    results = await request.app[OFF_LOOP].run(
        lambda: tuple(_answered(what_if, index, one, now) for index, one in enumerate(questions))
    )
    return reply(request, Simulations(**over([r.before for r in results], now), results=results))


def _what_if(request: web.Request) -> WhatIf:
    found = request.app[DEPS].what_if
    if found is None:
        raise Problem(503, "no_model", "this service serves stored reports only")
    return found


def _seen(request: web.Request, one: Simulation) -> Simulation:
    """The question with its portfolio's proper name; one that the caller may not see does not exist."""
    if one.portfolio is None:
        return one
    return one.model_copy(update={"portfolio": visible(request, one.portfolio)})


def _answered(what_if: WhatIf, index: int, one: Simulation, now: datetime) -> Simulated:
    """One answer; a Problem names the question that cannot be answered."""
    try:
        return what_if.answer(one, now)
    except CannotSimulate as error:
        where = ("body", "simulations", index)
        raise Problem(422, "cannot_simulate", str(error), (error_at(where, str(error)),)) from None


async def get_scenarios(request: web.Request) -> web.Response:
    """Losses in the model's scenarios, and a table of spot moves against volatility moves."""
    report, what_if = (await kept_report(request)).report, request.app[DEPS].what_if
    world = None if what_if is None else what_if.worlds.get(report.portfolio.name)
    found = None
    if what_if is not None and world is not None:
        maker = what_if.maker
        found = await request.app[OFF_LOOP].run(lambda: heat(maker, world, _accounts(world, report)))
    parts = {name: getattr(report, name) for name in (*PARTS, "worst_scenario", "greeks")}
    rows = () if found is None else tuple(_rows(found))
    table = None if found is None else _table(found)
    return reply(request, Scenarios(**parts, scenarios=rows, heat_map=table))


def _accounts(world: World, report: MarginReport) -> list[VenueAccount]:
    mine = set(report.portfolio.accounts)
    return [account for read in world.reads for account in read.accounts if account.account in mine]


def _rows(found: Heat) -> Iterator[ScenarioRow]:
    """Scenarios, the costliest first."""
    total = found.loss.sum(axis=0)
    for column in np.argsort(-total, kind="stable"):
        yield ScenarioRow(
            label=found.labels[column],
            loss_usd=_money(total[column]),
            by_account_usd={
                name: _money(loss) for name, loss in zip(found.accounts, found.loss[:, column], strict=True)
            },
        )


def _table(found: Heat) -> HeatMap:
    row, column = divmod(int(found.change.argmin()), found.change.shape[1])
    return HeatMap(
        spot_moves_pct=tuple(nearest(100 * x) for x in SPOT),
        vol_moves_pct=tuple(nearest(100 * x) for x in VOL),
        change_usd=tuple(tuple(map(_money, line)) for line in found.change),
        surplus_usd=tuple(tuple(map(_money, line)) for line in found.surplus),
        worst=(row, column),
    )


def _money(value: float) -> Decimal:
    return round(Decimal(float(value)), 2)


_ASKED = {
    "simulations": [
        {"portfolio": "desk", "changes": {"spot_pct": "-20", "vol_pct": "30"}},
        {
            "accounts": [
                {
                    "account": "eip155:1:0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                    "venue": "aave-v3",
                    "legs": [
                        {"kind": "collateral", "asset": "WETH", "amount": "10", "threshold": "0.8"},
                        {"kind": "debt", "asset": "USDC", "amount": "15000"},
                    ],
                }
            ],
            "prices": {"ETH": "3000", "USDC": "1"},
        },
    ]
}
_GIVEN = {
    "as_of": REPORT["as_of"],
    "data_quality": REPORT["data_quality"],
    "results": [
        {
            "would_breach": False, "breaches": [], "mm_excess_change_usd": "0", "net_value_change_usd": "0",
            "before": REPORT, "after": REPORT,
        }
    ],
}  # fmt: skip
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/v1/margin/simulate", simulate, Scope.SIMULATE, "What-if: margin before and after changes",
             "what-if", Simulations, body=SimulationRequest, body_example=_ASKED, example=_GIVEN, also=(404, 503),
             most_bytes=MOST_BYTES, timeout_s=TIMEOUT_S),
    Endpoint("GET", "/v1/accounts/{id}/scenarios", get_scenarios, Scope.READ,
             "Losses by scenario, and spot against volatility", "what-if", Scenarios, also=(404, 503)),
)  # fmt: skip
