"""One portfolio's buffers, what can reach each account in time, and the status of it (RISK sections 4 and 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.assemble import Assembled
from aggregator.figures import Figures
from aggregator.model import HORIZONS_S, Model
from chains.accounts import VenueAccount
from risk.arrays import F64, Bool
from risk.funding import Funding, fund_accounts
from risk.mobility import account_g
from risk.status import AccountState, PortfolioStatus, portfolio_status
from risk.unified import RiskMeasure, Unified, unified, worst_of

_NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Rescue:
    """Figures of one portfolio; (V,) runs over those of its accounts that could be revalued."""

    place: Mapping[str, int]
    """Index of each account id along V."""
    g: F64
    """(V, V) share of netting that latency takes between two accounts."""
    buffers: Unified
    stress_buffer_usd: float
    """R_uni under the shocks of the stress floor."""
    movable_usd: F64
    """(V,) what may leave the account by its venue's rule, above its own local floor."""
    funding: Funding
    status: PortfolioStatus
    """Its accounts run over all accounts of the portfolio, revalued or not."""


def rescue(
    accounts: Sequence[VenueAccount],
    assembled: Assembled,
    figures: Figures,
    model: Model,
    paused: frozenset[str],
    *,
    complete: bool,
) -> Rescue:
    """Buffers, mobility and status of the accounts of one portfolio."""
    known = [account for account in accounts if account.id in assembled.rows]
    rows = np.array([assembled.rows[account.id] for account in known], dtype=np.intp)
    mobility = model.mobility(paused)
    g = account_g(mobility.g, [model.chains.index(account.at.chain) for account in known])
    losses, measure = figures.buffers.loss[rows], figures.buffers.measure
    floors = _buffers(losses, g, measure).local_floor
    movable = np.array(
        [_movable(a, row, assembled, figures, floor) for a, row, floor in zip(known, rows, floors, strict=True)],
        dtype=np.float64,
    )
    buffers = _buffers(losses, g, measure, movable > 0)
    stressed = _buffers(figures.stressed_loss[rows], g, worst_of)
    funding = fund_accounts(
        assembled.arrays.surplus[rows],
        assembled.arrays.mm[rows],
        figures.drawdown[rows],
        HORIZONS_S,
        figures.ttl_s[rows],
        movable,
        [account.at.chain for account in known],
        mobility,
    )
    place = {account.id: index for index, account in enumerate(known)}
    states = [_state(a, place.get(a.id), rows, assembled, figures, buffers, funding) for a in accounts]
    status = portfolio_status(
        states,
        max(float(buffers.uni), float(stressed.uni)),
        complete,
        model.settings.horizon_s,
        model.settings.confidence,
    )
    return Rescue(place, g, buffers, float(stressed.uni), movable, funding, status)


def _buffers(losses: F64, g: F64, measure: RiskMeasure, donors: Bool | None = None) -> Unified:
    """Buffers over accounts; zero where there are none."""
    if not len(losses):
        nothing = np.zeros(())
        return Unified(nothing, nothing, nothing, nothing, np.zeros(0))
    return unified(losses, g, measure, donors)


def _movable(account: VenueAccount, row: int, assembled: Assembled, figures: Figures, floor: float) -> float:
    """What can be sent elsewhere. Money that is not known to be free is none."""
    surplus = float(assembled.arrays.surplus[row])
    if account.equity_usd is None:  # idle holdings: all of it may go, and nothing can be liquidated
        return max(0.0, float(figures.levels.value[row]))
    if account.withdrawable_usd is None:
        return 0.0
    return max(0.0, min(float(account.withdrawable_usd), surplus - floor))


def _state(
    account: VenueAccount,
    place: int | None,
    rows: np.ndarray[tuple[int], np.dtype[np.intp]],
    assembled: Assembled,
    figures: Figures,
    buffers: Unified,
    funding: Funding,
) -> AccountState:
    """What decides about an account; what could not be computed is not a number."""
    mm = float(account.mm_requirement_usd)
    if place is None:
        surplus = _NAN if account.surplus_usd is None else float(account.surplus_usd)
        return AccountState(surplus, mm, _NAN, _NAN, _NAN, _NAN, _NAN, False, account.liquidatable)
    row = rows[place]
    return AccountState(
        surplus_usd=float(assembled.arrays.surplus[row]),
        mm_requirement_usd=mm,
        ttl_s=float(figures.ttl_s[row]),
        ttf_s=float(funding.ttf_s[place]),
        liquidity_coverage=float(funding.liquidity_coverage[place]),
        rescue_gap_usd=float(funding.rescue_gap_usd[place]),
        local_floor_usd=float(buffers.local_floor[place]),
        complete=account.id not in assembled.gaps,
        liquidatable=account.liquidatable,
        surplus_bad_usd=float(figures.levels.surplus_bad[row]),
        surplus_good_usd=float(figures.levels.surplus_good[row]),
    )
