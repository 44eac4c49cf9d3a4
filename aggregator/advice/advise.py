"""From a portfolio to its advice: drafts, trials, ranking."""

from datetime import datetime
from decimal import Decimal

from aggregator.advice.draft import drafts, hedges
from aggregator.advice.model import Advice, Bands, Eta, Plan, Refused, Standing
from aggregator.advice.needs import Need, bands_of, needs
from aggregator.advice.pieces import Draft
from aggregator.advice.placement import Placement, placement
from aggregator.advice.scene import Scene, scene, scene_of
from aggregator.advice.tried import bench
from aggregator.clock import utc_now
from aggregator.portfolios import Portfolios
from aggregator.report import MarginReport
from aggregator.reports import World
from aggregator.rounding import nearest
from aggregator.wiring import Wired
from chains.caip import ChainId
from chains.forks.execute import SimulationFailed
from risk.status import Status

ZERO = Decimal(0)
ORDER = ("fund", "hedge-delta", "hedge-vega", "sell-collateral", "reduce")
CLOSING = frozenset({"reduce", "sell-collateral"})
"""Plans that only make risk smaller: never held back."""
MAY_BE_LATE = Decimal("0.01")
"""Chance of coming after liquidation beyond which a plan ranks behind those that do not wait for money."""


async def advise(wired: Wired, portfolios: Portfolios, now: datetime, bands: Bands | None = None) -> Advice:
    """Advice for one portfolio; starts forks only where there is something to try."""
    wanted = bands or bands_of(wired.settings, *portfolios.names)
    return await _advised(wired, await scene(wired, portfolios, now), portfolios, wanted)


async def advise_on(wired: Wired, world: World, report: MarginReport) -> Advice:
    """Advice that starts from a report and the world that it was made from; the chains are read on forks only."""
    name = report.portfolio.name
    view = scene_of(wired.cycle.maker, wired.cycle.deployments, world, report)
    return await _advised(wired, view, world.portfolios.only([name]), bands_of(wired.settings, name))


async def _advised(wired: Wired, view: Scene, portfolios: Portfolios, wanted: Bands) -> Advice:
    lacking, placed = needs(view, wanted), placement(view)
    if not lacking:
        return _advice(view, wanted, (), (), placed, _quiet(view, wanted))
    stamps = {ChainId(chain): block.timestamp for chain, block in view.report.as_of.blocks.items()}
    found = [draft for need in lacking for draft in drafts(view, need, stamps)] + list(hedges(view, stamps))
    plans, refused = list[Plan](), list[Refused]()
    if found:
        async with bench(wired.settings, view.deployments) as forks:
            now = utc_now()  # for every trial: the forks stand still
            for draft in found:
                try:
                    after = await forks.after(draft, portfolios, now)
                except SimulationFailed as error:
                    refused.append(Refused(name=draft.name, account=draft.need.account.id, reason=str(error)))
                    continue
                plan = _plan(view, draft, after)
                if reason := _worse(plan):
                    refused.append(Refused(name=plan.name, account=plan.account, reason=reason))
                else:
                    plans.append(plan)
    return _advice(view, wanted, tuple(sorted(plans, key=_rank)), tuple(refused), placed, _words(lacking, plans))


def _rank(plan: Plan) -> tuple[int, int, bool, int, Decimal]:
    """Whole portfolio first, then the account, then whether it may come too late.

    Of those that are alike in this, the ones that leave positions as they are come first, then the cheaper ones.
    """
    account = plan.after.account_status or Status.SAFE
    cost = (plan.before.net_value_usd or ZERO) - (plan.after.net_value_usd or ZERO)
    late = (plan.late_probability or ZERO) > MAY_BE_LATE
    closing = ORDER.index(plan.name)
    return plan.after.status.severity, account.severity, late, closing, max(plan.cost_usd, cost)


def _worse(plan: Plan) -> str:
    """Why a plan would rob one account for another; '' where it does not. Closing is never held back."""
    if plan.name in CLOSING or plan.after.status.severity <= plan.before.status.severity:
        return ""
    return f"the portfolio would go from {plan.before.status} to {plan.after.status}: {plan.after.status_reason}"


def _plan(view: Scene, draft: Draft, after: MarginReport) -> Plan:
    account = draft.need.account.id
    late = 1.0 - draft.lag.probability_within(draft.need.ttl_s)
    before = _standing(view.report, account)
    then = _standing(after, account)
    return Plan(
        name=draft.name,
        about=draft.about,
        account=account,
        steps=draft.steps,
        cost_usd=sum((step.fee_usd for step in draft.steps), ZERO),
        eta=_slowest(draft),
        late_probability=nearest(max(0.0, late)),
        before=before,
        after=then,
        residual=_residual(draft.need, then),
    )


def _slowest(draft: Draft) -> Eta:
    never = [step.eta for step in draft.steps if step.eta.p99_stress_s is None]
    return never[0] if never else max((step.eta for step in draft.steps), key=lambda eta: eta.p99_stress_s or ZERO)


def _standing(report: MarginReport, account: str) -> Standing:
    line = next((v for v in report.venues if _id(v.account, v.venue, v.sub_account) == account), None)
    return Standing(
        status=report.status,
        status_reason=report.status_reason,
        binding_account=report.binding_account,
        account_status=None if line is None else line.status,
        surplus_usd=None if line is None else line.surplus_usd,
        net_value_usd=report.net_value_usd,
        mm_requirement_usd=report.mm_requirement_usd,
        mm_excess_usd=report.mm_excess_usd,
        margin_ratio=report.margin_ratio,
    )


def _id(account: str, venue: str, sub_account: str) -> str:
    return f"{account}/{venue}" + (f"/{sub_account}" if sub_account else "")


def _residual(need: Need, then: Standing) -> str:
    if then.account_status is None:
        return "the account is closed"
    if then.status.severity >= Status.UNKNOWN.severity:
        return f"the portfolio would still be {then.status}: {then.status_reason}"
    if then.account_status is Status.SAFE:
        return "the account would be SAFE; prices may move before the steps are done"
    return f"the account would be {then.account_status}"


def _quiet(view: Scene, bands: Bands) -> str:
    ratio = view.report.margin_ratio
    if not view.report.data_quality.complete:
        return "some data is missing: no advice beyond what is known; see data_quality"
    if ratio is not None and ratio < bands.ratio:
        words = f"the portfolio's ratio {ratio:.3f} is below {bands.ratio}: add funds"
        return f"every account is inside its bands, but {words}"
    return "every account is inside its bands: do nothing"


def _words(lacking: tuple[Need, ...], plans: list[Plan]) -> str:
    names = ", ".join(need.account.id for need in lacking if not need.less_only)
    if any(need.less_only for need in lacking):
        names += ", " if names else ""
        names += "the portfolio's margin ratio"
    if not plans:
        return f"outside the bands: {names}; nothing that can be encoded here went through on a fork"
    return f"outside the bands: {names}"


def _advice(
    view: Scene,
    bands: Bands,
    plans: tuple[Plan, ...],
    refused: tuple[Refused, ...],
    placed: Placement,
    reason: str,
) -> Advice:
    return Advice(
        portfolio=view.report.portfolio.name,
        as_of=view.report.as_of,
        status=view.report.status,
        status_reason=view.report.status_reason,
        do_nothing=reason.endswith("do nothing"),
        reason=reason,
        bands=bands,
        plans=plans,
        refused=refused,
        dollar_price=placed.price,
        prepositions=placed.transfers,
        movable=placed.movable,
    )
