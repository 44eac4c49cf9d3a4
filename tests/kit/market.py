"""Random instruments, factors and portfolios for the market side of the risk layer; seeded, of every kind."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from risk.arrays import (
    EXTRA_COLUMNS,
    FLOORS,
    INVERSE,
    OPTIONS,
    REQUIREMENTS,
    FactorArrays,
    InstrumentArrays,
    Kind,
    PortfolioArrays,
)
from risk.pricing import value_of
from risk.scenarios import ScenarioSet, build_grid, load_grid

NAN = float("nan")
LINEAR = (Kind.FIXED, Kind.SPOT, Kind.PERP)


def some_factors() -> FactorArrays:
    """Two crypto factors, two stablecoins, three bases."""
    return FactorArrays(
        names=("ETH", "BTC", "USDC", "USDT"),
        sigma_day=np.array([0.045, 0.03, 0.002, 0.003]),
        is_stable=np.array([False, False, True, True]),
        basis_names=("stETH", "ETH perp A", "ETH perp B"),
        basis_shock=np.array([0.02, 0.01, 0.005]),
    )


def the_grid() -> ScenarioSet:
    """Shipped grid for ``some_factors``."""
    return build_grid(load_grid(), some_factors())


def one_instrument(kind: Kind, price: float = 2000.0, factor: int = 0, basis: int = -1, **terms: float) -> dict:
    """One row as a mapping; ``extra`` columns by ``e0`` … ``e7``."""
    fixed = kind is Kind.FIXED
    extra = [terms.get(f"e{column}", NAN) for column in range(EXTRA_COLUMNS)]
    names = ("strike", "expiry_s", "vol", "rate")
    row = {name: terms.get(name, NAN) for name in names}
    place = {"factor": -1 if fixed else factor, "basis": -1 if fixed else basis, "price": 1.0 if fixed else price}
    quote = {"quote_factor": -1, "quote_basis": -1, "quote_price": NAN}
    if kind is Kind.LP_RANGE:
        quote = {name: terms.get(name, value) for name, value in (quote | {"quote_price": 1.0}).items()}
    return {"kind": int(kind), "extra": extra, **row, **place, **quote}


def instruments_of(*rows: dict) -> InstrumentArrays:
    """Stack rows of ``one_instrument``."""
    names = ("kind", "factor", "basis", "price", "strike", "expiry_s", "vol", "rate")
    names += ("quote_factor", "quote_basis", "quote_price")
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    return InstrumentArrays(**columns, extra=np.array([row["extra"] for row in rows], dtype=float).reshape(-1, 8))


def random_row(rng: np.random.Generator, kind: Kind) -> dict:
    """One instrument of ``kind`` with usable terms."""
    factor = int(rng.integers(0, 4))
    price = float(rng.uniform(0.9, 1.1) if factor > 1 else rng.uniform(500.0, 4000.0))
    row = one_instrument(kind, price, factor, int(rng.integers(-1, 3)))
    if kind in (*OPTIONS, *FLOORS):
        row |= {"strike": price * rng.uniform(0.6, 1.5), "expiry_s": rng.choice([0.0, rng.uniform(60.0, 8e6)])}
        row |= {"vol": rng.uniform(0.2, 1.5), "rate": rng.uniform(-0.02, 0.1)}
    if kind in (Kind.DEBT, Kind.FUTURE, *INVERSE):
        row |= {"strike": price * rng.uniform(0.6, 1.5), "expiry_s": rng.choice([0.0, rng.uniform(60.0, 8e6)])}
        row |= {"rate": rng.uniform(-0.02, 0.1)}
    if kind is Kind.LP_RANGE:
        quote, basis = int(rng.integers(0, 4)), int(rng.integers(-1, 3))
        row |= {"quote_factor": quote, "quote_basis": basis}
        row["quote_price"] = float(rng.uniform(0.9, 1.1) if quote > 1 else rng.uniform(500.0, 4000.0))
        lower = price / row["quote_price"] * rng.uniform(0.5, 1.2)
        row["extra"][:2] = [lower, lower * rng.uniform(1.01, 2.0)]
    if kind is Kind.CLIPPED_FEE:
        row["extra"][:4] = [rng.uniform(0.1, 20.0), 0.0035, 2.0, 1000.0]
    if kind in FLOORS:
        amount = rng.uniform(0.1, 5.0)
        shock = 0.8 if kind is Kind.SHORT_FLOOR_PUT else 1.2
        full = row["strike"] * amount if kind is Kind.SHORT_FLOOR_PUT else NAN
        row["extra"][:7] = [amount, rng.uniform(0.8, 2.5), shock, price * 0.05, 0.05, full, amount]
    return row


def a_book(seed: int, accounts: int = 4, count: int = 9, kinds: tuple[Kind, ...] = tuple(Kind)) -> PortfolioArrays:
    """Random portfolio whose surplus is what its exposures say, mostly above 0."""
    rng = np.random.default_rng(seed)
    chosen = [kinds[int(i)] for i in rng.integers(0, len(kinds), count)]
    instruments = instruments_of(*(random_row(rng, kind) for kind in chosen))
    assets = ~instruments.is_kind(*REQUIREMENTS)
    shape = (accounts, count)
    units = rng.normal(size=shape) / value_of(instruments).clip(min=1.0) * 1e4 * (rng.random(shape) < 0.7)
    equity = units * rng.uniform(0.5, 1.0) * assets
    margined = assets & ~instruments.is_kind(*INVERSE)  # their value may be negative, a requirement may not
    requirement = np.abs(units) * np.where(margined, 0.05, 0.0) + (rng.random(shape) < 0.5) * ~assets
    cash = np.flatnonzero(instruments.kind == Kind.FIXED)
    if len(cash):
        equity[:, cash[0]] += rng.uniform(0.0, 3e4, accounts)
    now = value_of(instruments)
    book = PortfolioArrays(
        instruments=instruments,
        factors=some_factors(),
        value=csr_array(units * assets),
        equity=csr_array(equity),
        requirement=csr_array(requirement),
        surplus=(equity - requirement) @ now,
        mm=requirement @ now,
    )
    return book if len(cash) else replace(book, surplus=np.abs(book.surplus) + 100.0)


def accounts_of(
    instruments: InstrumentArrays, equity: list[list[float]], requirement: list[list[float]], factors: FactorArrays
) -> PortfolioArrays:
    """Portfolio with the surplus of its exposures; value as equity where that is an asset."""
    now = value_of(instruments)
    units, needs = np.array(equity, dtype=float), np.array(requirement, dtype=float)
    return PortfolioArrays(
        instruments=instruments,
        factors=factors,
        value=csr_array(units * ~instruments.is_kind(*REQUIREMENTS)),
        equity=csr_array(units),
        requirement=csr_array(needs),
        surplus=(units - needs) @ now,
        mm=np.abs(needs @ now),
    )
