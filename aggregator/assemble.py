"""Positions and prices become arrays: the only crossing from int and Decimal to float64.

Accounts of all portfolios share one table of instruments, so that each instrument is priced once per scenario.
An account enters the arrays when everything that moves it has a factor, a volatility and a usable price;
otherwise it stays out with its reasons, and its portfolio is incomplete.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from scipy.sparse import csr_array

from aggregator.factors import FactorParams
from aggregator.registry import AssetRegistry, asset_of, assets_of, quote_of
from chains.accounts import Liquidation, VenueAccount
from chains.caip import AssetId, ChainId, asset_chain
from chains.deployments import AssetInfo
from chains.instruments import (
    ClippedFee,
    Exposure,
    Fixed,
    Instrument,
    LpRange,
    Option,
    Perp,
    ShortOptionFloor,
    Spot,
)
from oracles.types import PriceBook, ReconciledPrice
from risk.arrays import F64, Csr, InstrumentArrays, Kind, PortfolioArrays
from risk.pricing import unit_values
from risk.revalue import exposure_gap

Gap = tuple[str, str]
"""(what, reason) of something missing."""

DAY_S = 86_400
_NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """Arrays over the accounts that can be revalued, with what ties them to the accounts."""

    arrays: PortfolioArrays
    rows: Mapping[str, int]
    """Row of each venue account id."""
    low: F64
    """(N,) lowest reconciled price of the underlying over the venue's (or mid) price that the arrays hold."""
    high: F64
    """(N,) the same for the highest."""
    quote_low: F64
    """(N,) lowest reconciled price of the second token, NaN where an instrument has none."""
    quote_high: F64
    """(N,) the same for the highest."""
    carry: F64
    """(A,) USD per second by which interest and funding shrink the surplus."""
    liquidation: tuple[Liquidation | None, ...]
    """(A,) the venues' liquidation rules."""
    gaps: Mapping[str, tuple[Gap, ...]]
    """Reasons by account id, for every account with any."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """One instrument on its way into the arrays."""

    kind: Kind
    price: float
    low: float
    high: float
    strike: float = _NAN
    expiry_s: float = _NAN
    vol: float = _NAN
    rate: float = _NAN
    extra: tuple[float, ...] = ()
    quote: tuple[float, float, float] = (_NAN, _NAN, _NAN)
    """Lowest, middle and highest price of the second token."""


def assemble(
    accounts: Sequence[VenueAccount], registry: AssetRegistry, book: PriceBook, params: FactorParams
) -> Assembled:
    """Arrays of all accounts that have everything they need, and the gaps of the others."""
    gaps = {account.id: account_gaps(account, registry, book, params) for account in accounts}
    usable = [a for a in accounts if all(what == a.id for what, _ in gaps[a.id])]
    infos = {asset: registry.assets[asset] for a in usable for asset in assets_of(a.exposures)}
    stamps = {a.at.chain: a.at.timestamp for a in usable}
    index: dict[Instrument, int] = {}
    for account in usable:
        for exposure in account.exposures:
            index.setdefault(exposure.instrument, len(index))
    prices = {asset: book[info.price_key] for asset, info in infos.items()}
    terms = [_terms(instrument, prices, stamps) for instrument in index]
    factors = sorted({info.factor for info in infos.values()})
    bases = sorted({name for i in index for name in (_basis(i, infos), _quote_basis(i, infos)) if name})
    instruments = _instrument_arrays(list(index), terms, infos, factors, bases)
    units = [_matrix(usable, index, field) for field in ("value", "equity", "requirement")]
    low, high, quote_low, quote_high = (
        np.array([(t.low, t.high, t.quote[0], t.quote[2]) for t in terms], dtype=np.float64).reshape(-1, 4).T
    )
    at_low = unit_values(instruments, low[:, None], quote=quote_low[:, None])[:, 0]
    arrays = PortfolioArrays(
        instruments=instruments,
        factors=params.arrays(factors, bases),
        value=units[0],
        equity=units[1],
        requirement=units[2],
        surplus=np.array([_surplus(a, units[1], i, at_low) for i, a in enumerate(usable)], dtype=np.float64),
        mm=np.array([float(a.mm_requirement_usd) for a in usable], dtype=np.float64),
    )
    for account, gap in zip(usable, exposure_gap(arrays), strict=True):
        gaps[account.id] += _mismatch(account, float(gap))
    return Assembled(
        arrays=arrays,
        rows={account.id: row for row, account in enumerate(usable)},
        low=low,
        high=high,
        quote_low=quote_low,
        quote_high=quote_high,
        carry=np.array([float(a.carry_usd_per_day) / DAY_S for a in usable], dtype=np.float64),
        liquidation=tuple(account.liquidation for account in usable),
        gaps={name: found for name, found in gaps.items() if found},
    )


def account_gaps(
    account: VenueAccount, registry: AssetRegistry, book: PriceBook, params: FactorParams
) -> tuple[Gap, ...]:
    """Everything that is missing for an account. A gap named by the account's own id leaves its figures usable."""
    gaps: list[Gap] = [(account.id, reason) for reason in account.degraded]
    for asset in sorted(assets_of(account.exposures)):
        info = registry.assets.get(asset)
        if info is None:
            gaps.append((f"{account.id} {asset}", "the asset is not registered on its chain"))
        elif not params.knows(info.factor):
            gaps.append((f"{account.id} {info.symbol}", f"risk factor {info.factor} has no volatility"))
        elif (price := book[info.price_key]).mid is None:
            gaps.append((f"{account.id} price of {info.price_key}", f"{price.status}: {price.reason}"))
    return tuple(gaps)


