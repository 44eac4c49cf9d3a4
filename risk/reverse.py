"""Reverse stress: the least unlikely joint move of all factors that breaches (RISK section 3).

    min r' C^-1 r   over relative moves r of the factors   subject to   S_a(r) <= 0

C is the covariance of a day, so the root of the minimum is a Mahalanobis distance in daily sigmas. Linear accounts
S(r) = S + L·r have the exact answer

    r* = -S C L / (L' C L)          distance = S / sqrt(L' C L)

and with some components held at the bounds, A r = b for these and the account, r* = C A' y, y = (A C A')^-1 b,
where y tells whether a held component would rather be inside. Others
take the iteration of Hasofer-Lind and Rackwitz-Fiessler (the account linearised at the last point, solved exactly)
from several starts, the crossings along each single factor among them; the best point with S <= 0 is returned, so
the answer is never farther than any single factor's move.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from risk.arrays import NONLINEAR, FactorArrays, PortfolioArrays
from risk.checks import F64, as_floats, between, number
from risk.distance import distance_to_liquidation
from risk.errors import RiskInputError
from risk.pricing import linear_slopes, unit_values, value_of

Rows = npt.NDArray[np.intp]

LEAST, MOST = -0.99, 10.0
STEPS, RAY, ROUNDS = 16, 48, 7
BEYOND = 1.05
AT_THE_START = np.array([1.0, 1.0 + 2e-9])
"""Shares of a ray tried beside the even ones: the breach behind a crossing may be too narrow for those."""
BUMP = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class ReverseStress:
    """The nearest breach of each account."""

    sigmas: F64
    """(A,) distance in daily sigmas; 0 when S_a <= 0 now, inf where no move inside the bounds breaches."""
    moves: F64
    """(A, F) relative moves of the factors; nan where there is none."""


def factor_covariance(factors: FactorArrays, correlation: float) -> F64:
    """(F, F) of a day's relative moves: one correlation between crypto factors, stable ones on their own."""
    number("correlation", correlation, -1.0, 1.0)
    crypto = ~factors.is_stable
    matrix = np.where(np.outer(crypto, crypto), correlation, 0.0)
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix * np.outer(factors.sigma_day, factors.sigma_day))


def reverse_stress(portfolio: PortfolioArrays, covariance: F64) -> ReverseStress:
    """Nearest breach of every account; raises ``RiskInputError`` unless the covariance is positive definite."""
    C = _definite(covariance, len(portfolio.factors.names))
    net, instruments = portfolio.net(), portfolio.instruments
    slope = _slopes(portfolio)
    moves = np.stack(
        [_linear(s, L, C) for s, L in zip(portfolio.surplus, slope, strict=True)] or [np.zeros(len(C))]
    )
    moves = moves[: portfolio.count]
    bent = np.asarray(abs(net) @ instruments.is_kind(*NONLINEAR).astype(np.float64)) > 0.0
    rows = np.flatnonzero(bent & (portfolio.surplus > 0.0))
    if len(rows):
        moves[rows] = _bent(portfolio, rows, C)
    moves[portfolio.surplus <= 0.0] = 0.0
    return ReverseStress(sigmas=_distance(moves, C), moves=moves)


def surplus_at(portfolio: PortfolioArrays, accounts: Rows, moves: F64) -> F64:
    """(M, K) surplus of each of (M,) accounts after each of its (M, K, F) relative moves of the factors."""
    between("moves", moves, -1.0)
    return _Accounts(portfolio, accounts)(moves)


