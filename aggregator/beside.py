"""What other margin models would ask for the whole portfolio, as one account of a venue with such a rule.

Everything is pooled by underlying: options by expiry, the rest by its dollar delta. Spot and ranges net of debts
are base, what is owed net counts as a short perpetual of the same size; stable coins count as cash at their
reconciled price, whose depegs these models do not move. pm2 takes base as collateral, cut by the settings'
``haircut_crypto``. A venue would not net what lies elsewhere: these are figures for comparison, never the line at
which anybody is liquidated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from aggregator.assemble import assemble
from aggregator.clock import unix
from aggregator.model import Model
from aggregator.reports import ReportMaker, World
from aggregator.rounding import up
from chains.accounts import VenueAccount
from oracles.reconcile import reconcile
from oracles.types import PriceBook
from risk.arrays import F64, OPTIONS, Kind, PortfolioArrays
from risk.book import Book, Collateral, Expiry, Market
from risk.checks import Bool
from risk.errors import RiskInputError
from risk.greeks import portfolio_greeks
from risk.models.es import load_es
from risk.models.registry import MODELS, load_model
from risk.models.result import Margin, MarginModel
from risk.part import together
from risk.sets.copula import copula_set

ONE_MARKET = ("pm2", "pmrm")
"""Models that net within one underlying: an account for each, the requirements add up."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One model's requirement; amounts are None, with the reason, where it cannot describe the portfolio."""

    model: str
    version: str
    params_hash: str
    maintenance_usd: Decimal | None
    initial_usd: Decimal | None
    by_market_usd: dict[str, Decimal]
    """Maintenance by underlying; contributions where the model nets between them."""
    worst: str
    """The row that binds, by underlying where each has its own."""
    reason: str = ""


def beside(maker: ReportMaker, world: World, accounts: Sequence[VenueAccount]) -> tuple[Beside, ...] | None:
    """Every model's figures; None where an account cannot be revalued."""
    prices = world.book
    if prices is None:
        prices = reconcile(world.quotes, unix(world.now), maker.prices)
    assembled = assemble(accounts, maker.registry, prices, maker.model.factors)
    if len(assembled.rows) != len(accounts):
        return None
    markets = tuple(_markets(assembled.arrays, prices))
    haircut = float(maker.model.settings.haircut_crypto)
    return tuple(
        _asked(name, model, _books(name, markets, haircut))
        for name, model in _models(maker.model, assembled.arrays)
    )


def _models(model: Model, arrays: PortfolioArrays) -> Iterator[tuple[str, MarginModel]]:
    for name in MODELS:
        yield name, load_model(name)
    correlation = model.sets.correlation.of(arrays.factors)
    rows, stressed = (
        copula_set(model.sets.copula, arrays.factors, correlation, stressed=hard) for hard in (False, True)
    )
    yield "es", load_es(arrays.factors, rows, stressed)


def _books(name: str, markets: Sequence[Market], haircut: float) -> list[Book]:
    """What the model is asked about: one book, or one for each underlying; at least one."""
    if name not in ONE_MARKET or not markets:
        return [Book(markets=tuple(markets))]
    return [Book(markets=(market,)) if name != "pm2" else _pledged(market, haircut) for market in markets]


def _pledged(market: Market, haircut: float) -> Book:
    """The market with its base beside it as collateral that moves with it."""
    base = Collateral(market.name, market.base_amount, market.spot, 1.0, haircut, 0.0, is_risk_cancelling=True)
    return Book(markets=(replace(market, base_amount=0.0),), collaterals=(base,) if base.amount else ())


def _asked(name: str, model: MarginModel, books: Sequence[Book]) -> Beside:
    names = [market.name for book in books for market in book.markets]
    if not names:
        return Beside(name, "", "", up(0), up(0), {}, "")
    try:
        margins = [model.margin(book) for book in books]
    except RiskInputError as error:
        return Beside(name, "", "", None, None, {}, "", str(error))
    rows = zip(names, margins, strict=False)
    return Beside(
        model=name,
        version=margins[0].version,
        params_hash=margins[0].params_hash,
        maintenance_usd=up(sum(margin.maintenance_usd for margin in margins)),
        initial_usd=up(sum(margin.initial_usd for margin in margins)),
        by_market_usd=_by_market(margins, names),
        worst="; ".join(f"{of}: {m.worst}" for of, m in rows) if len(margins) > 1 else margins[0].worst,
    )


def _by_market(margins: Sequence[Margin], names: Sequence[str]) -> dict[str, Decimal]:
    """Positions and collateral are named after their market."""
    sums = dict.fromkeys(names, 0.0)
    for margin in margins:
        for position, share in margin.maintenance_by_position.items():
            owner = next((name for name in names if name in position.split()), None)
            if owner is not None:
                sums[owner] += share
    return {name: up(value) for name, value in sums.items()}


def _markets(arrays: PortfolioArrays, prices: PriceBook) -> Iterator[Market]:
    """One market per underlying that is no stable coin and that the portfolio holds anything of."""
    pooled = together(arrays)
    kinds = arrays.instruments.is_kind
    perps, options = kinds(Kind.PERP), kinds(*OPTIONS)
    delta, perp = _delta_usd(pooled, ~options), _delta_usd(pooled, perps)
    for index, name in enumerate(arrays.factors.names):
        if arrays.factors.is_stable[index]:
            continue
        spot = _spot(name, index, arrays, prices)
        expiries = tuple(_expiries(pooled, options & (arrays.instruments.factor == index)))
        base_usd, perp_usd = delta[index] - perp[index], perp[index]
        if base_usd < 0.0:
            base_usd, perp_usd = 0.0, perp_usd + base_usd
        if base_usd or perp_usd or expiries:
            yield Market(
                name=name, spot=spot, perp_amount=perp_usd / spot, perp_price=spot,
                base_amount=base_usd / spot, expiries=expiries,
            )  # fmt: skip


def _delta_usd(pooled: PortfolioArrays, kept: Bool) -> F64:
    """(F,) dollar delta of the instruments that are kept."""
    value = pooled.value.copy()
    value.data = value.data * kept[value.indices]
    return np.asarray(portfolio_greeks(replace(pooled, value=value)).delta_usd[0], dtype=np.float64)


def _spot(name: str, factor: int, arrays: PortfolioArrays, prices: PriceBook) -> float:
    """Price of the underlying itself, else of the first instrument of it."""
    mid = prices[name].mid
    if mid is not None:
        return float(mid)
    return float(arrays.instruments.price[np.flatnonzero(arrays.instruments.factor == factor)[0]])


def _expiries(pooled: PortfolioArrays, mine: Bool) -> Iterator[Expiry]:
    """Options of one underlying, soonest first."""
    of, units = pooled.instruments, np.asarray(pooled.value.todense())[0]
    held = mine & (units != 0.0)
    for seconds in np.unique(of.expiry_s[held]):
        at = np.flatnonzero(held & (of.expiry_s == seconds))
        rate, price = float(of.rate[at[0]]), float(of.price[at[0]])
        yield Expiry(
            expiry_s=float(seconds),
            forward=price * float(np.exp(rate * seconds / (365 * 86_400))),
            rate=rate,
            strike=of.strike[at],
            is_call=of.kind[at] == Kind.CALL,
            amount=units[at],
            vol=of.vol[at],
        )