def _mismatch(account: VenueAccount, gap_usd: float) -> tuple[Gap, ...]:
    """A gap where exposures do not add up to the surplus: its scenarios would be those of another account."""
    if account.equity_usd is None:  # held at the low end of the price, revalued from its middle
        return ()
    allowed = 0.01 + 1e-6 * float(abs(account.equity_usd) + account.mm_requirement_usd)
    if abs(gap_usd) <= allowed:
        return ()
    return ((account.id, f"exposures differ from the surplus by {gap_usd:.2f} USD, allowed {allowed:.2f}"),)


def _surplus(account: VenueAccount, equity: Csr, row: int, at_low: F64) -> float:
    """S by the venue's own figures; where the venue has no price of its own, at the book's low end."""
    if account.equity_usd is not None:
        return float(account.equity_usd - account.mm_requirement_usd)
    entries = slice(equity.indptr[row], equity.indptr[row + 1])
    return float(equity.data[entries] @ at_low[equity.indices[entries]]) - float(account.mm_requirement_usd)


def _terms(
    instrument: Instrument, prices: Mapping[AssetId, ReconciledPrice], stamps: Mapping[ChainId, int]
) -> _Terms:
    if isinstance(instrument, Fixed):
        return _Terms(Kind.FIXED, 1.0, 1.0, 1.0)
    asset = asset_of(instrument)
    if asset is None:
        raise TypeError(f"{type(instrument).__name__} has no asset")
    low, mid, high = _band(prices[asset])
    match instrument:
        case Spot():
            price = mid if instrument.venue_price_usd is None else float(instrument.venue_price_usd)
            return _Terms(Kind.SPOT, price, low, high)
        case Perp():
            return _Terms(Kind.PERP, float(instrument.venue_price_usd), low, high)
        case Option():
            return _option(instrument, low, high, stamps)
        case ClippedFee():
            extra = tuple(
                map(float, (instrument.size, instrument.fee_ratio, instrument.fee_min_usd, instrument.fee_max_usd))
            )
            return _Terms(Kind.CLIPPED_FEE, float(instrument.perp.venue_price_usd), low, high, extra=extra)
        case ShortOptionFloor():
            return _floor(instrument, low, high, stamps)
        case LpRange():
            edges, quote = (float(instrument.lower), float(instrument.upper)), _band(prices[instrument.quote])
            return _Terms(Kind.LP_RANGE, mid, low, high, extra=edges, quote=quote)


def _fee(fee: ClippedFee, low: float, high: float) -> _Terms:
    extra = (float(fee.size), float(fee.fee_ratio), float(fee.fee_min_usd), float(fee.fee_max_usd))
    return _Terms(Kind.CLIPPED_FEE, float(fee.perp.venue_price_usd), low, high, extra=extra)


def _option(option: Option, low: float, high: float, stamps: Mapping[ChainId, int]) -> _Terms:
    now = stamps[asset_chain(option.asset)]
    return _Terms(
        kind=Kind.CALL if option.is_call else Kind.PUT,
        price=float(option.venue_price_usd),
        low=low,
        high=high,
        strike=float(option.strike_usd),
        expiry_s=float(max(0, option.expiry - now)),
        vol=float(option.vol),
        rate=float(option.rate),
    )