class _Accounts:
    """Surplus of (M,) accounts, each after moves of its own; an account may stand in several rows."""

    def __init__(self, portfolio: PortfolioArrays, accounts: Rows) -> None:
        entries = portfolio.net()[accounts].tocoo()
        self.row, self.column = entries.coords
        self.units = entries.data[:, None]
        self.instruments = portfolio.instruments
        self.now = value_of(portfolio.instruments)[self.column, None]
        self.surplus = portfolio.surplus[accounts, None]

    def __call__(self, moves: F64) -> F64:
        """(M, K) after (M, K, F) moves."""
        instruments, column = self.instruments, self.column
        # Index -1 (no factor) picks the appended column that never moves.
        level = np.concatenate([1.0 + moves, np.ones((*moves.shape[:2], 1))], axis=2)
        price = instruments.price[column, None] * level[self.row, :, instruments.factor[column]]
        quote = instruments.quote_price[column, None] * level[self.row, :, instruments.quote_factor[column]]
        values = unit_values(instruments, price, rows=column, quote=quote)
        change = np.zeros(moves.shape[:2])
        np.add.at(change, self.row, self.units * (values - self.now))
        return np.asarray(self.surplus + change)


def _definite(covariance: F64, factors: int) -> F64:
    matrix = as_floats("covariance", covariance, (factors, factors))
    between("covariance", matrix)
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise RiskInputError("covariance: is not positive definite; shrink its correlation") from None
    if not np.allclose(matrix, matrix.T, rtol=1e-9, atol=0.0):
        raise RiskInputError("covariance: is not symmetric")
    return matrix


def _slopes(portfolio: PortfolioArrays) -> F64:
    """(A, F) dollars of surplus per relative move of each factor, for accounts that are linear."""
    instruments = portfolio.instruments
    dollars = np.zeros((instruments.count, len(portfolio.factors.names)))
    moved = np.flatnonzero(instruments.factor >= 0)
    dollars[moved, instruments.factor[moved]] = linear_slopes(instruments)[moved]
    return np.asarray(portfolio.net() @ dollars)


def _linear(surplus: float, slope: F64, C: F64) -> F64:
    """(F,) exact answer inside the bounds; nan where no move in there breaches.

    A primal active set: the component farthest beyond its bound is held there, one whose multiplier pushes it back
    inside is let go. Every round's answer on the surface and within the bounds is a breach; the nearest counts,
    so that rounds which swing cost nothing but their time.
    """
    lowest = np.minimum(slope * LEAST, slope * MOST)
    if surplus + lowest.sum() > 0.0 or not slope.any():
        return np.full(len(slope), np.nan)
    best = _alone(surplus, slope)
    held: dict[int, float] = {}
    for _ in range(4 * len(slope)):
        free = [i for i in range(len(slope)) if i not in held]
        if not np.any(slope[free]):
            held.popitem()
            continue
        A = np.vstack([slope, *(np.eye(len(slope))[i] for i in held)])
        y = np.linalg.solve(A @ C @ A.T, np.array([-surplus, *held.values()]))
        r: F64 = C @ A.T @ y
        over = np.maximum(LEAST - r, r - MOST)
        far = max(free, key=lambda i: over[i])
        if over[far] > 0.0:
            held[far] = float(np.clip(r[far], LEAST, MOST))
            continue
        best = np.vstack([best, r])
        inward = {i: y[1 + n] * (1.0 if at == MOST else -1.0) for n, (i, at) in enumerate(held.items())}
        wrong = max(inward, key=lambda i: inward[i], default=None)
        if wrong is None or inward[wrong] <= 0.0:
            break
        del held[wrong]
    if not len(best):  # every round left the bounds: the corner that loses most, shortened to the surface
        best = (np.where(slope > 0.0, LEAST, MOST) * (slope != 0.0) * (-surplus / lowest.sum()))[None]
    return np.asarray(best[_distance(best, C).argmin()])


def _alone(surplus: float, slope: F64) -> F64:
    """(K, F) breaches by one factor alone, inside the bounds."""
    with np.errstate(divide="ignore"):
        moves = np.where(slope != 0.0, -surplus / slope, np.inf)
    reached = (moves >= LEAST) & (moves <= MOST)
    return np.asarray(np.diag(np.where(reached, moves, 0.0))[reached])


def _distance(moves: F64, C: F64) -> F64:
    """Mahalanobis length over the last axis; inf where it is nan."""
    length = np.sqrt(np.einsum("...i,ij,...j->...", moves, np.linalg.inv(C), moves))
    return np.asarray(np.where(np.isnan(length), np.inf, length))


