"""The status ladder, per venue account and per portfolio, with the reason in numbers (RISK section 5).

Choices that RISK leaves open:
- An account without a requirement (MM = 0) cannot be liquidated: SAFE, whatever its price does.
- BRIDGE_NOW and DELEVERAGE speak of liquidation within the horizon H: with TTL >= H an account may be SAFE
  although no money exists elsewhere (TTF infinite).
- Within H and no source that suffices: DELEVERAGE, because waiting for a transfer is no option.
- A gap that transfers cannot close is DELEVERAGE only once TTL < 2 TTF; before that it is WATCH.
- Incomplete data: SAFE and WATCH become UNKNOWN. Warnings stay warnings, and LIQUIDATABLE stays: it is a fact.
- UNKNOWN ranks above WATCH and below BRIDGE_NOW: it never looks safe, and it never hides a known emergency.
- The venue's verdict is the fact that makes LIQUIDATABLE. Short at every agreed price although the venue's oracle
  has not followed is DELEVERAGE; short at the worse end only is WATCH, with the source that says so.
- A price move that lowers S shortens TTL, raises the gap and never improves the status.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from risk.errors import RiskInputError
from risk.scanlaw import DAY_S

COVERAGE_WANTED = 1.5
CENT = 0.01
"""Gaps below are rounding."""


class Status(StrEnum):
    """Rung of the ladder."""

    SAFE = "SAFE"
    WATCH = "WATCH"
    UNKNOWN = "UNKNOWN"
    BRIDGE_NOW = "BRIDGE_NOW"
    DELEVERAGE = "DELEVERAGE"
    LIQUIDATABLE = "LIQUIDATABLE"

    @property
    def severity(self) -> int:
        """0 for SAFE, higher is worse."""
        return _SEVERITY[self]


_SEVERITY: Mapping[Status, int] = {status: rank for rank, status in enumerate(Status)}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code that does not change with wording, and the numbers that decided."""

    code: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountState:
    """What decides about one venue account; nan or None: not known."""

    surplus_usd: float
    mm_requirement_usd: float
    ttl_s: float
    ttf_s: float
    liquidity_coverage: float
    rescue_gap_usd: float
    local_floor_usd: float
    complete: bool = True
    """False where a read or a price that this account needs is missing."""
    liquidatable: bool | None = None
    """The venue contract's own answer, where it gives one."""
    surplus_bad_usd: float = math.nan
    """S at the unfavourable end of the prices that were agreed on."""
    surplus_good_usd: float = math.nan
    """S at the favourable end: below 0 means short at every such price, whatever the venue's oracle says yet."""


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """Status of one account."""

    status: Status
    reason: Reason


@dataclass(frozen=True, slots=True)
class PortfolioStatus:
    """Worst of the accounts and of the portfolio as a whole."""

    status: Status
    binding: int | None
    """Index of the account that decides; None where the portfolio as a whole does."""
    reason: Reason
    accounts: tuple[AccountStatus, ...]


def account_status(state: AccountState, horizon_s: float = DAY_S, confidence: float = 0.99) -> AccountStatus:
    """Status of one venue account."""
    known = not math.isnan(state.surplus_usd)
    if known and state.surplus_usd < 0:
        return AccountStatus(Status.LIQUIDATABLE, Reason("surplus_negative", {"surplus_usd": state.surplus_usd}))
    if state.liquidatable:
        return AccountStatus(Status.LIQUIDATABLE, Reason("venue_says_so", {"surplus_usd": state.surplus_usd}))
    needs_rescue = state.mm_requirement_usd != 0  # nan counts as a requirement
    if needs_rescue and state.surplus_good_usd < 0:
        return AccountStatus(Status.DELEVERAGE, Reason("price_gap", {"surplus_usd": state.surplus_good_usd}))
    urgent = _urgent(state, horizon_s, confidence) if known and needs_rescue else None
    if urgent is not None:
        return urgent
    figures = [state.surplus_usd, state.mm_requirement_usd]
    if needs_rescue:
        figures += [state.ttl_s, state.liquidity_coverage, state.local_floor_usd]
    missing = sum(map(math.isnan, figures))
    if not state.complete or missing:
        return AccountStatus(Status.UNKNOWN, Reason("data_incomplete", {"figures_missing": float(missing)}))
    if not needs_rescue:
        return AccountStatus(Status.SAFE, Reason("no_requirement", {"surplus_usd": state.surplus_usd}))
    return _watched(state, horizon_s, confidence)


