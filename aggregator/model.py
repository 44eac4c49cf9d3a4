"""The model behind the unified margin: parameters, laws and the mobility of value, kept between cycles."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from aggregator.bridge_laws import Law, Observation, defaults, known_bridges, laws, read_observations
from aggregator.clock import utc_now
from aggregator.config import ModelSettings
from aggregator.errors import ConfigError
from aggregator.factors import FactorParams, load_factors
from aggregator.forecast import VolForecast, load_forecast
from aggregator.scenario_rows import SetParams, known_factors, load_sets
from chains.caip import ChainId
from risk.addons import AddonParams
from risk.arrays import F64
from risk.gridparams import GridParams, load_grid, params_hash
from risk.latency import Reaction
from risk.mobility import Mobility, mobility
from risk.paramfile import load
from risk.paths import PathParams
from risk.routes import Route
from risk.scanlaw import Diffusion, Empirical, ScanLaw
from risk.scantable import ScanTable, load_scan_table

HORIZONS_S: F64 = np.geomspace(10.0, 30 * 86_400.0, 28)
"""Horizons at which drawdowns are taken: 10 s to 30 days."""
ROUTES_KEPT = 4
"""Models over other routes that stay at hand: the newest worlds and the questions about them share them."""
REACTION_S = {"keeper": 3.0, "person": 900.0, "unattended": 28_800.0}
"""Seconds from knowing to sending, by who does it (RISK section 4)."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Parameters and laws; everything that a report needs besides positions and prices."""

    settings: ModelSettings
    factors: FactorParams
    grid: GridParams
    sets: SetParams
    """What the buffers are taken over."""
    table: ScanTable
    law: ScanLaw
    routes: tuple[Route, ...]
    bridge_laws: tuple[Law, ...]
    """The same routes with their defaults and what updated them."""
    chains: tuple[ChainId, ...]
    params_hash: str
    parts_hash: str
    """The same without the routes."""
    horizon_scale: F64
    """(K,) adverse move at each horizon over the one at H."""
    addons: AddonParams
    paths: PathParams
    forecast: VolForecast | None = None
    """Volatility for the next day; None: the factors' long run."""
    observations: tuple[Observation, ...] = ()
    """The owner's transfers from the settings' file."""
    _mobility: dict[frozenset[str], Mobility] = field(default_factory=dict)
    _others: "dict[tuple[Route, ...], Model]" = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of the model."""
        return f"{self.sets.id.replace('grid', self.grid.id)}+{self.settings.scan_law}"

    def using(self, routes: tuple[Route, ...] | None) -> "Model":
        """The model over routes as they are known at some time, None for its own; its hash names them."""
        if routes is None or routes == self.routes:
            return self
        found = self._others.get(routes)
        if found is None:
            named = _hash_with(self.parts_hash, routes)
            found = replace(self, routes=routes, params_hash=named, _mobility={}, _others={})
            for old in list(self._others)[: 1 - ROUTES_KEPT]:  # several threads may come here at once
                self._others.pop(old, None)
            self._others[routes] = found
        return found

    def mobility(self, paused: frozenset[str]) -> Mobility:
        """Routes, cure lags and g with some bridges or chains standing still; computed once per such set."""
        if paused not in self._mobility:
            self._mobility[paused] = mobility(
                self.chains,
                self.routes,
                self.law,
                self.settings.kappa,
                Reaction(react_s=REACTION_S[self.settings.reaction]),
                paused | frozenset(self.settings.paused_bridges),
                horizon_s=self.settings.horizon_s,
                q=self.settings.confidence,
            )
        return self._mobility[paused]


def load_model(settings: ModelSettings, chains: Sequence[ChainId]) -> Model:
    """Model of the settings; raises ConfigError for a bridge without a latency law."""
    grid, table = load_grid(settings.grid), load_scan_table()
    addons, paths, forecast = load(AddonParams, "addons_v1"), load(PathParams, "paths_v1"), load_forecast(settings)
    sets = load_sets(settings, paths)
    factors = known_factors(load_factors(), sets)
    known = set(known_bridges())
    if unknown := sorted(set(settings.bridges) - known):
        raise ConfigError(
            f"model.bridges: no latency law for {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    if strange := sorted(set(settings.paused_bridges) - known - set(chains)):
        # A misspelt name would leave the bridge open that its owner takes for closed.
        raise ConfigError(
            f"model.paused_bridges: no bridge or chain {strange[0]!r}; there are {', '.join(sorted(known))}"
        )
    path = settings.bridge_observations
    seen = read_observations(path) if path else ()
    used = laws(defaults(settings.bridges), seen, utc_now())
    chosen = tuple(item.route for item in used)
    law: ScanLaw = Empirical(table) if settings.scan_law == "empirical" else Diffusion()
    digest = hashlib.sha256()
    # The file of observations is in the routes, wherever it lies and whatever else it holds.
    plain = settings.model_dump_json(exclude={"bridge_observations"})
    shared = (factors.digest, params_hash(grid), table.to_json(), plain)
    forecasts = () if forecast is None else (repr(forecast),)
    for part in (*shared, repr(addons), repr(paths), *_hashed(sets), *forecasts):
        digest.update(part.encode())
    return Model(
        settings=settings,
        factors=factors,
        grid=grid,
        sets=sets,
        table=table,
        law=law,
        routes=chosen,
        bridge_laws=used,
        chains=tuple(chains),
        params_hash=_hash_with(digest.hexdigest(), chosen),
        parts_hash=digest.hexdigest(),
        horizon_scale=np.asarray(table.horizon_scale(HORIZONS_S, settings.horizon_s), dtype=np.float64),
        addons=addons,
        paths=paths,
        forecast=forecast,
        observations=seen,
    )


def _hash_with(parts_hash: str, routes: tuple[Route, ...]) -> str:
    """Hash of the parameters with the routes among them."""
    return hashlib.sha256(f"{parts_hash}{routes!r}".encode()).hexdigest()


def _hashed(sets: SetParams) -> Iterator[str]:
    """What the sets beside the grid are made from; nothing where the grid is all, so that its hash stands."""
    if sets.chosen == ("grid",):
        return
    yield repr((sets.chosen, sets.es, sets.copula, sets.fhs, sets.stress, sets.correlation))
    if sets.history is not None:
        yield hashlib.sha256(np.ascontiguousarray(sets.history.close).tobytes()).hexdigest()