def _bent(portfolio: PortfolioArrays, rows: Rows, C: F64) -> F64:
    """(M, F) best point of several starts for accounts that are not linear."""
    starts = _starts(portfolio, rows)
    points, factors = starts.shape[1:]
    surplus = _Accounts(portfolio, np.repeat(rows, points))
    r = np.nan_to_num(starts.reshape(-1, factors))
    both = np.concatenate([r, _search(surplus, r, C)])
    found = _onto_surface(_Accounts(portfolio, np.tile(np.repeat(rows, points), 2)), both)
    candidates = found.reshape(2, len(rows), points, factors).transpose(1, 0, 2, 3).reshape(len(rows), -1, factors)
    best = _distance(candidates, C).argmin(axis=1)
    return np.asarray(candidates[np.arange(len(rows)), best])


def _starts(portfolio: PortfolioArrays, rows: Rows) -> F64:
    """(M, F + 2, F) no move, and the crossings along every factor and all crypto; nan where there is none."""
    factors = len(portfolio.factors.names)
    starts = np.full((len(rows), factors + 2, factors), np.nan)
    starts[:, 0] = 0.0
    for factor in range(factors):
        move = distance_to_liquidation(portfolio, factor).move[rows]
        reached = np.isfinite(move)
        starts[reached, 1 + factor] = 0.0
        starts[reached, 1 + factor, factor] = move[reached]
    together = distance_to_liquidation(portfolio, "crypto").move[rows]
    crypto = ~portfolio.factors.is_stable
    reached = np.isfinite(together)
    starts[reached, -1] = together[reached, None] * crypto
    return starts


def _search(surplus: _Accounts, r: F64, C: F64) -> F64:
    """(M, F) after the iteration: each step solves the account linearised at the last point."""
    factors = r.shape[1]
    bumps = np.concatenate([np.zeros((1, factors)), BUMP * np.eye(factors), -BUMP * np.eye(factors)])
    for step in range(STEPS):
        at = surplus(r[:, None, :] + bumps)
        slope = (at[:, 1 : 1 + factors] - at[:, 1 + factors :]) / (2.0 * BUMP)
        spread = np.einsum("mi,ij,mj->m", slope, C, slope)
        target = (slope * r).sum(axis=1) - at[:, 0]
        factor = np.divide(target, spread, out=np.zeros_like(target), where=spread > 0.0)
        solved = np.clip(factor[:, None] * (slope @ C), LEAST, MOST)
        r = solved if step < STEPS // 2 else 0.5 * (r + solved)  # halves the step where it swings
    return r


def _onto_surface(surplus: _Accounts, r: F64) -> F64:
    """(M, F) first point of the ray through r where S <= 0, a little beyond r at most; nan where there is none."""
    low, high = np.zeros(len(r)), np.full(len(r), BEYOND)
    hit = np.zeros(len(r), dtype=np.bool_)
    for rounds in range(ROUNDS):
        shares = low[:, None] + (high - low)[:, None] * np.arange(1, RAY + 1) / RAY
        if rounds == 0:
            crossings = np.broadcast_to(AT_THE_START, (len(r), len(AT_THE_START)))
            shares = np.sort(np.concatenate([shares, crossings], axis=1), axis=1)
        lost = surplus(np.clip(r[:, None, :] * shares[..., None], LEAST, MOST)) <= 0.0
        if rounds == 0:
            hit = np.asarray(lost.any(axis=1))
        else:  # the end of the bracket is lost already, whatever rounding says now
            shares[:, -1], lost[:, -1] = high, True
        first = lost.argmax(axis=1)
        rows = np.arange(len(r))
        low, high = np.where(first > 0, shares[rows, first - 1], low), np.where(hit, shares[rows, first], high)
    return np.asarray(np.where(hit[:, None], np.clip(r * high[:, None], LEAST, MOST), np.nan))
