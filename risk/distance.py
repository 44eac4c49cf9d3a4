"""Distance to liquidation: the smallest move along one direction that makes S_a <= 0 (RISK section 3).

    S_a(x) = S_a + sum_i net_ai · ( u_i(P_i · (1 + x)) - u_i(P_i) ) over the instruments i that the direction moves

Everything else stays as it is (basis, vol, time). Linear accounts: x* = -S_a / L_a with L_a the dollar exposure
along the direction. Others: the first change of sign on a log grid of both sides (the kinks, strikes and fee
bounds, are grid points), then by ITP until the bracket is below 1e-10; its losing end is returned, so
S_a(x*) <= 0. Moves are searched in (-100 %, +1000 %].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from risk.arrays import (
    FEE_MAX,
    FEE_MIN,
    FEE_RATIO,
    FEE_SIZE,
    FLOOR_SPOT_SHOCK,
    FLOORS,
    LP_LOWER,
    LP_UPPER,
    NONLINEAR,
    OPTIONS,
    Csr,
    InstrumentArrays,
    Kind,
    PortfolioArrays,
)
from risk.checks import F64, Bool
from risk.errors import RiskInputError
from risk.pricing import linear_slopes, unit_values, value_of

Along = int | Literal["crypto", "stable"]
"""A factor's index, all factors that are not stable together, or all stable ones together."""

FALL, RISE = -1.0 + 1e-9, 10.0
GRID_POINTS = 256
FIRST_STEP = 1e-4
TOLERANCE = 1e-10
STEPS = 60
INWARD = 0.2
"""How far beyond the secant's zero, towards the middle, per width of the bracket: both its ends then close in."""
CHUNK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Distance:
    """How far each account is from liquidation along one direction."""

    move: F64
    """(A,) signed relative move, -0.12 = a fall of 12 %; 0 when S_a <= 0 now, +inf when no move does it."""
    sigmas: F64
    """(A,) |ln(1 + move)| in daily volatilities (of a group: the largest the account is exposed to), or +inf."""


def distance_to_liquidation(portfolio: PortfolioArrays, along: Along) -> Distance:
    """Smallest move along a factor, all crypto or all stablecoins that makes each account liquidatable.

    Raises ``RiskInputError`` for a factor index out of range or an unknown direction.
    """
    chosen = _chosen_factors(portfolio, along)
    instruments = portfolio.instruments
    moved, second = (
        (index >= 0) & np.append(chosen, False)[index] for index in (instruments.factor, instruments.quote_factor)
    )
    net = portfolio.net()
    move = _linear_moves(portfolio, net, moved)
    bent = np.asarray(abs(net) @ ((moved | second) & instruments.is_kind(*NONLINEAR)).astype(np.float64)) > 0.0
    rows = np.flatnonzero(bent & (portfolio.surplus > 0.0))
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        book = _Book(instruments, net[part], moved, second, portfolio.surplus[part])
        move[part] = book.smallest_move()
    move[portfolio.surplus <= 0.0] = 0.0
    return Distance(move=move, sigmas=np.abs(np.log1p(move)) / _sigma(portfolio, net, chosen))


def _chosen_factors(portfolio: PortfolioArrays, along: Along) -> Bool:
    """(F,) true for the factors that move."""
    stable = portfolio.factors.is_stable
    if along == "crypto":
        return ~stable
    if along == "stable":
        return stable.copy()
    if along not in range(len(stable)):
        last = len(stable) - 1
        raise RiskInputError(f"along: {along!r} must be 'crypto', 'stable' or a factor from 0 to {last}")
    chosen: Bool = np.arange(len(stable)) == along
    return chosen


def _sigma(portfolio: PortfolioArrays, net: Csr, chosen: Bool) -> F64:
    """(A,) largest daily volatility among the chosen factors that the account is exposed to."""
    instruments = portfolio.instruments
    largest, held = np.zeros(portfolio.count), abs(net)
    for index in np.flatnonzero(chosen):
        of = (instruments.factor == index) | (instruments.quote_factor == index)
        exposed = np.asarray(held @ of.astype(np.float64)) > 0.0
        largest[exposed] = np.maximum(largest[exposed], portfolio.factors.sigma_day[index])
    # An account without exposure never moves: any volatility gives inf.
    return np.where(largest > 0.0, largest, 1.0)


def _linear_moves(portfolio: PortfolioArrays, net: Csr, moved: Bool) -> F64:
    """(A,) -S/L inside the range, else inf; right for accounts whose moved instruments are linear."""
    slope = np.asarray(net @ np.where(moved, linear_slopes(portfolio.instruments), 0.0))
    move = np.full(portfolio.count, np.inf)
    np.divide(-portfolio.surplus, slope, out=move, where=slope != 0.0)
    return np.where((move > FALL) & (move <= RISE), move, np.inf)