def _urgent(state: AccountState, horizon_s: float, confidence: float) -> AccountStatus | None:
    """DELEVERAGE or BRIDGE_NOW, None if neither holds."""
    if not state.ttl_s < horizon_s:
        return None
    ttf_s = math.inf if math.isnan(state.ttf_s) else state.ttf_s
    gap = math.inf if math.isnan(state.rescue_gap_usd) else state.rescue_gap_usd
    numbers = {"ttl_s": state.ttl_s, "ttf_s": ttf_s, "rescue_gap_usd": gap, "confidence": confidence}
    if math.isinf(ttf_s):
        return AccountStatus(Status.DELEVERAGE, Reason("no_source", numbers))
    if state.ttl_s < ttf_s:
        return AccountStatus(Status.DELEVERAGE, Reason("too_late_to_bridge", numbers))
    if state.ttl_s < 2.0 * ttf_s:
        if gap > CENT:
            return AccountStatus(Status.DELEVERAGE, Reason("gap_not_closable", numbers))
        return AccountStatus(Status.BRIDGE_NOW, Reason("bridge_in_time", numbers))
    return None


def _watched(state: AccountState, horizon_s: float, confidence: float) -> AccountStatus:
    """WATCH or SAFE for an account with a requirement and complete data."""
    found: Reason | None = None
    if state.surplus_bad_usd < 0:
        found = Reason("price_disputed", {"surplus_usd": state.surplus_bad_usd})
    elif state.ttl_s < horizon_s:
        numbers = {"ttl_s": state.ttl_s, "ttf_s": state.ttf_s, "horizon_s": horizon_s, "confidence": confidence}
        found = Reason("ttl_below_horizon", numbers)
    elif state.surplus_usd < state.local_floor_usd:
        numbers = {"surplus_usd": state.surplus_usd, "local_floor_usd": state.local_floor_usd}
        found = Reason("below_local_floor", numbers)
    elif state.liquidity_coverage < COVERAGE_WANTED:
        numbers = {"liquidity_coverage": state.liquidity_coverage, "wanted": COVERAGE_WANTED}
        found = Reason("coverage_thin", numbers)
    if found is not None:
        return AccountStatus(Status.WATCH, found)
    return AccountStatus(Status.SAFE, Reason("within_requirement", {"ttl_s": state.ttl_s, "horizon_s": horizon_s}))


def portfolio_status(
    accounts: Sequence[AccountState],
    unified_buffer_usd: float,
    complete: bool = True,
    horizon_s: float = DAY_S,
    confidence: float = 0.99,
) -> PortfolioStatus:
    """Worst of all accounts and of the whole.

    Parameters
    ----------
    unified_buffer_usd
        R_uni, with its stress floor where one is used; nan: not known.
    complete
        False where anything of the portfolio could not be read or priced, an account's own flag aside.
    """
    if unified_buffer_usd < 0:
        raise RiskInputError(f"unified_buffer_usd: must be >= 0 or nan, was {unified_buffer_usd}")
    each = tuple(account_status(state, horizon_s, confidence) for state in accounts)
    status, binding, reason = _worst(each, accounts)
    whole = _whole(accounts, unified_buffer_usd, complete)
    if whole.status.severity > status.severity:
        return PortfolioStatus(whole.status, None, whole.reason, each)
    return PortfolioStatus(status, binding, reason, each)


def _worst(each: Sequence[AccountStatus], states: Sequence[AccountState]) -> tuple[Status, int | None, Reason]:
    """Account of the worst status; among equals the shortest time to liquidation, then the smallest surplus."""
    if not each:
        return Status.SAFE, None, Reason("no_positions")

    def urgency(index: int) -> tuple[float, float, float]:
        state = states[index]
        ttl, surplus = (math.inf if math.isnan(x) else x for x in (state.ttl_s, state.surplus_usd))
        return (-each[index].status.severity, ttl if state.mm_requirement_usd != 0 else math.inf, surplus)

    index = min(range(len(each)), key=urgency)
    return each[index].status, index, each[index].reason


