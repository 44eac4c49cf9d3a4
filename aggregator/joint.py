"""How crypto prices move together, for the copula: one correlation of all pairs, or that of the price history.

From a history: daily log returns divided by the EWMA volatility known the day before, weights 0.97 a day,
Ledoit-Wolf shrinkage (``risk/correlation.py``). Pairs of which one coin has no history keep the one figure; where
that leaves no positive definite matrix, all are drawn towards it, no more than is needed.
"""

from dataclasses import dataclass, field

import numpy as np

from aggregator.errors import ConfigError
from aggregator.history import PriceHistory
from risk.arrays import F64, FactorArrays
from risk.correlation import shrunk_correlation
from risk.volatility import ewma_variance

DECAY = 0.97
WARM = 60
"""Days before the first that counts: the volatility estimate has to forget where it began."""
LEAST = 1e-3
"""Eigenvalue that every correlation matrix keeps."""


@dataclass(frozen=True, slots=True, eq=False)
class JointMoves:
    """Correlation between factors; stable ones move on their own."""

    between: float
    """Of any pair that the history does not know, in [0, 1)."""
    names: tuple[str, ...] = ()
    matrix: F64 = field(default_factory=lambda: np.zeros((0, 0)))
    """(n, n) of the names, from the history."""

    def of(self, factors: FactorArrays) -> F64:
        """(F, F) positive definite."""
        crypto = ~factors.is_stable
        plain = np.where(np.outer(crypto, crypto), self.between, 0.0)
        np.fill_diagonal(plain, 1.0)
        at = [i for i, name in enumerate(factors.names) if name in self.names and crypto[i]]
        if not at:
            return np.asarray(plain, dtype=np.float64)
        known = [self.names.index(factors.names[i]) for i in at]
        mixed = plain.copy()
        mixed[np.ix_(at, at)] = self.matrix[np.ix_(known, known)]
        least, most = (float(np.linalg.eigvalsh(matrix)[0]) for matrix in (mixed, plain))
        drawn = 0.0 if least >= LEAST or most <= least else min(1.0, (LEAST - least) / (most - least))
        return np.asarray((1.0 - drawn) * mixed + drawn * plain, dtype=np.float64)

    def __repr__(self) -> str:
        """All digits: parameter hashes are made of it."""
        return f"JointMoves({self.between!r}, {self.names!r}, {self.matrix.tolist()!r})"


def joint_moves(between: float, history: PriceHistory | None) -> JointMoves:
    """From the history where there is one; raises ConfigError if it is too short, HistoryError for odd steps."""
    if history is None:
        return JointMoves(between)
    moves = np.diff(np.log(history.daily_close()), axis=0)
    moves = moves[np.isfinite(moves).all(axis=1)]
    if len(moves) <= 2 * WARM:
        raise ConfigError(f"model.history: has {len(moves)} days with all prices, needs more than {2 * WARM}")
    standard = moves / np.sqrt(ewma_variance(moves, DECAY)[:-1])
    return JointMoves(between, tuple(history.assets), shrunk_correlation(standard[WARM:], DECAY).matrix)
