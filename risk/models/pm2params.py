"""Parameters of the PM2 and PMRM forms: data files, bounded, hashed."""

from dataclasses import dataclass
from typing import Annotated

from risk.errors import ParameterError
from risk.paramfile import Within, check_fields

NONE, UP, DOWN, LINEAR, ABS = range(5)
DIRECTIONS = {"none": NONE, "up": UP, "down": DOWN, "linear": LINEAR, "abs": ABS}


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario."""

    spot: Annotated[float, Within(1e-9, 1e6)]
    """Level of the spot relative to now, 0.82 = a fall of 18 %."""
    vol: str
    """none, up, down, or the skew forms linear and abs (spot 1)."""
    damping: Annotated[float, Within(0.0, 1e3)]

    def __post_init__(self) -> None:
        check_fields(self)
        if self.vol not in DIRECTIONS:
            raise ParameterError(f"vol: {self.vol!r} must be one of {', '.join(DIRECTIONS)}")

    @property
    def label(self) -> str:
        """Name for people."""
        damped = "" if self.damping == 1.0 else f", x {self.damping:.6g}"
        return f"spot {self.spot - 1.0:+.4%}, vol {self.vol}{damped}"


@dataclass(frozen=True, slots=True)
class VolShocks:
    """Multipliers 1 + up·k and max(0, 1 - down·k), k by tenor."""

    up: Annotated[float, Within(0.0, 10.0)]
    down: Annotated[float, Within(0.0, 10.0)]
    short_power: Annotated[float, Within(0.0, 10.0)]
    long_power: Annotated[float, Within(0.0, 10.0)]
    floor_days: Annotated[float, Within(1e-6, 400.0)]
    least_up: Annotated[float, Within(0.0, 20.0)]
    """Least volatility in rows with vol up."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class SkewShocks:
    """cap = c_base·√τ + scale_cap; k* = max(least_k_star, √τ·width·(vol_static + √τ·vol_scale))."""

    linear_scale_cap: Annotated[float, Within(0.0, 10.0)]
    linear_c_base: Annotated[float, Within(-10.0, 10.0)]
    abs_scale_cap: Annotated[float, Within(0.0, 10.0)]
    abs_c_base: Annotated[float, Within(-10.0, 10.0)]
    least_k_star: Annotated[float, Within(1e-9, 10.0)]
    width_scale: Annotated[float, Within(0.0, 10.0)]
    vol_static: Annotated[float, Within(0.0, 10.0)]
    vol_scale: Annotated[float, Within(-20.0, 20.0)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Discounts:
    """Static discounts of an expiry's value after the shock."""

    positive_base: Annotated[float, Within(0.0, 4.0)]
    negative_base: Annotated[float, Within(0.0, 4.0)]
    long_rate_mult: Annotated[float, Within(0.0, 10.0)]
    long_rate_add: Annotated[float, Within(0.0, 10.0)]
    short_rate_mult: Annotated[float, Within(0.0, 10.0)]
    short_rate_add: Annotated[float, Within(0.0, 10.0)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Contingencies:
    """Charges beside the scenarios; percentages of the spot notional, initial ones on top of maintenance ones."""

    basis_up: Annotated[float, Within(1.0, 3.0)]
    basis_down: Annotated[float, Within(0.0, 1.0)]
    basis_add: Annotated[float, Within(0.0, 20.0)]
    basis_mult: Annotated[float, Within(0.0, 20.0)]
    peg_threshold: Annotated[float, Within(0.0, 100.0)]
    peg_factor: Annotated[float, Within(0.0, 20.0)]
    confidence_threshold: Annotated[float, Within(0.0, 1.0)]
    confidence_factor: Annotated[float, Within(0.0, 20.0)]
    mm_perp: Annotated[float, Within(0.0, 3.0)]
    im_perp: Annotated[float, Within(0.0, 3.0)]
    mm_option: Annotated[float, Within(0.0, 2.0)]
    im_option: Annotated[float, Within(0.0, 2.0)]
    base: Annotated[float, Within(0.0, 2.0)]
    """PMRM v1 only: of base held."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Pm2Params:
    """One parameter set; ``form`` says which rule reads it: pm2 or pmrm (v1)."""

    id: str
    version: str
    form: str
    provenance: str
    mm_factor: Annotated[float, Within(0.1, 10.0)]
    im_factor: Annotated[float, Within(0.1, 10.0)]
    vol: VolShocks
    skew: SkewShocks
    discounts: Discounts
    contingencies: Contingencies
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        if self.form not in {"pm2", "pmrm"}:
            raise ParameterError(f"form: {self.form!r} must be pm2 or pmrm")
        if not self.rows:
            raise ParameterError("rows: is empty, must hold at least one scenario")
        skewed = [row.label for row in self.rows if row.vol in {"linear", "abs"}]
        if skewed and self.form == "pmrm":
            raise ParameterError(f"rows: {skewed[0]!r} has a skew form, which pmrm does not know")