def _floor(floor: ShortOptionFloor, low: float, high: float, stamps: Mapping[ChainId, int]) -> _Terms:
    base = _option(floor.option, low, high, stamps)
    in_base = floor.full_collateral_base is not None
    call = Kind.SHORT_FLOOR_CALL_BASE if in_base else Kind.SHORT_FLOOR_CALL_QUOTE
    extra = (
        float(floor.amount), float(floor.shock_vol), float(floor.spot_shock), float(floor.static_min_usd),
        float(floor.static_min_base), _or_nan(floor.full_collateral_usd), _or_nan(floor.full_collateral_base),
    )  # fmt: skip
    kind = call if floor.option.is_call else Kind.SHORT_FLOOR_PUT
    return _Terms(kind, base.price, low, high, base.strike, base.expiry_s, base.vol, base.rate, extra)


def _or_nan(value: Decimal | None) -> float:
    return _NAN if value is None else float(value)


def _band(price: ReconciledPrice) -> tuple[float, float, float]:
    if price.low is None or price.mid is None or price.high is None:
        raise ValueError(f"{price.price_key}: a price without a mid cannot be assembled")
    return float(price.low), float(price.mid), float(price.high)


def _basis(instrument: Instrument, infos: Mapping[AssetId, AssetInfo]) -> str:
    """Basis factor: each venue's mark has its own, and so has each wrapped form; '' for none."""
    match instrument:
        case Perp():
            return f"perp:{instrument.market}"
        case ClippedFee():
            return f"perp:{instrument.perp.market}"
        case Spot():
            return infos[instrument.asset].basis
        case LpRange():
            return infos[instrument.base].basis
        case _:
            return ""


def _quote_basis(instrument: Instrument, infos: Mapping[AssetId, AssetInfo]) -> str:
    """Basis factor of the second token, '' for none."""
    quote = quote_of(instrument)
    return infos[quote].basis if quote is not None else ""


def _instrument_arrays(
    instruments: Sequence[Instrument],
    terms: Sequence[_Terms],
    infos: Mapping[AssetId, AssetInfo],
    factors: Sequence[str],
    bases: Sequence[str],
) -> InstrumentArrays:
    factor_at = {name: i for i, name in enumerate(factors)}
    basis_at = {name: i for i, name in enumerate(bases)}
    assets = [asset_of(instrument) for instrument in instruments]
    quotes = [quote_of(instrument) for instrument in instruments]
    names = [(_basis(instrument, infos), _quote_basis(instrument, infos)) for instrument in instruments]
    extra = np.full((len(terms), 8), _NAN)
    for row, term in enumerate(terms):
        extra[row, : len(term.extra)] = term.extra
    return InstrumentArrays(
        kind=np.array([term.kind for term in terms], dtype=np.int32),
        factor=np.array([-1 if a is None else factor_at[infos[a].factor] for a in assets], dtype=np.int32),
        basis=np.array([basis_at.get(first, -1) for first, _ in names], dtype=np.int32),
        quote_factor=np.array([-1 if a is None else factor_at[infos[a].factor] for a in quotes], dtype=np.int32),
        quote_basis=np.array([basis_at.get(second, -1) for _, second in names], dtype=np.int32),
        quote_price=np.array([term.quote[1] for term in terms], dtype=np.float64),
        price=np.array([term.price for term in terms], dtype=np.float64),
        strike=np.array([term.strike for term in terms], dtype=np.float64),
        expiry_s=np.array([term.expiry_s for term in terms], dtype=np.float64),
        vol=np.array([term.vol for term in terms], dtype=np.float64),
        rate=np.array([term.rate for term in terms], dtype=np.float64),
        extra=extra,
    )


def _matrix(accounts: Sequence[VenueAccount], index: Mapping[Instrument, int], field: str) -> Csr:
    """(A, N) units of one field; several exposures of one account to one instrument add up."""
    entries = [
        (row, index[exposure.instrument], _units(exposure, field))
        for row, account in enumerate(accounts)
        for exposure in account.exposures
        if getattr(exposure, field)
    ]
    rows, columns, data = zip(*entries, strict=True) if entries else ((), (), ())
    where = (np.array(rows, dtype=np.int32), np.array(columns, dtype=np.int32))
    return csr_array((np.array(data, dtype=np.float64), where), shape=(len(accounts), len(index)))


def _units(exposure: Exposure, field: str) -> float:
    return float(getattr(exposure, field))
