"""Parameters of the scenario grid: data files beside this package, loaded into a frozen value and bounded."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from typing import Any

from risk.errors import ParameterError


@dataclass(frozen=True, slots=True)
class GridParams:
    """Parameters of ``scenarios.build_grid``; the formulas are in that module's docstring."""

    id: str
    version: str
    horizon_s: float
    """Horizon H that the ranges are measured for."""
    provenance: str
    """From which data, dates and sources the figures come."""
    range_sigmas: float
    """Range of a factor in daily volatilities."""
    sigma_floor: float
    """Least daily volatility of a crypto factor."""
    points: int
    """Spot points in [-range, range], odd, 0 among them."""
    vol_up: float
    vol_down: float
    vol_short_power: float
    vol_long_power: float
    dte_floor_days: float
    tail_multiples_up: tuple[float, ...]
    """Tail moves in ranges."""
    tail_multiples_down: tuple[float, ...]
    tail_share: float
    """Damping x multiple of the range, the same in every tail row."""
    max_fall: float
    """No row takes more than this share of a price."""
    depegs: tuple[float, ...]
    """Relative falls of a stablecoin, negative."""
    depeg_budget: float
    """Largest damping x fall of a depeg row."""

    def __post_init__(self) -> None:
        low_high = {
            "horizon_s": (1.0, 31_536_000.0),
            "range_sigmas": (1.0, 20.0),
            "sigma_floor": (0.0, 1.0),
            "points": (3, 101),
            "vol_up": (0.0, 5.0),
            "vol_down": (0.0, 1.0),
            "vol_short_power": (0.0, 1.0),
            "vol_long_power": (0.0, 1.0),
            "dte_floor_days": (0.01, 30.0),
            "tail_share": (0.0, 1.0),
            "max_fall": (0.5, 0.999),
            "depeg_budget": (0.001, 1.0),
        }
        for name in ("id", "version", "provenance"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise ParameterError(f"{name}: {getattr(self, name)!r} must be a text that is not empty")
        for name, (low, high) in low_high.items():
            _bounded(name, getattr(self, name), low, high)
        if self.points % 2 == 0:
            raise ParameterError(
                f"points: {self.points} is even, must be odd so that the unmoved price is a point"
            )
        for name in ("tail_multiples_up", "tail_multiples_down"):
            for value in _several(name, getattr(self, name)):
                _bounded(name, value, 1.0, 100.0)
        for value in _several("depegs", self.depegs):
            _bounded("depegs", value, -0.99, -0.0001)


def load_grid(name: str = "grid_v1") -> GridParams:
    """Parameters of the grid in ``risk/data/<name>.toml``.

    Raises ``ParameterError`` for a file that is not there, an unknown or missing key, and a value out of bounds.
    """
    path = files("risk").joinpath("data", f"{name}.toml")
    if not name.replace("_", "").isalnum() or not path.is_file():
        raise ParameterError(f"grid {name!r}: no such parameter file in risk/data")
    try:
        return parse_grid(path.read_text(encoding="utf-8"))
    except ParameterError as error:
        raise ParameterError(f"grid {name!r}: {error}") from None


def parse_grid(text: str) -> GridParams:
    """Parameters from the text of a file; see ``load_grid``."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"not valid TOML ({error})") from None
    known = {field.name for field in fields(GridParams)}
    wrong = sorted(known.symmetric_difference(content))
    if wrong:
        raise ParameterError(f"keys missing or unknown: {', '.join(wrong)}")
    values: dict[str, Any] = {key: _as_value(key, value) for key, value in content.items()}
    return GridParams(**values)


def params_hash(params: GridParams) -> str:
    """sha256 over the values, keys sorted, shortest decimals: layout and comments do not change it."""
    text = json.dumps(asdict(params), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_value(key: str, value: object) -> object:
    """Lists as tuples; whole numbers as floats, so that 5 and 5.0 are one parameter set."""
    if isinstance(value, list):
        return tuple(_as_value(key, item) for item in value)
    whole = isinstance(value, int) and not isinstance(value, bool) and key != "points"
    return float(str(value)) if whole else value


def _bounded(name: str, value: object, low: float, high: float) -> None:
    wanted = (int,) if name == "points" else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
        kind = "a whole number" if name == "points" else "a number"
        raise ParameterError(f"{name}: {value!r} must be {kind} from {low:g} to {high:g}")


def _several(name: str, values: object) -> tuple[object, ...]:
    if not isinstance(values, tuple) or not values or len(set(values)) != len(values):
        raise ParameterError(f"{name}: {values!r} must be a list of distinct numbers")
    return values
