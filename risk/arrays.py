"""The arrays that the aggregator hands over: instruments, risk factors, portfolios (RISK section 1 and 2).

Letters of the shapes: A venue accounts, N instruments, F risk factors, B basis factors, S scenarios.
All arrays are copied, checked and made read-only when an object is built; ``check`` may be called again at
any public edge.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias, cast

import numpy as np
from scipy.sparse import csr_array

from risk.checks import F64, I32, Bool, as_flags, as_floats, as_indices, between, distinct, require
from risk.errors import RiskInputError

__all__ = ["F64", "I32", "Bool", "Csr", "FactorArrays", "InstrumentArrays", "Kind", "PortfolioArrays"]

Csr: TypeAlias = "csr_array[np.float64, tuple[int, int]]"

NONE = -1
"""Index of an instrument that moves with no factor, or has no basis of its own."""
EXTRA_COLUMNS = 8

# Columns of ``extra`` for CLIPPED_FEE.
FEE_SIZE, FEE_RATIO, FEE_MIN, FEE_MAX = range(4)
# Columns of ``extra`` for the SHORT_FLOOR kinds; NaN or inf in a FULL column = no upper bound.
FLOOR_AMOUNT, FLOOR_VOL, FLOOR_SPOT_SHOCK = range(3)
FLOOR_MIN_QUOTE, FLOOR_MIN_BASE, FLOOR_FULL_QUOTE, FLOOR_FULL_BASE = range(3, 7)
# Columns of ``extra`` for LP_RANGE: prices of base in quote.
LP_LOWER, LP_UPPER = range(2)

MAX_VOL = 20.0
"""Per year; 0.8 = 80 %. Above it somebody passed per cent."""
MAX_RATE = 5.0
MAX_SIGMA_DAY = 2.0


class Kind(IntEnum):
    """What an instrument is; mirrors the instruments of the chain layer."""

    FIXED = 0
    SPOT = 1
    PERP = 2
    CALL = 3
    PUT = 4
    CLIPPED_FEE = 5
    SHORT_FLOOR_CALL_QUOTE = 6
    SHORT_FLOOR_CALL_BASE = 7
    SHORT_FLOOR_PUT = 8
    LP_RANGE = 9
    DEBT = 10
    FUTURE = 11
    INVERSE_PERP = 12
    INVERSE_FUTURE = 13


OPTIONS = (Kind.CALL, Kind.PUT)
INVERSE = (Kind.INVERSE_PERP, Kind.INVERSE_FUTURE)
"""Contracts worth 1 USD each that settle in the coin; ``strike`` holds the entry price."""
FLOORS = (Kind.SHORT_FLOOR_CALL_QUOTE, Kind.SHORT_FLOOR_CALL_BASE, Kind.SHORT_FLOOR_PUT)
REQUIREMENTS = (Kind.CLIPPED_FEE, *FLOORS)
"""Kinds that are a venue's requirement, not an asset: they cannot be part of economic value."""
NONLINEAR = (*OPTIONS, *REQUIREMENTS, Kind.LP_RANGE)


def _no_indices() -> I32:
    return np.empty(0, dtype=np.int32)


