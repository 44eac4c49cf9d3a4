"""Advice for one portfolio: the newest that the service has worked out, and asking for it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from aiohttp import web

from aggregator.advice.model import Advice, Bands, Eta, Movable, Plan, Standing, Step, StepKind, Unsigned
from aggregator.clock import utc_now
from aggregator.report import AsOf, PortfolioRef
from aggregator.store.advice import AdviceLog, Worked
from api.errors import Problem
from api.http.answer import reply
from api.http.caller import visible
from api.http.deps import DEPS
from api.http.endpoint import Endpoint, Scope
from api.http.examples import ACCOUNT, REPORT
from api.http.latest import LATEST
from api.http.models import Answer, over
from risk.status import Status


class State(StrEnum):
    """How far the service is."""

    NONE = "none"
    """Never worked out."""
    PENDING = "pending"
    """Being worked out now, or waiting for its turn."""
    READY = "ready"
    FAILED = "failed"
    """The newest attempt failed; ``reason`` says why."""


class AccountAdvice(Answer):
    """The newest advice for a portfolio. ``as_of`` and ``data_quality`` are those of its newest report."""

    portfolio: PortfolioRef
    state: State
    reason: str
    """Why there is none, or why the newest attempt failed."""
    newest_report_id: str | None
    report_id: str | None
    """The report that ``advice`` starts from; another one than the newest: what it says may be overtaken."""
    worked_at: datetime | None
    age_s: int | None
    """Of ``advice``. Transactions in it hold quotes and deadlines: ask anew rather than sending old ones."""
    advice: Advice | None
    """Its plans went through on forks of the chains; nothing is signed."""


async def get_advice(request: web.Request) -> web.Response:
    """The newest advice of a portfolio, from the store."""
    name, desk = visible(request, request.match_info["id"]), request.app[DEPS].advice
    # Looked at before the store: work that ends meanwhile is pending still, not ready with the advice before it.
    pending = desk is not None and desk.pending(name)
    return reply(request, await _stand(request, name, pending=pending))


async def ask_advice(request: web.Request) -> web.Response:
    """Have advice worked out from the newest report; it appears under GET when it is ready."""
    name, desk = visible(request, request.match_info["id"]), request.app[DEPS].advice
    if desk is None:
        raise Problem(409, "no_advice_here", "this service serves stored reports only: it works out no advice")
    if not desk.ask(name):
        raise Problem(404, "no_report_yet", f"{request.path}: no scan of {name!r} has finished yet")
    # It has been asked just now: the answer stays that, however quickly the work is done while it is put together.
    return reply(request, await _stand(request, name, pending=True), status=202)


async def _stand(request: web.Request, name: str, *, pending: bool) -> AccountAdvice:
    deps = request.app[DEPS]
    log, kept = AdviceLog(deps.store), await request.app[LATEST].of(request, name)
    report = None if kept is None else kept.report
    tried = await log.newest(name)
    good = tried if tried is None or tried.advice is not None else await log.newest(name, good=True)
    state, reason = _state(tried, pending=pending)
    return AccountAdvice(
        **over([report], utc_now()),
        portfolio=PortfolioRef(name=name, accounts=deps.portfolios.accounts(name)),
        state=state,
        reason=reason,
        newest_report_id=None if report is None else report.id,
        report_id=None if good is None else good.report_id,
        worked_at=None if good is None else good.at,
        age_s=None if good is None else max(0, int((utc_now() - good.at).total_seconds())),
        advice=None if good is None else good.advice,
    )


def _state(tried: Worked | None, *, pending: bool) -> tuple[State, str]:
    if pending:
        return State.PENDING, "it is being worked out: look again in some seconds"
    if tried is None:
        return State.NONE, "no report has called for advice yet; POST to this address asks for it"
    return (State.FAILED, tried.error) if tried.error else (State.READY, "")


def _example() -> dict[str, object]:
    amount, account = Decimal("2500"), f"{ACCOUNT}/aave-v3"
    call = Unsigned(
        chain="eip155:42161", sender=ACCOUNT.rsplit(":", 1)[1], to="0x794a61358D6845594F94dc1DB02A252b5b4814aD",
        data="0x573ade81", value="0", about="repay 2500000000 units of USDC",
    )  # fmt: skip
    eta = Eta(median_s=Decimal(919), p95_s=Decimal(921), p99_stress_s=Decimal(930))
    step = Step(
        kind=StepKind.REPAY, account=account, chain="eip155:42161", asset="USDC", amount=amount, amount_usd=amount,
        fee_usd=Decimal(0), eta=eta, transactions=(call,),
    )  # fmt: skip
    stand = {name: REPORT[name] for name in Standing.model_fields if name in REPORT}
    before = Standing.model_validate(stand | {"account_status": "WATCH"})
    after = before.model_copy(
        update={"status": Status.SAFE, "account_status": Status.SAFE, "surplus_usd": Decimal(6500)}
    )
    plan = Plan(
        name="fund", about="send 2,500 USD of USDC and repay it", account=account, steps=(step,),
        cost_usd=Decimal(0), eta=eta, late_probability=Decimal(0), before=before, after=after,
        residual="the account would be SAFE; prices may move before the steps are done",
    )  # fmt: skip
    advice = Advice(
        portfolio="desk", as_of=AsOf.model_validate(REPORT["as_of"]), status=before.status,
        status_reason=before.status_reason, do_nothing=False, reason=f"outside the bands: {account}",
        bands=Bands(), plans=(plan,), refused=(),
        dollar_price={"eip155:42161": Decimal("0.004")}, prepositions=(),
        movable=(
            Movable(account=account, now_usd=Decimal(1800), least_usd=Decimal(0), scenario="all -25 %, vol up"),
        ),
    )  # fmt: skip
    return {
        **{name: REPORT[name] for name in ("as_of", "data_quality", "portfolio")},
        "state": "ready", "reason": "", "newest_report_id": REPORT["id"], "report_id": REPORT["id"],
        "worked_at": "2026-01-02T03:04:15Z", "age_s": 12, "advice": advice.model_dump(mode="json"),
    }  # fmt: skip


_ADVICE = "/v1/accounts/{id}/advice"
_E = _example()
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", _ADVICE, get_advice, Scope.READ, "Plans that went through on forks, unsigned", "advice",
             AccountAdvice, example=_E, also=(404,)),
    Endpoint("POST", _ADVICE, ask_advice, Scope.SIMULATE, "Have advice worked out now", "advice", AccountAdvice,
             status=202, example=_E | {"state": "pending"}, also=(404, 409)),
)  # fmt: skip