class _Book:
    """Accounts with nonlinear instruments, all of S > 0 now; M accounts, n moved instruments."""

    def __init__(self, instruments: InstrumentArrays, net: Csr, moved: Bool, second: Bool, surplus: F64) -> None:
        self.instruments = instruments
        self.columns = np.flatnonzero(moved | second)
        self.first, self.second = moved.astype(np.float64), second.astype(np.float64)
        self.net = net[:, self.columns]
        self.surplus = surplus
        self.now = value_of(instruments)

    def smallest_move(self) -> F64:
        """(M,) signed move, inf when neither side liquidates."""
        fall, rise = self._crossing(FALL), self._crossing(RISE)
        return np.where(np.abs(fall) <= np.abs(rise), fall, rise)

    def _crossing(self, end: float) -> F64:
        """(M,) first crossing between 0 and ``end``, else inf."""
        grid = self._grid(end)
        values = self._values(self.columns, np.broadcast_to(grid, (len(self.columns), len(grid))))
        changes = values - self.now[self.columns, None]
        left = np.column_stack([np.asarray(self.net @ changes) + self.surplus[:, None], self.surplus])
        lost = left[:, :-1] <= 0.0
        hit = np.flatnonzero(lost.any(axis=1))
        first = lost[hit].argmax(axis=1)
        crossing = np.full(len(self.surplus), np.inf)
        moves = np.append(grid, 0.0)  # before the first comes no move at all
        ends = ((moves[at], left[hit, at]) for at in (first - 1, first))
        crossing[hit] = self._narrow(hit, *ends)
        return crossing

    def _values(self, rows: npt.NDArray[np.intp], moves: F64) -> F64:
        """(R, G) unit values of some rows, each after (R, G) moves of those of its prices that move."""
        price = self.instruments.price[rows, None] * (1.0 + moves * self.first[rows, None])
        quote = self.instruments.quote_price[rows, None] * (1.0 + moves * self.second[rows, None])
        return unit_values(self.instruments, price, rows=rows, quote=quote)

    def _narrow(self, accounts: npt.NDArray[np.intp], before: tuple[F64, F64], behind: tuple[F64, F64]) -> F64:
        """Shrink brackets to the tolerance; the losing end of each. An end is a move, and the surplus left there.

        By the ITP method (Oliveira, Takahashi 2020, ACM Trans. Math. Softw. 47): it looks near the secant's zero,
        and takes one step more than halving at worst.
        """
        surplus = self._surplus_of(accounts)
        (low, at_low), (high, at_high) = before, behind
        first = np.abs(high - low)
        radius = TOLERANCE * np.exp2(np.ceil(np.log2(np.maximum(first / TOLERANCE, 1.0))))
        for _ in range(STEPS):
            width = high - low
            if np.max(np.abs(width), initial=0.0) <= TOLERANCE:
                break
            middle = 0.5 * (low + high)
            secant = low + width * (at_low / (at_low - at_high))
            inward = np.sign(middle - secant) * np.minimum(np.abs(middle - secant), INWARD * width**2 / first)
            reach = np.maximum(radius - 0.5 * np.abs(width), 0.0)
            looked = middle + np.clip(secant + inward - middle, -reach, reach)
            found = surplus(looked)
            lost = found <= 0.0
            low, at_low = np.where(lost, low, looked), np.where(lost, at_low, found)
            high, at_high = np.where(lost, looked, high), np.where(lost, found, at_high)
            radius = 0.5 * radius
        return high

    def _surplus_of(self, accounts: npt.NDArray[np.intp]) -> Callable[[F64], F64]:
        """Surplus of each of some accounts after a move of its own."""
        entries = self.net[accounts].tocoo()
        row, column = entries.coords[0], self.columns[entries.coords[1]]
        now, held = self.now[column], self.surplus[accounts]

        def surplus(moves: F64) -> F64:
            change = entries.data * (self._values(column, moves[row][:, None])[:, 0] - now)
            return held + np.bincount(row, change, minlength=len(held))

        return surplus

    def _grid(self, end: float) -> F64:
        """(G,) moves from the smallest to ``end`` on one side, log spaced, kinks among them."""
        sign = np.sign(end)
        logs = sign * np.geomspace(FIRST_STEP, abs(np.log1p(end)), GRID_POINTS)
        kinks = _kinks(self.instruments)[self.columns] / self.instruments.price[self.columns, None] - 1.0
        inside = kinks[np.isfinite(kinks) & (sign * kinks > 0.0) & (np.abs(kinks) < abs(end))]
        points = np.unique(np.concatenate([np.expm1(logs[:-1]), inside, [end]]))
        return points if sign > 0 else points[::-1]


def _kinks(instruments: InstrumentArrays) -> F64:
    """(N, 2) underlying prices where a unit value bends sharply, NaN for none."""
    kinks = np.full((instruments.count, 2), np.nan)
    options, floors = instruments.is_kind(*OPTIONS), instruments.is_kind(*FLOORS)
    fees = instruments.is_kind(Kind.CLIPPED_FEE)
    extra = instruments.extra
    kinks[options, 0] = instruments.strike[options]
    kinks[floors, 0] = instruments.strike[floors] / extra[floors, FLOOR_SPOT_SHOCK]
    ranges = instruments.is_kind(Kind.LP_RANGE)
    for column, edge in enumerate((LP_LOWER, LP_UPPER)):  # where the quote moves too there is no kink: harmless
        kinks[ranges, column] = extra[ranges, edge] * instruments.quote_price[ranges]
    per_usd = extra[fees, FEE_SIZE] * extra[fees, FEE_RATIO]
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks[fees, 0] = extra[fees, FEE_MIN] / per_usd
        kinks[fees, 1] = extra[fees, FEE_MAX] / per_usd
    return kinks
