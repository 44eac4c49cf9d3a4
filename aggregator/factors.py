"""Parameters of the risk factors: versioned data, loaded once."""

import hashlib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np

from aggregator.errors import ConfigError
from risk.arrays import FactorArrays


@dataclass(frozen=True, slots=True)
class FactorParams:
    """Daily volatilities by factor and basis shocks by kind; see the data file for sources."""

    id: str
    version: str
    digest: str
    sigma_day: Mapping[str, float]
    stable: frozenset[str]
    basis_wrapped: float
    basis_perp: float
    stress_multiple: float
    """Stressed over long-run volatility."""

    @property
    def stress_scale(self) -> float:
        """Size of the stress floor's shocks: 75 % model, 25 % stressed (RISK section 2)."""
        return 0.75 + 0.25 * self.stress_multiple

    def knows(self, factor: str) -> bool:
        """Whether the factor has a volatility."""
        return factor in self.sigma_day

    def only(self, names: Collection[str]) -> "FactorParams":
        """The same without the other factors."""
        return replace(self, sigma_day={name: s for name, s in self.sigma_day.items() if name in names})

    def arrays(self, names: Collection[str], basis_names: Collection[str]) -> FactorArrays:
        """Factor arrays in the given order; a basis name that starts with ``perp:`` is a venue's mark."""
        shock = [self.basis_perp if name.startswith("perp:") else self.basis_wrapped for name in basis_names]
        return FactorArrays(
            names=tuple(names),
            sigma_day=np.array([self.sigma_day[name] for name in names], dtype=np.float64),
            is_stable=np.array([name in self.stable for name in names], dtype=np.bool_),
            basis_names=tuple(basis_names),
            basis_shock=np.array(shock, dtype=np.float64),
        )


def load_factors(name: str = "factors_v1") -> FactorParams:
    """Load a parameter file of this package; raises ConfigError when there is none of that name."""
    path = files("aggregator") / "data" / f"{name}.toml"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"factors: no parameter file {name}.toml in aggregator/data") from None
    content = tomllib.loads(raw.decode())
    stable = content["sigma_day_stable"]
    return FactorParams(
        id=content["id"],
        version=content["version"],
        digest=hashlib.sha256(raw).hexdigest(),
        sigma_day={**content["sigma_day"], **stable},
        stable=frozenset(stable),
        basis_wrapped=float(content["basis_shock"]["wrapped"]),
        basis_perp=float(content["basis_shock"]["perp"]),
        stress_multiple=float(content["stress_multiple"]),
    )