def _no_prices() -> F64:
    return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentArrays:
    """Instruments, one row each. What does not apply to a kind is NaN and never read."""

    kind: I32
    """(N,) ``Kind``."""
    factor: I32
    """(N,) index of the risk factor; -1 for FIXED only: everything else must move with something."""
    basis: I32
    """(N,) index of the basis factor, -1 = none."""
    price: F64
    """(N,) USD price of the underlying that the venue uses; 1 for FIXED."""
    strike: F64
    """(N,) USD; option and floor kinds; the entry price of INVERSE kinds."""
    expiry_s: F64
    """(N,) seconds to expiry, 0 when past; option, floor and dated future kinds."""
    vol: F64
    """(N,) per year of 365 days, 0.8 = 80 %; option kinds."""
    rate: F64
    """(N,) per year: carry of options, floors and futures, interest of DEBT, funding that longs of perps pay."""
    extra: F64
    """(N, 8) parameters of the kinds that have any, columns FEE_*, FLOOR_* and LP_*."""
    quote_factor: I32 = field(default_factory=_no_indices)
    """(N,) index of the risk factor of the second token; -1 for all but LP_RANGE. Empty = no LP_RANGE."""
    quote_basis: I32 = field(default_factory=_no_indices)
    """(N,) index of the second token's basis factor, -1 = none."""
    quote_price: F64 = field(default_factory=_no_prices)
    """(N,) USD price of the second token; LP_RANGE."""

    def __post_init__(self) -> None:
        n = len(np.atleast_1d(np.asarray(self.kind)))
        put = object.__setattr__
        put(self, "kind", as_indices("instruments.kind", self.kind, (n,), 0, max(Kind)))
        for name in ("factor", "basis"):
            put(self, name, as_indices(f"instruments.{name}", getattr(self, name), (n,), NONE, 2**31 - 1))
        for name in ("price", "strike", "expiry_s", "vol", "rate"):
            put(self, name, as_floats(f"instruments.{name}", getattr(self, name), (n,)))
        put(self, "extra", as_floats("instruments.extra", self.extra, (n, EXTRA_COLUMNS)))
        for name in ("quote_factor", "quote_basis"):
            given = getattr(self, name) if len(getattr(self, name)) else np.full(n, NONE, dtype=np.int32)
            put(self, name, as_indices(f"instruments.{name}", given, (n,), NONE, 2**31 - 1))
        quote = self.quote_price if len(self.quote_price) else np.full(n, np.nan)
        put(self, "quote_price", as_floats("instruments.quote_price", quote, (n,)))
        self.check()

    @property
    def count(self) -> int:
        """N."""
        return len(self.kind)

    def check(self) -> None:
        """Raise ``RiskInputError`` unless every field that its kind reads is in bounds."""
        fixed = self.is_kind(Kind.FIXED)
        between("instruments.price", self.price, 0.0, above=True)
        require("instruments.price", self.price, fixed & (self.price != 1.0), "1 for FIXED")
        require("instruments.factor", self.factor, fixed & (self.factor != NONE), "-1 for FIXED")
        require("instruments.factor", self.factor, ~fixed & (self.factor < 0), "a factor (only FIXED has none)")
        require("instruments.basis", self.basis, fixed & (self.basis != NONE), "-1 for FIXED")
        option = self.is_kind(*OPTIONS)
        dated = option | self.is_kind(*FLOORS)
        future = self.is_kind(Kind.FUTURE, Kind.INVERSE_FUTURE)
        rated = dated | future | self.is_kind(Kind.DEBT, Kind.INVERSE_PERP)
        # A perp's funding rate may be left out: what is not known drifts elsewhere, as carry.
        rated |= self.is_kind(Kind.PERP) & ~np.isnan(self.rate)
        between("instruments.strike", self.strike, 0.0, where=dated | self.is_kind(*INVERSE), above=True)
        between("instruments.expiry_s", self.expiry_s, 0.0, where=dated | future)
        between("instruments.rate", self.rate, -MAX_RATE, MAX_RATE, where=rated)
        between("instruments.vol", self.vol, 0.0, MAX_VOL, where=option)
        self._check_fees()
        self._check_floors()
        self._check_ranges()

    def is_kind(self, *kinds: Kind) -> Bool:
        """(N,) true where the kind is one of ``kinds``."""
        found: Bool = self.kind == kinds[0]
        for kind in kinds[1:]:
            found = found | (self.kind == kind)
        return found

    def _check_fees(self) -> None:
        fee = self.is_kind(Kind.CLIPPED_FEE)
        for name, column in (("size", FEE_SIZE), ("fee_ratio", FEE_RATIO), ("fee_min", FEE_MIN)):
            between(f"instruments.extra.{name}", self.extra[:, column], 0.0, where=fee)
        top = self.extra[:, FEE_MAX]
        bad = fee & ~(np.isfinite(top) & (top >= self.extra[:, FEE_MIN]))
        require("instruments.extra.fee_max", top, bad, "finite and >= fee_min")

    def _check_floors(self) -> None:
        floor = self.is_kind(*FLOORS)
        base = self.is_kind(Kind.SHORT_FLOOR_CALL_BASE)
        between("instruments.extra.amount", self.extra[:, FLOOR_AMOUNT], 0.0, where=floor)
        between("instruments.extra.shock_vol", self.extra[:, FLOOR_VOL], 0.0, MAX_VOL, where=floor)
        between("instruments.extra.spot_shock", self.extra[:, FLOOR_SPOT_SHOCK], 0.0, where=floor, above=True)
        between("instruments.extra.static_min_quote", self.extra[:, FLOOR_MIN_QUOTE], 0.0, where=floor & ~base)
        between("instruments.extra.static_min_base", self.extra[:, FLOOR_MIN_BASE], 0.0, where=base)
        for name, column in (("full_quote", FLOOR_FULL_QUOTE), ("full_base", FLOOR_FULL_BASE)):
            full = self.extra[:, column]
            require(f"instruments.extra.{name}", full, floor & (full < 0.0), ">= 0, or NaN for none")

    def _check_ranges(self) -> None:
        lp = self.is_kind(Kind.LP_RANGE)
        require("instruments.quote_factor", self.quote_factor, lp & (self.quote_factor < 0), "a factor")
        require("instruments.quote_factor", self.quote_factor, ~lp & (self.quote_factor != NONE), "-1")
        between("instruments.quote_price", self.quote_price, 0.0, where=lp, above=True)
        lower, upper = self.extra[:, LP_LOWER], self.extra[:, LP_UPPER]
        between("instruments.extra.lower", lower, 0.0, where=lp, above=True)
        require("instruments.extra.upper", upper, lp & ~(np.isfinite(upper) & (upper > lower)), "finite, > lower")


