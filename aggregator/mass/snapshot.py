"""Very many portfolios as arrays, and made-up ones of any number to measure with."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from risk.arrays import F64, Csr
from risk.optionmatrix import OptionRows, option_values

OPTIONS_SHARE = 0.5
OF_EACH_OPTION = ("is_call", "forward", "strike", "tau_years", "vol", "discount", "shock", "tenor")
ZIPF = 0.8
"""How much more popular the commonest instrument is than the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Portfolios at one moment."""

    units: Csr
    """(A, N) units of each instrument."""
    surplus_usd: F64
    """(A,) equity less what the venues require."""

    @property
    def count(self) -> int:
        """A."""
        return int(self.units.shape[0])

    def name(self, row: int) -> str:
        """Portfolio of a row."""
        return f"synthetic-{row:07d}"


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What is revalued: half linear instruments, half options, four factors."""

    price: F64
    factor: np.ndarray[tuple[int], np.dtype[np.int32]]
    options: OptionRows
    """The second half, at its prices and in every scenario."""


def synthetic_market(instruments: int, scenarios: int, seed: int = 1) -> Market:
    """A market of four factors under t-distributed moves; scenario 0 is no move."""
    rng = np.random.default_rng(seed)
    linear = round(instruments * (1 - OPTIONS_SHARE))
    spot = np.array([3_000.0, 60_000.0, 150.0, 1.0])
    factor = rng.integers(0, len(spot), instruments).astype(np.int32)
    growth = np.exp(0.04 * rng.standard_t(4, (len(spot), scenarios)) * np.array([[1.0], [0.8], [1.3], [0.02]]))
    vols = np.exp(0.15 * rng.normal(size=(1, scenarios)))
    growth[:, 0], vols[:, 0] = 1.0, 1.0
    forward, many = spot[factor[linear:]], instruments - linear
    options = OptionRows(
        is_call=rng.random(many) < 0.5,
        forward=forward,
        strike=forward * np.exp(rng.uniform(-0.4, 0.4, many)),
        tau_years=rng.uniform(2 / 365, 0.5, many),
        vol=rng.uniform(0.4, 1.0, many),
        discount=np.ones(many),
        shock=factor[linear:],
        tenor=np.zeros(many, dtype=np.int32),
        growth=growth,
        multiplier=vols,
    )
    return Market(spot[factor], factor, options)


def reprice(market: Market) -> F64:
    """(N, S) change of each instrument's unit value in each scenario."""
    return np.concatenate((linear_changes(market), option_changes(market, 0, len(market.options.forward))))


def linear_changes(market: Market) -> F64:
    """Those of the first half."""
    linear = len(market.price) - len(market.options.forward)
    rows = market.factor[:linear]
    return np.asarray(market.price[:linear, None] * (market.options.growth[rows] - 1.0))


def option_changes(market: Market, first: int, count: int) -> F64:
    """Those of some options; each row depends on its own option only, so that shards change no bit."""
    part = slice(first, first + count)
    own = {name: getattr(market.options, name)[part] for name in OF_EACH_OPTION}
    values = option_values(replace(market.options, **own))
    return values - values[:, :1]


def synthetic(count: int, positions: int, market: Market, seed: int = 2) -> Snapshot:
    """Portfolios of so many positions each, about 10,000 USD a position; one in 500 is under water."""
    rng = np.random.default_rng(seed)
    instruments = len(market.price)
    weight = np.arange(1, instruments + 1) ** -ZIPF
    columns = rng.choice(instruments, count * positions, p=weight / weight.sum()).astype(np.int32)
    sizes = rng.normal(0.0, 10_000.0, count * positions) / market.price[columns]
    starts = np.arange(count + 1, dtype=np.int64) * positions
    units: Csr = csr_array((sizes, columns, starts), shape=(count, instruments))
    surplus = rng.lognormal(9.5, 0.9, count) * np.where(rng.random(count) < 0.002, -1.0, 1.0)
    return Snapshot(units, surplus)
