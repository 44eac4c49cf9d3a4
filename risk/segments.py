"""One measure over several scenario sets laid side by side: the largest of what each set says (RISK section 2).

    rho(l) = max( worst l over the rows of no set below, max over sets k of c_k·ES_k(l over the rows of set k) )

c_k turns terminal moves into the running maximum over the horizon. The maximum of subadditive measures is one.
"""

from dataclasses import dataclass

import numpy as np

from risk.arrays import F64
from risk.checks import number
from risk.errors import RiskInputError
from risk.unified import ExpectedShortfall, worst_of


@dataclass(frozen=True, slots=True)
class TailRows:
    """Rows [start, stop) of equally likely states, read by ES."""

    start: int
    stop: int
    level: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise RiskInputError(f"rows: [{self.start}, {self.stop}) is empty or below 0")
        number("level", self.level, 0.0, 1.0)
        if not 1.0 <= self.scale <= 2.0:
            raise RiskInputError(f"scale: {self.scale} must be in [1, 2]")


@dataclass(frozen=True, slots=True)
class LargestOf:
    """Worst row outside the tails, or the largest scaled ES of a tail, at least 0; later rows count singly."""

    tails: tuple[TailRows, ...]

    def __call__(self, losses: F64) -> F64:
        """Losses (..., S) to (...); raises RiskInputError where a tail lies beyond the rows."""
        single = np.ones(losses.shape[-1], dtype=np.bool_)
        found = np.zeros(losses.shape[:-1])
        for tail in self.tails:
            if tail.stop > losses.shape[-1]:
                raise RiskInputError(f"losses: has {losses.shape[-1]} rows, a tail ends at {tail.stop}")
            single[tail.start : tail.stop] = False
            part = ExpectedShortfall(tail.level)(losses[..., tail.start : tail.stop])
            found = np.maximum(found, tail.scale * part)
        return np.maximum(found, worst_of(losses[..., single])) if single.any() else found