@dataclass(frozen=True, slots=True, eq=False)
class FactorArrays:
    """Risk factors (what prices move with) and basis factors (what parts a venue's form from its factor)."""

    names: tuple[str, ...]
    """(F,)."""
    sigma_day: F64
    """(F,) daily volatility of log returns, 0.04 = 4 %."""
    is_stable: Bool
    """(F,) pegged to the dollar: moved by depeg rows only, never by crypto rows."""
    basis_names: tuple[str, ...]
    """(B,)."""
    basis_shock: F64
    """(B,) relative size of the basis shock, 0.01 = 1 %."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        shape, basis_shape = (len(self.names),), (len(self.basis_names),)
        put(self, "sigma_day", as_floats("factors.sigma_day", self.sigma_day, shape))
        put(self, "is_stable", as_flags("factors.is_stable", self.is_stable, shape))
        put(self, "basis_shock", as_floats("factors.basis_shock", self.basis_shock, basis_shape))
        self.check()

    def check(self) -> None:
        """Raise ``RiskInputError`` unless names are distinct, volatilities > 0 and basis shocks in [0, 0.95]."""
        distinct("factors.names", self.names)
        distinct("factors.basis_names", self.basis_names)
        between("factors.sigma_day", self.sigma_day, 0.0, MAX_SIGMA_DAY, above=True)
        between("factors.basis_shock", self.basis_shock, 0.0, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioArrays:
    """Venue accounts as units of instruments. All of V, E and k·MM are linear in the instruments' unit values."""

    instruments: InstrumentArrays
    factors: FactorArrays
    value: Csr
    """(A, N) units in economic value V."""
    equity: Csr
    """(A, N) units in equity E."""
    requirement: Csr
    """(A, N) units in the venue's own requirement k·MM, positive."""
    surplus: F64
    """(A,) current S = E - k·MM in USD, at the venue's own prices."""
    mm: F64
    """(A,) current k·MM in USD."""
    _net: "Csr | None" = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        a = len(np.atleast_1d(np.asarray(self.surplus)))
        for name in ("surplus", "mm"):
            put(self, name, as_floats(f"portfolio.{name}", getattr(self, name), (a,)))
        for name in ("value", "equity", "requirement"):
            put(self, name, _frozen_csr(f"portfolio.{name}", getattr(self, name), (a, self.instruments.count)))
        self._check_own()  # instruments and factors were checked when they were built, and cannot change

    @property
    def count(self) -> int:
        """A."""
        return len(self.surplus)

    def check(self) -> None:
        """Raise ``RiskInputError`` unless figures are finite, indices in range and value holds assets only."""
        self.instruments.check()
        self.factors.check()
        self._check_own()

    def _check_own(self) -> None:
        last, last_basis = len(self.factors.names) - 1, len(self.factors.basis_names) - 1
        for name, top in (("factor", last), ("basis", last_basis)):
            for column in (name, f"quote_{name}"):
                index = getattr(self.instruments, column)
                require(f"instruments.{column}", index, index > top, f"an index from -1 to {top}")
        between("portfolio.surplus", self.surplus)
        between("portfolio.mm", self.mm, 0.0)
        for name in ("value", "equity", "requirement"):
            _check_units(f"portfolio.{name}", getattr(self, name))
        wrong = self.instruments.is_kind(*REQUIREMENTS)[self.value.indices] & (self.value.data != 0.0)
        require("portfolio.value.indices", self.value.indices, wrong, "an asset: a requirement kind has no value")

    def net(self) -> Csr:
        """(A, N) units in surplus: equity minus requirement."""
        if self._net is None:
            net = csr_array(self.equity - self.requirement)
            for part in (net.data, net.indices, net.indptr):
                part.setflags(write=False)
            object.__setattr__(self, "_net", net)
        return cast("Csr", self._net)


def _frozen_csr(name: str, matrix: object, shape: tuple[int, int]) -> Csr:
    """Read-only canonical copy."""
    if not isinstance(matrix, csr_array):
        raise RiskInputError(f"{name}: is {type(matrix).__name__}, must be scipy.sparse.csr_array")
    if matrix.shape != shape:
        raise RiskInputError(f"{name}: has shape {matrix.shape}, must have {shape} (accounts, instruments)")
    if matrix.dtype.kind not in "fiu":
        raise RiskInputError(f"{name}: holds {matrix.dtype}, must hold numbers")
    copy: Any = matrix.astype(np.float64, copy=True)
    try:
        copy.check_format(full_check=True)
    except ValueError as error:
        raise RiskInputError(f"{name}: is not a valid csr_array ({error})") from None
    copy.sum_duplicates()
    for part in (copy.data, copy.indices, copy.indptr):
        part.setflags(write=False)
    return cast("Csr", copy)


def _check_units(name: str, matrix: Csr) -> None:
    bad = ~np.isfinite(matrix.data)
    if bad.any():
        entry = int(np.flatnonzero(bad)[0])
        row = int(np.searchsorted(matrix.indptr, entry, side="right")) - 1
        place = f"{row}, {int(matrix.indices[entry])}"
        raise RiskInputError(f"{name}[{place}] = {matrix.data[entry]}: must be finite")
