"""Answers of the API: the models that serialise, and so the specification's schemas."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from aggregator.report import (
    Amount,
    AsOf,
    DataQuality,
    Frozen,
    Greeks,
    LiquidationPrice,
    MarginReport,
    PortfolioRef,
    PositionLine,
    ReverseStressLine,
    UnifiedPrice,
    VenueLine,
    WorstScenario,
)
from risk.status import Status


class Answer(Frozen):
    """Base of answers: when and where the figures are true, and what is missing."""

    as_of: AsOf
    data_quality: DataQuality


class ReportPart(Answer):
    """Base of answers that are a part of one margin report."""

    id: str
    """Of the report."""
    portfolio: PortfolioRef
    status: Status
    status_reason: str


class ProblemItem(Frozen):
    """One wrong field."""

    loc: str
    msg: str


class ProblemDocument(Frozen):
    """RFC 9457 problem."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[ProblemItem, ...]
    trace_id: str | None
    """Quote it when asking: the service's log has it."""


class AccountRow(Frozen):
    """One portfolio with its newest status; None where there is no report yet."""

    portfolio: str
    accounts: tuple[str, ...]
    status: Status | None
    status_reason: str
    binding_account: str | None
    mm_excess_usd: Amount | None
    as_of: AsOf | None
    data_quality: DataQuality | None


class Accounts(Answer):
    """The portfolios that the caller may see."""

    accounts: tuple[AccountRow, ...]


class Holdings(Frozen):
    """What lies on one chain or at one venue, sums over its accounts; None where one is not known."""

    name: str
    accounts: int
    equity_usd: Amount | None
    mm_requirement_usd: Amount | None
    net_value_usd: Amount | None
    surplus_usd: Amount | None
    local_floor_usd: Amount | None
    """What has to stay there, because help comes too late for the rest."""


class Portfolio(ReportPart):
    """Totals of one portfolio, by chain and by venue."""

    worst_venue_status: Status | None
    """The worst among the venue accounts, whose venues act on their own rules; None without any."""
    binding_account: str | None
    net_value_usd: Amount | None
    equity_usd: Amount | None
    surplus_usd: Amount | None
    mm_requirement_usd: Amount | None
    im_requirement_usd: Amount | None
    mm_excess_usd: Amount | None
    margin_ratio: Amount | None
    capital_freed_usd: Amount | None
    chains: tuple[Holdings, ...]
    venues: tuple[Holdings, ...]
    no_route: tuple[str, ...]


class Positions(Answer):
    """The legs."""

    id: str
    portfolio: PortfolioRef
    positions: tuple[PositionLine, ...]


class Venues(ReportPart):
    """The venue accounts: the units of liquidation."""

    binding_account: str | None
    venues: tuple[VenueLine, ...]


class LiquidationLine(Frozen):
    """How far one venue account is from liquidation, and what happens there."""

    account: str
    chain: str
    venue: str
    sub_account: str
    status: Status
    health: Amount | None
    distance_to_liquidation: dict[str, Amount | None]
    liquidation_prices: dict[str, LiquidationPrice]
    ttl_s: Amount | None
    ttl_exceeds_s: Amount | None
    ttf_s: Amount | None
    breach_probability: dict[str, Amount]
    liquidation_cost_usd: Amount | None
    reverse_stress: ReverseStressLine | None


class Liquidation(ReportPart):
    """Where accounts are liquidated by their venues, and where the portfolio as a whole is used up."""

    unified_liquidation: dict[str, UnifiedPrice]
    reverse_stress: ReverseStressLine | None
    venues: tuple[LiquidationLine, ...]


class ScenarioRow(Frozen):
    """One scenario of the model; losses of surplus after damping, US dollars, negative = a gain."""

    label: str
    loss_usd: Amount
    by_account_usd: dict[str, Amount]


class HeatMap(Frozen):
    """Change of economic value over joint moves of all crypto prices and of implied volatility."""

    spot_moves_pct: tuple[Amount, ...]
    vol_moves_pct: tuple[Amount, ...]
    change_usd: tuple[tuple[Amount, ...], ...]
    """One row per volatility move."""
    surplus_usd: tuple[tuple[Amount, ...], ...]
    """Sum of the accounts' surplus by their venues' rules in the same cells."""
    worst: tuple[int, int]
    """Row and column of the cell that loses most."""


class Scenarios(ReportPart):
    """What scenarios cost; empty with a reason where the service runs without its model."""

    worst_scenario: WorstScenario | None
    greeks: Greeks | None
    scenarios: tuple[ScenarioRow, ...]
    heat_map: HeatMap | None


class HistoryVenue(Frozen):
    """One venue account at one time."""

    account: str
    chain: str
    venue: str
    sub_account: str
    status: Status
    health: Amount | None
    ttl_s: Amount | None
    ttl_exceeds_s: Amount | None
    ttf_s: Amount | None
    ttf_reachable: bool | None


class HistoryRow(Frozen):
    """One stored report in brief."""

    seq: int
    id: str
    time: datetime
    status: Status
    complete: bool
    inputs_hash: str
    unified_buffer_usd: Amount | None
    mm_excess_usd: Amount | None
    equity_usd: Amount | None
    mm_requirement_usd: Amount | None
    venues: tuple[HistoryVenue, ...]


class History(Answer):
    """Stored reports, newest first."""

    portfolio: PortfolioRef
    reports: tuple[HistoryRow, ...]


def nothing_read(time: datetime, reason: str = "") -> dict[str, object]:
    """``as_of`` and ``data_quality`` of an answer that rests on no block."""
    lines = ({"what": "report", "reason": reason},) if reason else ()
    return {
        "as_of": AsOf(time=time, max_skew_s=0, blocks={}),
        "data_quality": DataQuality(complete=not reason, staleness_s=None, degraded=lines),
    }


def over(reports: Iterable[MarginReport | None], time: datetime) -> dict[str, object]:
    """``as_of`` and ``data_quality`` over several reports: the newest cut, and everything that is missing."""
    given: Sequence[MarginReport | None] = tuple(reports)
    known = [report for report in given if report is not None]
    if not known:
        return nothing_read(time, "no report yet" if given else "")
    newest = max(known, key=lambda report: report.as_of.time)
    ages = [r.data_quality.staleness_s for r in known if r.data_quality.staleness_s is not None]
    lines = dict.fromkeys(line for report in known for line in report.data_quality.degraded)
    return {
        "as_of": newest.as_of,
        "data_quality": DataQuality(
            complete=len(known) == len(given) and all(r.data_quality.complete for r in known),
            staleness_s=max(ages, default=None),
            degraded=tuple(lines)[:50],
        ),
    }


class Health(Answer):
    """Whether the process answers."""

    status: str = Field(examples=["ok"])


class Ready(Answer):
    """Whether its answers are fresh."""

    status: str
    wrong: tuple[str, ...]
