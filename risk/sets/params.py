"""Parameters of the scenario sets: data files, bounded, hashed."""

from dataclasses import dataclass
from typing import Annotated

from risk.errors import ParameterError
from risk.paramfile import Within, check_fields
from risk.scenarios import VolShock

Share = Annotated[float, Within(0.0, 10.0)]


@dataclass(frozen=True, slots=True)
class TenorParams:
    """How a move of the 30-day volatility spreads over tenors; as the grid."""

    short_power: Share
    long_power: Share
    dte_floor_days: Annotated[float, Within(0.01, 30.0)]

    def __post_init__(self) -> None:
        check_fields(self)

    def as_shock(self) -> VolShock:
        """Without up and down rows."""
        return VolShock(0.0, 0.0, self.short_power, self.long_power, self.dte_floor_days)


@dataclass(frozen=True, slots=True)
class FhsParams:
    """Filtered historical simulation."""

    id: str
    version: str
    provenance: str
    decay: Annotated[float, Within(0.5, 0.9999)]
    """λ of one bar."""
    horizon_bars: Annotated[int, Within(1, 10_000)]
    stride_bars: Annotated[int, Within(1, 10_000)]
    vol_beta: Share
    """Share of the relative change of filtered volatility that implied volatility follows."""
    most_vol: Annotated[float, Within(0.0, 10.0)]
    least_vol: Annotated[float, Within(-0.99, 0.0)]
    tenor: TenorParams

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class CopulaParams:
    """Student-t copula with Student-t margins."""

    id: str
    version: str
    provenance: str
    seed: Annotated[int, Within(0, 2**32)]
    rows: Annotated[int, Within(100, 200_000)]
    copula_dof: Annotated[float, Within(2.1, 200.0)]
    margin_dof: Annotated[float, Within(2.1, 200.0)]
    horizon_days: Annotated[float, Within(0.01, 365.0)]
    stress_weight: Annotated[float, Within(0.0, 0.999)]
    """Weight of the matrix of ones in the stressed set."""
    vol_spread: Share
    """Standard deviation of the log move of the 30-day volatility."""
    vol_skew: Annotated[float, Within(-1.0, 1.0)]
    """Correlation of that move with the mean of the crypto factors."""
    tenor: TenorParams

    def __post_init__(self) -> None:
        check_fields(self)
        if self.rows % 2:
            raise ParameterError(f"rows: {self.rows} must be even: every row has its mirror image")


@dataclass(frozen=True, slots=True)
class Move:
    """Relative price change of one factor."""

    factor: str
    move: Annotated[float, Within(-0.999, 20.0)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Episode:
    """One row: named moves, a move for the crypto factors not named, one for every basis and one of volatility."""

    name: str
    source: str
    others: Annotated[float, Within(-0.999, 20.0)]
    bases: Annotated[float, Within(-0.999, 20.0)]
    vol: Annotated[float, Within(-0.99, 20.0)]
    moves: tuple[Move, ...]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class StressParams:
    """Named episodes, and the sizes of the rows that are made for whatever factors a portfolio has."""

    id: str
    version: str
    provenance: str
    depegs: Annotated[tuple[float, ...], Within(-0.999, -1e-6)]
    break_move: Annotated[float, Within(0.0, 0.99)]
    """Correlation break: each crypto factor moves by it against all others."""
    tenor: TenorParams
    episodes: tuple[Episode, ...]

    def __post_init__(self) -> None:
        check_fields(self)
