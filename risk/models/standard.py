"""Position-based requirement in the form of Derive's standard manager (SRM): no netting between positions.

Per market (excess is negative where cash is needed), q the perps, a < 0 a short amount, S spot, F forward:

    perp        -|q|·P_perp·req                                        uPnL and funding are added
    base        MM  b·S·factor            IM  MM·im_scale
    expiry      max( Σ isolated , max loss )
      short call   MM  mtm + mm_call·S·a
                   IM  mtm + max(min_req, max_req - (K-S)+/S)·S·a
      short put    MM  mtm + min(mm_put·S·a, mm_put_mtm·mtm)
                   IM  min( mtm + max(min_req, max_req - (S-K)+/S)·S·a , MM·mm_offset )
      long         0
      max loss     min over prices {0, strikes} of min(0, payoff at expiry); net calls < 0 add unpaired·F·net
    initial only, for a feed below its threshold: -(1-conf)·factor·S·{|q| ; shorts of the expiry ; b}
    initial only, for a settlement coin below the threshold: -(|q| + shorts)·S·(threshold - stable)·depeg factor

Prices are Black-76 with discount 1. Source: derivexyz/v2-core, docs and formulas of the standard manager.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from risk.book import Book, Market
from risk.checks import F64, Bool
from risk.errors import ParameterError, RiskInputError
from risk.models.result import Margin
from risk.models.shocked import Flat, flatten
from risk.paramfile import Within, check_fields, load, params_hash

Share = Annotated[float, Within(0.0, 10.0)]


@dataclass(frozen=True, slots=True)
class MarketRule:
    """Figures of one market."""

    market: str
    perp_mm: Share
    perp_im: Share
    base_factor: Share
    base_im_scale: Share
    max_spot_req: Share
    min_spot_req: Share
    mm_call_spot: Share
    mm_put_spot: Share
    mm_put_mtm: Share
    unpaired_mm: Share
    unpaired_im: Share
    mm_offset: Share
    perp_threshold: Share
    option_threshold: Share
    base_threshold: Share
    confidence_factor: Share

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class StandardParams:
    """One parameter set; a market that is not in it cannot be margined."""

    id: str
    version: str
    provenance: str
    depeg_threshold: Share
    depeg_factor: Share
    markets: tuple[MarketRule, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        names = [rule.market for rule in self.markets]
        if len(set(names)) != len(names):
            raise ParameterError(f"markets: {names} must be distinct")


@dataclass(slots=True)
class _Item:
    """What one position adds: its mark and its parts of both excesses, USD."""

    mark: float
    mm: float
    im: float


@dataclass(frozen=True, slots=True)
class StandardMargin:
    """The position-based model with its parameters."""

    params: StandardParams

    @property
    def id(self) -> str:
        """Id of the parameter set."""
        return self.params.id

    def margin(self, book: Book) -> Margin:
        """Requirements of a book of any number of markets."""
        if book.collaterals:
            raise RiskInputError("book.collaterals: given; this model takes base_amount of a market instead")
        items: dict[str, _Item] = {}
        for market in book.markets:
            items.update(_market(self.params, market, book.stable_price))
        maintenance = {name: item.mark - item.mm for name, item in items.items()}
        initial = {name: item.mark - item.im for name, item in items.items()}
        return Margin(
            model=self.params.id,
            version=self.params.version,
            params_hash=params_hash(self.params),
            mark_usd=sum(item.mark for item in items.values()) + book.cash_usd,
            maintenance_usd=sum(maintenance.values()),
            initial_usd=sum(initial.values()),
            lines=_lines(maintenance, initial),
            scenarios=(),
            scenario_pnl=np.zeros(0),
            worst="",
            maintenance_by_position=maintenance,
            initial_by_position=initial,
        )


def load_standard(name: str = "standard_v1") -> StandardMargin:
    """Model with the parameter file ``risk/data/<name>.toml``."""
    return StandardMargin(load(StandardParams, name))


def _lines(maintenance: Mapping[str, float], initial: Mapping[str, float]) -> dict[str, float]:
    return {f"mm {name}": value for name, value in maintenance.items()} | {
        f"im {name}": value for name, value in initial.items()
    }


def _market(params: StandardParams, market: Market, stable: float) -> Iterator[tuple[str, _Item]]:
    rule = next((one for one in params.markets if one.market == market.name), None)
    if rule is None:
        raise RiskInputError(f"book.markets: no figures for {market.name!r} in {params.id} {params.version}")
    depeg = max(0.0, params.depeg_threshold - stable) * params.depeg_factor
    if market.perp_amount or market.unrealised_pnl_usd or market.funding_usd:
        yield f"{market.name} perp", _perp(rule, market, depeg)
    if market.base_amount:
        yield f"{market.name} base", _base(rule, market, stable)
    flat = flatten(market)
    for index in range(len(market.expiries)):
        yield from _expiry(rule, market, flat, index, depeg)


def _low(confidence: float, threshold: float, factor: float) -> float:
    """Charge per USD of a feed below its threshold."""
    return (1.0 - confidence) * factor if confidence < threshold else 0.0


def _perp(rule: MarketRule, market: Market, depeg: float) -> _Item:
    mark = market.unrealised_pnl_usd + market.funding_usd
    size = abs(market.perp_amount)
    low = _low(market.confidence, rule.perp_threshold, rule.confidence_factor)
    mm = mark - size * market.perp_price * rule.perp_mm
    im = mark - size * market.perp_price * rule.perp_im - size * market.spot * (low + depeg)
    return _Item(mark, mm, im)


def _base(rule: MarketRule, market: Market, stable: float) -> _Item:
    notional = market.base_amount * market.spot
    low = _low(market.spot_confidence, rule.base_threshold, rule.confidence_factor)
    mm = notional * rule.base_factor
    return _Item(notional / stable, mm, mm * rule.base_im_scale - notional * low)


def _expiry(rule: MarketRule, market: Market, flat: Flat, index: int, depeg: float) -> Iterator[tuple[str, _Item]]:
    at = np.flatnonzero(flat.expiry == index)
    if not len(at):
        return
    values = flat.values(np.ones(1), flat.vol[:, None], np.ones(len(flat.seconds)))[at, 0]
    strike, is_call, amount = flat.strike[at], flat.is_call[at], flat.amount[at]
    forward = market.expiries[index].forward
    legs = (strike, is_call, amount, values)
    mm = _better(_isolated(rule, market.spot, *legs)[0], _max_loss(rule.unpaired_mm, forward, *legs[:3]))
    im = _better(_isolated(rule, market.spot, *legs)[1], _max_loss(rule.unpaired_im, forward, *legs[:3]))
    # The option feeds stand beside the spot feed; the perp feed does not count here.
    confidence = min(market.expiries[index].forward_confidence, market.expiries[index].vol_confidence)
    low = _low(min(confidence, market.spot_confidence), rule.option_threshold, rule.confidence_factor)
    im = im - np.maximum(-amount, 0.0) * market.spot * (low + depeg)
    for place, option in enumerate(at):
        yield flat.names[option], _Item(float(values[place]), float(mm[place]), float(im[place]))


def _better(isolated: F64, max_loss: F64) -> F64:
    """The larger of both sums, by position."""
    return isolated if isolated.sum() >= max_loss.sum() else max_loss


def _isolated(rule: MarketRule, spot: float, strike: F64, is_call: Bool, amount: F64, mtm: F64) -> tuple[F64, F64]:
    """(n,) maintenance and initial excess of each option on its own; 0 for longs."""
    short = amount < 0.0
    out = np.where(is_call, np.maximum(strike - spot, 0.0), np.maximum(spot - strike, 0.0)) / spot
    share = np.maximum(rule.min_spot_req, rule.max_spot_req - out)
    call_mm = mtm + rule.mm_call_spot * spot * amount
    put_mm = mtm + np.minimum(rule.mm_put_spot * spot * amount, rule.mm_put_mtm * mtm)
    open_im = share * spot * amount + mtm
    mm = np.where(is_call, call_mm, put_mm)
    im = np.where(is_call, open_im, np.minimum(open_im, mm * rule.mm_offset))
    return np.where(short, mm, 0.0), np.where(short, im, 0.0)


def _max_loss(unpaired: float, forward: float, strike: F64, is_call: Bool, amount: F64) -> F64:
    """(n,) share of each option in the worst payoff at expiry, unpaired calls added."""
    prices = np.append(strike, 0.0)
    sign = np.where(is_call, 1.0, -1.0)[:, None]
    payoff = np.maximum(sign * (prices - strike[:, None]), 0.0) * amount[:, None]
    total = payoff.sum(axis=0)
    worst = int(total.argmin())
    shares: F64 = payoff[:, worst] if total[worst] < 0.0 else np.zeros(len(strike))
    calls = np.where(is_call, amount, 0.0)
    owed: F64 = unpaired * forward * calls if calls.sum() < 0.0 else np.zeros(len(strike))
    return shares + owed
