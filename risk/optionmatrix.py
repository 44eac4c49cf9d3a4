"""Option values over instruments x scenarios: once per price tick, by the compiled kernel or by numpy.

    value[i, s] = D_i · Black-76( F_i·growth_s, K_i, τ_i, σ_i·multiplier_s )

Growths and multipliers come in classes (rows), because many instruments share them: one row per risk factor and
one per tenor. Both engines give the same numbers to 1e-13 of the forward; numpy needs no compiler and serves small
books, where loading compiled code costs more than it saves.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr

from risk.checks import F64, I32, Bool, as_flags, as_floats, as_indices, between
from risk.errors import RiskInputError

Engine = Literal["numba", "numpy"]
LEAST = 1e-16
"""Deviations and multipliers below it count as it: an option at the money is then worth less than 1e-16 of F."""
WIDEST = 8.0
"""Largest σ√τ the compiled kernel takes; beyond it one exponential no longer serves both normal values."""
CHUNK = 16
"""Rows at a time in numpy: the temporaries stay in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class OptionRows:
    """Options and what moves them; n options, C growth rows, V multiplier rows, S scenarios."""

    is_call: Bool
    forward: F64
    strike: F64
    tau_years: F64
    vol: F64
    discount: F64
    shock: I32
    """(n,) row of ``growth``."""
    tenor: I32
    """(n,) row of ``multiplier``."""
    growth: F64
    """(C, S) > 0."""
    multiplier: F64
    """(V, S) >= 0."""

    def __post_init__(self) -> None:
        put, n = object.__setattr__, np.size(self.strike)
        put(self, "is_call", as_flags("options.is_call", self.is_call, (n,)))
        for name in ("forward", "strike", "tau_years", "vol", "discount"):
            put(self, name, as_floats(f"options.{name}", getattr(self, name), (n,)))
        for name in ("growth", "multiplier"):
            put(self, name, as_floats(f"options.{name}", getattr(self, name), np.shape(getattr(self, name))))
        if self.growth.ndim != 2 or self.growth.shape[1:] != self.multiplier.shape[1:]:
            shapes = f"{self.growth.shape} and {self.multiplier.shape}"
            raise RiskInputError(f"options.growth, multiplier: have shapes {shapes}, must be (rows, scenarios)")
        put(self, "shock", as_indices("options.shock", self.shock, (n,), 0, len(self.growth) - 1))
        put(self, "tenor", as_indices("options.tenor", self.tenor, (n,), 0, len(self.multiplier) - 1))
        for name in ("forward", "strike", "discount", "growth"):
            between(f"options.{name}", getattr(self, name), 0.0, above=True)
        for name in ("tau_years", "vol", "multiplier"):
            between(f"options.{name}", getattr(self, name), 0.0)

    @property
    def deviation(self) -> F64:
        """(n,) σ√τ."""
        return np.maximum(self.vol * np.sqrt(self.tau_years), LEAST)


def option_values(rows: OptionRows, engine: Engine = "numba") -> F64:
    """(n, S) values, USD per unit."""
    out = np.empty((len(rows.strike), rows.growth.shape[1]))
    if engine == "numpy":
        _plain(rows, np.arange(len(rows.strike)), out)
        return out
    from risk.optionkernel import option_rows

    # What the shared exponential cannot hold goes the plain way.
    reach = rows.multiplier.max(axis=1, initial=0.0)[rows.tenor]
    wide = rows.deviation * reach > WIDEST
    multiplier = np.maximum(rows.multiplier, LEAST)
    option_rows(
        np.where(rows.is_call, 1.0, -1.0),
        rows.forward * rows.discount,
        rows.strike * rows.discount,
        np.log(rows.forward / rows.strike),
        rows.deviation,
        rows.shock,
        rows.tenor,
        rows.growth,
        np.log(rows.growth),
        multiplier,
        1.0 / multiplier,
        out,
    )
    at = np.flatnonzero(wide)
    if len(at):
        part = np.empty((len(at), out.shape[1]))
        _plain(rows, at, part)
        out[at] = part
    return out


def _plain(rows: OptionRows, at: I32 | np.ndarray[tuple[int], np.dtype[np.intp]], out: F64) -> None:
    """The same in numpy, chunk by chunk, for options ``at``."""
    log_growth = np.log(rows.growth)
    sign = np.where(rows.is_call, 1.0, -1.0)
    held, paid = rows.forward * rows.discount, rows.strike * rows.discount
    moneyness, deviation = np.log(rows.forward / rows.strike), rows.deviation
    multiplier = np.maximum(rows.multiplier, LEAST)
    for start in range(0, len(at), CHUNK):
        pick = at[start : start + CHUNK]
        w, F, K = sign[pick, None], held[pick, None], paid[pick, None]
        width = deviation[pick, None] * multiplier[rows.tenor[pick]]
        d1 = (moneyness[pick, None] + log_growth[rows.shock[pick]]) / width
        d1 += 0.5 * width
        np.subtract(d1, width, out=width)
        d1 *= w
        width *= w
        forward = F * rows.growth[rows.shock[pick]]
        ndtr(d1, out=d1)
        ndtr(width, out=width)
        d1 *= forward
        width *= K
        d1 -= width
        d1 *= w
        forward -= K
        forward *= w
        np.maximum(d1, forward, out=d1)
        np.maximum(d1, 0.0, out=out[start : start + CHUNK])
