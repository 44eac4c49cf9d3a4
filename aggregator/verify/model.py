"""What the model says an account is after a scenario: its exposures of before, revalued by the risk kernels.

Prices are taken as the venue then sees them, because a venue with a memory (a mean over time, a tick) sees the
scenario's price only nearly; how far off that is, is reported beside. Nothing else of the second read enters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from aggregator.assemble import assemble
from aggregator.factors import FactorParams
from aggregator.registry import AssetRegistry, asset_of
from chains.accounts import PositionKind, VenueAccount, VenueId
from chains.caip import AssetId
from chains.instruments import ClippedFee, Instrument, Option, Perp, ShortOptionFloor, Spot
from oracles.types import PriceBook, PriceStatus, ReconciledPrice
from risk.arrays import F64, PortfolioArrays
from risk.pricing import unit_values, value_of

ONE = Decimal(1)
IN_LOAN_TOKENS = VenueId("morpho-blue")
"""The venue whose figures count in the borrowed token instead of dollars."""


class CannotModel(Exception):
    """The model has no figures for an account; carries the reasons."""


@dataclass(frozen=True, slots=True)
class Figures:
    """An account at one state of the world, US dollars."""

    equity_usd: float
    mm_requirement_usd: float

    @property
    def surplus_usd(self) -> float:
        """S."""
        return self.equity_usd - self.mm_requirement_usd


@dataclass(frozen=True, slots=True)
class Modelled:
    """The model's figures, and how far the venue's prices are from the scenario's."""

    figures: Figures
    price_gap: float
    """Largest relative distance of a price that the venue sees from what the scenario says."""
    scale_usd: float
    """Dollars per unit in which the venue counts, after the scenario."""


def modelled(
    before: VenueAccount,
    after: VenueAccount,
    moves: Mapping[str, Decimal],
    registry: AssetRegistry,
    params: FactorParams,
) -> Modelled:
    """Figures of an account after the moves by factor; raises CannotModel."""
    assembled = assemble([before], registry, _par_book(registry), params)
    if before.id not in assembled.rows:
        raise CannotModel("; ".join(f"{what}: {reason}" for what, reason in assembled.gaps[before.id]))
    scale = _scale(before, registry, moves)
    price, gap = _prices(assembled.arrays, before, after, moves, registry, scale)
    return Modelled(_revalued(assembled.arrays, price), gap, scale)


def _prices(
    arrays: PortfolioArrays,
    before: VenueAccount,
    after: VenueAccount,
    moves: Mapping[str, Decimal],
    registry: AssetRegistry,
    scale: float,
) -> tuple[F64, float]:
    """(N,) prices that the venue sees after the moves, and their largest distance from the scenario's."""
    seen = {_identity(e.instrument): price for e in after.exposures if (price := venue_price(e.instrument))}
    prices, gap = arrays.instruments.price.copy(), 0.0
    counted = abs(arrays.equity) + abs(arrays.requirement)
    moving = set(counted.indices[counted.data > 0].tolist())
    # Columns are the account's instruments in the order in which they first occur.
    for column, instrument in enumerate(dict.fromkeys(e.instrument for e in before.exposures)):
        asset, price = asset_of(instrument), venue_price(instrument)
        if asset is None or price is None or column not in moving:
            continue
        wanted = float(price) * (1 + float(moves.get(registry.assets[asset].factor, 0)))
        found = seen.get(_identity(instrument))
        prices[column] = wanted if found is None else float(found) * scale
        gap = max(gap, abs(float(prices[column]) / wanted - 1))
    return prices, gap


def _revalued(arrays: PortfolioArrays, price: F64) -> Figures:
    """Figures of the only account at other prices."""
    instruments = arrays.instruments
    change = unit_values(instruments, price[:, None])[:, 0] - value_of(instruments)
    gained, required = (float(np.asarray(units @ change)[0]) for units in (arrays.equity, arrays.requirement))
    now = float(arrays.mm[0])
    return Figures(float(arrays.surplus[0]) + now + gained, now + required)


def contract_figures(after: VenueAccount, scale_usd: float) -> Figures:
    """The venue's figures in dollars; raises CannotModel where it has no equity of its own."""
    if after.equity_usd is None:
        raise CannotModel("the venue has no price of its own")
    return Figures(float(after.equity_usd) * scale_usd, float(after.mm_requirement_usd) * scale_usd)


def venue_price(instrument: Instrument) -> Decimal | None:
    """Price of the underlying that the venue uses, None where it uses none."""
    match instrument:
        case Spot() | Perp() | Option():
            return instrument.venue_price_usd
        case ClippedFee():
            return instrument.perp.venue_price_usd
        case ShortOptionFloor():
            return instrument.option.venue_price_usd
        case _:
            return None


def _identity(instrument: Instrument) -> Instrument:
    """The same instrument whatever its price."""
    match instrument:
        case Spot() | Perp() | Option():
            return replace(instrument, venue_price_usd=ONE)
        case ClippedFee():
            return replace(instrument, perp=replace(instrument.perp, venue_price_usd=ONE))
        case ShortOptionFloor():
            return replace(instrument, option=replace(instrument.option, venue_price_usd=ONE))
        case _:
            return instrument


def _scale(account: VenueAccount, registry: AssetRegistry, moves: Mapping[str, Decimal]) -> float:
    if account.venue != IN_LOAN_TOKENS:
        return 1.0
    loan = next((p.asset for p in account.positions if p.kind is not PositionKind.COLLATERAL), None)
    return 1.0 if loan is None else 1 + float(moves.get(_factor(registry, loan), 0))


def _factor(registry: AssetRegistry, asset: AssetId) -> str:
    info = registry.assets.get(asset)
    return "" if info is None else info.factor


def _par_book(registry: AssetRegistry) -> PriceBook:
    """Every price at one dollar: venues are judged at their own prices, and no reconciled one enters here."""
    keys = registry.price_keys()
    return PriceBook({key: ReconciledPrice(key, PriceStatus.OK, "", ONE, ONE, ONE) for key in keys})