def _whole(states: Sequence[AccountState], unified_buffer_usd: float, complete: bool) -> AccountStatus:
    """Status of the portfolio as one: incomplete, or less surplus in all than R_uni."""
    needing = any(state.mm_requirement_usd != 0 for state in states)
    total = sum(state.surplus_usd for state in states)
    if not complete or (needing and (math.isnan(unified_buffer_usd) or math.isnan(total))):
        return AccountStatus(Status.UNKNOWN, Reason("data_incomplete", {}))
    if needing and total < unified_buffer_usd:
        numbers = {"surplus_usd": total, "unified_buffer_usd": unified_buffer_usd}
        return AccountStatus(Status.WATCH, Reason("below_unified_buffer", numbers))
    return AccountStatus(Status.SAFE, Reason("within_requirement", {}))


# --- wording ---

_WORDS: Mapping[str, str] = {
    "surplus_negative": "{name} can be liquidated now: it is {short} short",
    "venue_says_so": "{name} can be liquidated now, its own contract says; surplus by our figures {surplus}",
    "no_source": "{name} reaches liquidation in {ttl} at {confidence}; "
    "no money elsewhere suffices: reduce risk there",
    "too_late_to_bridge": "{name} reaches liquidation in {ttl} at {confidence}; money from elsewhere needs {ttf}: "
    "too late to bridge, reduce risk there",
    "gap_not_closable": "{name} reaches liquidation in {ttl} at {confidence}; transfers leave {gap} open: "
    "reduce risk there",
    "bridge_in_time": "{name} reaches liquidation in {ttl} at {confidence}; money from elsewhere needs {ttf}: "
    "start the transfer now",
    "price_gap": "{name} is {short} short at every price that the sources agree on; the venue's oracle has not "
    "followed yet: reduce risk there",
    "price_disputed": "{name} would be {short} short at the worse end of the prices",
    "ttl_below_horizon": "{name} reaches liquidation in {ttl} at {confidence}, within the horizon of {horizon}",
    "below_local_floor": "{name} holds {surplus} above its requirement, less than its local floor of {floor}",
    "coverage_thin": "{name}: surplus and transfers cover {coverage} times what may be lost, {wanted} wanted",
    "below_unified_buffer": "{name}: {surplus} above all requirements, less than the unified buffer of {buffer}",
    "no_requirement": "{name} owes nothing and cannot be liquidated",
    "no_positions": "{name} has no positions",
    "within_requirement": "{name} is within its requirement",
    "data_incomplete": "{name}: data is incomplete, no statement is possible",
}


def describe(reason: Reason, name: str) -> str:
    """One sentence for people; ``name`` is the account or portfolio, for example ``Aave on Arbitrum``."""
    n = reason.numbers
    return _WORDS[reason.code].format(
        name=name,
        short=usd(-n.get("surplus_usd", math.nan)),
        ttl=duration(n.get("ttl_s", math.nan)),
        ttf=duration(n.get("ttf_s", math.nan)),
        horizon=duration(n.get("horizon_s", math.nan)),
        confidence=f"{100 * n.get('confidence', math.nan):g} %",
        gap=usd(n.get("rescue_gap_usd", math.nan)),
        surplus=usd(n.get("surplus_usd", math.nan)),
        floor=usd(n.get("local_floor_usd", math.nan)),
        buffer=usd(n.get("unified_buffer_usd", math.nan)),
        coverage=f"{n.get('liquidity_coverage', math.nan):.2f}",
        wanted=f"{n.get('wanted', math.nan):g}",
    )


def duration(seconds: float) -> str:
    """Words for a time span, rounded down: ``41 min``, ``3 h 18 min``, ``2 d 4 h``."""
    if math.isnan(seconds):
        return "an unknown time"
    if math.isinf(seconds):
        return "no foreseeable time"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def usd(amount: float) -> str:
    """Words for dollars; an amount that is not known says so."""
    if math.isnan(amount) or math.isinf(amount):
        return "an unknown amount"
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"
