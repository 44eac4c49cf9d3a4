"""Liquidations that cause liquidations: a shock, what it lets liquidators close, what that does to prices, again.

    P_f       = P_f(now) · (1 + shock_f) · exp(-sign(Q_f) · Y · sigma_f · sqrt(|Q_f| / V_f))
    Q_f       net dollars of f that liquidations have sold so far (bought: negative), at the prices of their time
    S_a       = alpha_a · E_a(P) + cash_a - beta_a · kMM_a(P)     alpha, beta: what is left of the account's sides

All accounts with S_a < 0 are liquidated in one round by their venue's rule, then prices move, until none is left:

    debt      a share phi of the debt is repaid out of collateral worth (1 + ratio) times as much, while it lasts
    position  a share phi of everything is closed at the round's prices; its worth stays as cash, less
              ratio · notional
    all       the account ends; what is left goes to liquidators and the venue

phi is the close factor, 1 below the health where all may be closed and for what is worth less than ``DUST_USD``.
What an account owes beyond what it has is the venue's bad debt. Only the given accounts act; others would fall
too, so this is a lower bound of the spiral. Stable factors have no impact.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from risk.addons import price_impact
from risk.arrays import REQUIREMENTS, Csr, PortfolioArrays
from risk.checks import F64, as_floats, as_indices, between, number
from risk.errors import RiskInputError
from risk.paramfile import Within
from risk.pricing import unit_values
from risk.revalue import shocked_prices, shocked_quotes

DEBT, POSITION, ALL = range(3)
DUST_USD = 100.0
MAX_ROUNDS = 500
BUMP = 1e-4

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class ClosingRules:
    """How each account (A) is liquidated."""

    closing: npt.NDArray[np.int32]
    """DEBT, POSITION or ALL."""
    ratio: F64
    close_factor: F64
    full_below_health: F64

    def check(self, accounts: int) -> None:
        """Raise ``RiskInputError`` for another count or shares out of bounds."""
        as_indices("rules.closing", self.closing, (accounts,), DEBT, ALL)
        for name, low, high in (("ratio", 0.0, 1.0), ("close_factor", 1e-6, 1.0), ("full_below_health", 0.0, 1.0)):
            values = as_floats(f"rules.{name}", getattr(self, name), (accounts,))
            between(f"rules.{name}", values, low, high)


@dataclass(frozen=True, slots=True)
class Depth:
    """What trading does to prices."""

    volume_usd: F64
    """(F,) daily volume that liquidations trade against."""
    coefficient: Annotated[float, Within(0.0, 10.0)]

    def __post_init__(self) -> None:
        between("depth.volume_usd", np.asarray(self.volume_usd, dtype=np.float64), 0.0, above=True)
        number("depth.coefficient", self.coefficient, 0.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """What happened at one set of prices."""

    moves: F64
    """(F,) relative to the prices before the shock."""
    accounts: Rows
    """Rows that were liquidated."""
    sold_usd: F64
    """(F,) net, negative = bought."""
    penalty_usd: F64
    """(A,) taken by liquidators and venues."""
    bad_debt_usd: F64
    """(A,) left to the venue."""
    penalty_of_usd: F64
    """(F,) penalties by what was closed: the collateral that was seized, else the positions, by dollar delta."""
    bad_debt_of_usd: F64
    """(F,) bad debt by what is owed, else by the positions. Neither holds what lies in no factor (cash at par)."""


@dataclass(frozen=True, slots=True, eq=False)
class Cascade:
    """A cascade to its end."""

    rounds: tuple[Round, ...]
    moves: F64
    """(F,) at the end, relative to before the shock."""
    settled: bool
    """False where it was cut off after ``MAX_ROUNDS``."""
    surplus: F64
    """(A,) at the end; 0 for accounts that ended."""

    @property
    def penalty_usd(self) -> F64:
        """(A,) over all rounds."""
        return np.asarray(sum((r.penalty_usd for r in self.rounds), np.zeros_like(self.surplus)))

    @property
    def bad_debt_usd(self) -> F64:
        """(A,) over all rounds."""
        return np.asarray(sum((r.bad_debt_usd for r in self.rounds), np.zeros_like(self.surplus)))

    @property
    def penalty_of_usd(self) -> F64:
        """(F,) over all rounds."""
        return np.asarray(sum((r.penalty_of_usd for r in self.rounds), np.zeros_like(self.moves)))

    @property
    def bad_debt_of_usd(self) -> F64:
        """(F,) over all rounds."""
        return np.asarray(sum((r.bad_debt_of_usd for r in self.rounds), np.zeros_like(self.moves)))

    @property
    def sold_usd(self) -> F64:
        """(F,) net over all rounds."""
        return np.asarray(sum((r.sold_usd for r in self.rounds), np.zeros_like(self.moves)))


def cascade(portfolio: PortfolioArrays, rules: ClosingRules, shock: F64, depth: Depth) -> Cascade:
    """Let a shock run through the accounts.

    Parameters
    ----------
    shock
        (F,) relative move of each factor, above -1.

    Raises
    ------
    RiskInputError
        For shapes, rules or moves that cannot be used.
    """
    factors = len(portfolio.factors.names)
    rules.check(portfolio.count)
    moved = as_floats("shock", shock, (factors,))
    between("shock", moved, -1.0, above=True)
    volume = as_floats("depth.volume_usd", depth.volume_usd, (factors,))
    between("depth.volume_usd", volume, 0.0, above=True)
    if not 0.0 <= depth.coefficient <= 10.0:
        raise RiskInputError(f"depth.coefficient: {depth.coefficient} must be from 0 to 10")
    book, sold = _Book(portfolio, rules), np.zeros(factors)
    rounds: list[Round] = []
    moves = moved
    for _ in range(MAX_ROUNDS):
        done = book.liquidate(moves)
        if done is None:
            return Cascade(tuple(rounds), moves, True, book.surplus(moves))
        rounds.append(done)
        sold = sold + done.sold_usd
        impact = np.sign(sold) * price_impact(sold, volume, portfolio.factors.sigma_day, depth.coefficient)
        impact[portfolio.factors.is_stable] = 0.0
        moves = np.asarray((1.0 + moved) * np.exp(-impact) - 1.0)
    return Cascade(tuple(rounds), moves, False, book.surplus(moves))


class _Book:
    """What is left of every account."""

    def __init__(self, portfolio: PortfolioArrays, rules: ClosingRules) -> None:
        self.portfolio, self.rules = portfolio, rules
        self.alpha, self.beta = np.ones(portfolio.count), np.ones(portfolio.count)
        self.cash = np.zeros(portfolio.count)
        debts = portfolio.value.minimum(0)
        self.owed = -debts
        counted = portfolio.equity.copy()
        counted.data = (counted.data != 0.0).astype(np.float64)
        self.pledged: Csr = csr_array((portfolio.value - debts) * counted)
        unit = self._units(np.zeros(len(portfolio.factors.names)))
        # Exposures may miss the stated surplus by the venue's rounding.
        self.cash = portfolio.surplus - portfolio.net() @ unit

    def _units(self, moves: F64) -> F64:
        """(N,) unit values at the prices after ``moves``."""
        still = np.zeros((1, len(self.portfolio.factors.basis_names)))
        price = shocked_prices(self.portfolio, moves[None], still)
        quote = shocked_quotes(self.portfolio, moves[None], still)
        return np.asarray(unit_values(self.portfolio.instruments, price, quote=quote)[:, 0])

    def _deltas(self, moves: F64) -> F64:
        """(N, F) dollars of one unit per relative move of each factor, at the prices after ``moves``."""
        columns = []
        for factor in range(len(moves)):
            bump = np.zeros_like(moves)
            bump[factor] = BUMP
            ahead, behind = ((1.0 + moves) * (1.0 + sign * bump) - 1.0 for sign in (1, -1))
            columns.append((self._units(ahead) - self._units(behind)) / (2.0 * BUMP))
        deltas = np.stack(columns, axis=1)
        deltas[self.portfolio.instruments.is_kind(*REQUIREMENTS)] = 0.0
        return np.asarray(deltas)

    def _sides(self, unit: F64) -> tuple[F64, F64]:
        """(A,) equity and requirement of what is left."""
        equity = self.alpha * (self.portfolio.equity @ unit) + self.cash
        return np.asarray(equity), np.asarray(self.beta * (self.portfolio.requirement @ unit))

    def surplus(self, moves: F64) -> F64:
        """(A,) at the prices after ``moves``."""
        equity, required = self._sides(self._units(moves))
        return equity - required

    def liquidate(self, moves: F64) -> Round | None:
        """One round at these prices; None where nobody can be liquidated."""
        unit = self._units(moves)
        equity, required = self._sides(unit)
        hit = np.flatnonzero((equity < required) & (required > 0.0))
        if not len(hit):
            return None
        share = np.where(equity < self.rules.full_below_health * required, 1.0, self.rules.close_factor)
        share = np.where(required < DUST_USD, 1.0, share)
        deltas = self._deltas(moves)
        sold = np.zeros(len(moves))
        penalty, bad = np.zeros(self.portfolio.count), np.zeros(self.portfolio.count)
        for closing, close in ((DEBT, self._repay), (POSITION, self._close), (ALL, self._end)):
            rows = hit[self.rules.closing[hit] == closing]
            if len(rows):
                sold += close(rows, share[rows], unit, deltas, equity, required, penalty, bad)
        return Round(moves, hit, sold, penalty, bad, *self._by_factor(hit, deltas, penalty, bad))

    def _by_factor(self, hit: Rows, deltas: F64, penalty: F64, bad: F64) -> tuple[F64, F64]:
        """(F,) penalties and bad debt of a round, shared among the factors of each account."""
        crypto = deltas * ~self.portfolio.factors.is_stable
        loans = self.rules.closing[hit] == DEBT
        closed = np.abs(np.asarray(self.portfolio.value[hit] @ crypto))
        taken = np.where(loans[:, None], np.abs(np.asarray(self.pledged[hit] @ deltas)), closed)
        owed = np.where(loans[:, None], np.abs(np.asarray(self.owed[hit] @ deltas)), closed)
        return penalty[hit] @ _shares(taken), bad[hit] @ _shares(owed)

    def _repay(
        self, rows: Rows, share: F64, unit: F64, deltas: F64, _: F64, required: F64, penalty: F64, bad: F64
    ) -> F64:
        """Debt out of collateral; (F,) dollars sold."""
        ratio, debt = self.rules.ratio[rows], required[rows]
        pledged: F64 = np.asarray(self.alpha[rows] * (self.pledged[rows] @ unit))
        repaid = np.minimum(share * debt, pledged / (1.0 + ratio))
        seized = np.divide(repaid * (1.0 + ratio), pledged, out=np.ones_like(debt), where=pledged > 0.0)
        part = repaid / debt
        out = (seized * self.alpha[rows]) @ (self.pledged[rows] @ deltas)
        back = (part * self.beta[rows]) @ (self.owed[rows] @ deltas)
        self.alpha[rows] *= 1.0 - seized
        self.beta[rows] *= 1.0 - part
        gone = (seized >= 1.0 - 1e-12) & (part < 1.0 - 1e-12)
        bad[rows] = np.where(gone, debt * (1.0 - part), 0.0)
        self._clear(rows[gone | (part >= 1.0 - 1e-12)], keep_equity=True)
        penalty[rows] = repaid * ratio
        return np.asarray(out - back)

    def _close(
        self, rows: Rows, share: F64, unit: F64, deltas: F64, equity: F64, _: F64, penalty: F64, bad: F64
    ) -> F64:
        """Positions at the market; (F,) dollars sold."""
        left = self.alpha[rows] * share
        crypto = deltas * ~self.portfolio.factors.is_stable
        notional = left * np.abs(np.asarray(self.portfolio.value[rows] @ crypto)).sum(axis=1)
        penalty[rows] = self.rules.ratio[rows] * notional
        self.cash[rows] += left * (self.portfolio.equity[rows] @ unit) - penalty[rows]
        out = left @ (self.portfolio.value[rows] @ crypto)
        self.alpha[rows] *= 1.0 - share
        self.beta[rows] *= 1.0 - share
        whole = rows[share >= 1.0]
        bad[whole] = np.maximum(0.0, -self.cash[whole])
        self.cash[whole] = np.maximum(0.0, self.cash[whole])
        return np.asarray(out)

    def _end(
        self, rows: Rows, _: F64, unit: F64, deltas: F64, equity: F64, required: F64, penalty: F64, bad: F64
    ) -> F64:
        """Everything; (F,) dollars sold."""
        penalty[rows] = np.maximum(0.0, equity[rows])
        bad[rows] = np.maximum(0.0, -equity[rows])
        out = self.alpha[rows] @ (self.portfolio.value[rows] @ (deltas * ~self.portfolio.factors.is_stable))
        self._clear(rows, keep_equity=False)
        return np.asarray(out)

    def _clear(self, rows: Rows, *, keep_equity: bool) -> None:
        """Nothing is required any more; the account cannot be liquidated again."""
        self.beta[rows] = 0.0
        if not keep_equity:
            self.alpha[rows], self.cash[rows] = 0.0, 0.0


def _shares(weights: F64) -> F64:
    """(R, F) weights that sum to 1 in each row, 0 where a row has none."""
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0.0))
