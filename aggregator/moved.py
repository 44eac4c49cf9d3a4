"""How far prices have gone since a report towards the next status: pure, to first order, on the worried side.

Along one factor an account's surplus falls in a straight line to zero at its distance to liquidation, and its time
to liquidation grows with the square of the way left (diffusion). From these two and the thresholds of the status
ladder (RISK section 5) follows the share of the way at which the next rung begins. Moves that help do not make up
for moves that hurt. What cannot be told here is left to the next scan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, sqrt

from aggregator.report import MarginReport, VenueLine
from risk.scanlaw import DAY_S
from risk.status import COVERAGE_WANTED, Status

HALF = 0.5
"""Share of the way to the next status after which a portfolio is looked at."""
JOINT = frozenset({"crypto", "stable"})
"""Directions of several factors at once: their parts are counted by themselves."""


@dataclass(frozen=True, slots=True)
class Account:
    """One venue account: how far each factor is from liquidating it, and where the next rung lies on that way."""

    name: str
    distance_pct: Mapping[str, float]
    rung: float
    """Share of the way to liquidation, above 0."""


@dataclass(frozen=True, slots=True)
class Outset:
    """What a report says that prices can change."""

    portfolio: str
    mids: Mapping[str, float | None]
    """By asset; None: no price."""
    factors: Mapping[str, str]
    """Risk factor by asset."""
    accounts: tuple[Account, ...]
    delta_usd: Mapping[str, float]
    room_usd: float
    """Surplus above the unified buffer; infinite where it decides nothing."""


def outset_of(report: MarginReport, horizon_s: float = DAY_S) -> Outset:
    """What is kept of a report until the next one."""
    lines = {line.asset: line for line in report.positions}
    room = inf
    if report.status is Status.SAFE and report.surplus_usd is not None and report.unified_buffer_usd is not None:
        room = float(report.surplus_usd - report.unified_buffer_usd)
    greeks = {} if report.greeks is None else report.greeks.delta_usd
    return Outset(
        portfolio=report.portfolio.name,
        mids={asset: None if line.price.mid is None else float(line.price.mid) for asset, line in lines.items()},
        factors={asset: line.risk_factor for asset, line in lines.items() if line.risk_factor is not None},
        accounts=tuple(_account(line, horizon_s) for line in report.venues if line.distance_to_liquidation),
        delta_usd={factor: float(delta) for factor, delta in greeks.items()},
        room_usd=room,
    )


def moved(outset: Outset, mids: Mapping[str, float | None]) -> str | None:
    """Why a portfolio is to be looked at now, None where it can wait. ``mids``: prices now by asset."""
    for asset, before in outset.mids.items():
        if (before is None) != (mids.get(asset) is None):
            return f"the price of {asset} is {'known again' if before is None else 'lost'}"
    moves = _moves(outset, mids)
    for account in outset.accounts:
        used = sum(_part(moves.get(factor, ()), far) for factor, far in account.distance_pct.items())
        if used >= HALF * account.rung:
            return f"prices have gone {100 * used:.1f} % of the way of {account.name} to its liquidation"
    loss = sum(max((-delta * move for move in moves.get(factor, ())), default=0.0)
               for factor, delta in outset.delta_usd.items())  # fmt: skip
    if outset.room_usd > 0 and loss >= HALF * outset.room_usd:
        return f"prices have taken ${loss:,.0f} of ${outset.room_usd:,.0f} above the unified buffer"
    return None


def _moves(outset: Outset, mids: Mapping[str, float | None]) -> dict[str, list[float]]:
    """Moves by factor, as shares: one per asset, for a wrapped form may have moved by itself."""
    found: dict[str, list[float]] = {}
    for asset, factor in outset.factors.items():
        before, now = outset.mids[asset], mids.get(asset)
        if before and now is not None and now != before:
            found.setdefault(factor, []).append(now / before - 1)
    return found


def _part(moves: Iterable[float], distance_pct: float) -> float:
    """Largest share of the way that any of the moves has gone; what goes the other way has gone nothing."""
    return max(
        (100 * move / distance_pct for move in moves if distance_pct and move * distance_pct > 0), default=0.0
    )


def _account(line: VenueLine, horizon_s: float) -> Account:
    far = {
        factor: float(pct)
        for factor, pct in line.distance_to_liquidation.items()
        if pct is not None and factor not in JOINT
    }
    rungs = [share for share in _rungs(line, horizon_s) if share > 0]
    return Account(f"{line.venue} on {line.chain}", far, min([*rungs, 1.0]))


def _rungs(line: VenueLine, horizon_s: float) -> Iterable[float]:
    """Shares of the way at which a worse status begins."""
    ttl = None if line.ttl_s is None else float(line.ttl_s)
    ttf = None if line.ttf_s is None else float(line.ttf_s)
    if ttl:
        thresholds = [t for t in (horizon_s, *((2 * ttf, ttf) if ttf else ())) if t < ttl]
        yield from (1 - sqrt(threshold / ttl) for threshold in thresholds)
    surplus = None if line.surplus_usd is None else float(line.surplus_usd)
    if surplus and line.status is Status.SAFE:
        if line.local_floor_usd is not None:
            yield 1 - float(line.local_floor_usd) / surplus
        if line.liquidity_coverage:
            yield 1 - COVERAGE_WANTED / float(line.liquidity_coverage)
