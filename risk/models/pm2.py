"""Portfolio margin in the forms of Derive: ``pm2`` (scenario grid, tails, skew) and ``pmrm`` (its predecessor).

V_e(s) = value of expiry e after the shock, Black-76. After the shock a value is discounted statically:

    pm2    V·dPos if V >= 0 else V·dNeg      dPos = basePos·exp(-τ(r·longMult + longAdd))
                                             dNeg = min(1/D, baseNeg·exp(τ(r·shortMult + shortAdd)))
           D = exp(-max(r, 0)·τ) in every option price
    pmrm   V·dPos if V > 0 else V            D = 1

    row         P&L_s = damping·[ perp·(s-1)·P_perp + Σ_e (V_e(s) - V_e) + (base + cancelling collateral)·(s-1) ]
    skew row    each expiry counts -|ΔV_e|: its own worst direction
    basis       Σ_e min(V_e(up) - V_e, V_e(down) - V_e, 0)·(add + mult·τ)       stands beside the rows, not on top
    worst       = min(basis, min_s P&L_s)

    pm2    MM excess = mm·worst - MMCont + mark        IM excess = (im + peg)·worst - IMCont - MMCont + mark
    pmrm   MM excess = worst - static + mark           IM excess = (im + peg)·(worst - static) - conf + mark
           peg = max(0, threshold - stable)·pegFactor

Source: derivexyz/v2-core, docs and formulas of PMRM and PM2 (`docs/models.md` works one book by hand).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from risk.book import Book, Collateral
from risk.checks import F64
from risk.errors import RiskInputError
from risk.models.pm2params import ABS, DIRECTIONS, DOWN, LINEAR, UP, Pm2Params
from risk.models.result import BASIS_ROW, Margin
from risk.models.shocked import Flat, flatten, naked_shorts, tenor_reach
from risk.paramfile import load, params_hash


@dataclass(frozen=True, slots=True)
class PortfolioMargin:
    """PM2 or PMRM v1, by ``params.form``."""

    params: Pm2Params

    @property
    def id(self) -> str:
        """Id of the parameter set."""
        return self.params.id

    def margin(self, book: Book) -> Margin:
        """Requirements of a book of one market; cash and collateral beside it."""
        if len(book.markets) != 1:
            raise RiskInputError(
                f"book.markets: has {len(book.markets)}, {self.id} nets one underlying per account"
            )
        return _Account(self.params, book).result()


def load_pm(name: str) -> PortfolioMargin:
    """Model with the parameter file ``risk/data/<name>.toml``."""
    return PortfolioMargin(load(Pm2Params, name))


@dataclass(frozen=True, slots=True)
class _Part:
    """One position: its mark, what it makes in every row and in the basis rows, and its charges."""

    name: str
    mark: float
    pnl: F64
    basis: float
    mm_cont: float
    im_cont: float
    confidence: float


class _Account:
    """One evaluation; everything additive is kept per position, so that contributions sum to the totals."""

    def __init__(self, params: Pm2Params, book: Book) -> None:
        self.params, self.book, self.market = params, book, book.markets[0]
        self.pm2 = params.form == "pm2"
        self.spot = np.array([row.spot for row in params.rows])
        self.direction = np.array([DIRECTIONS[row.vol] for row in params.rows])
        self.damping = np.array([row.damping for row in params.rows])
        parts = [_perp(self), _base(self), *_options(self)]
        parts += [_collateral(self, held) for held in book.collaterals]
        self.parts = [part for part in parts if part is not None]

    def result(self) -> Margin:
        params, parts = self.params, self.parts
        pnl = sum((part.pnl for part in parts), np.zeros(len(self.spot)))
        basis = sum(part.basis for part in parts)
        row = int(np.argmin(pnl))
        on_basis = not pnl[row] < basis
        worst = {part.name: part.basis if on_basis else float(part.pnl[row]) for part in parts}
        peg = max(0.0, params.contingencies.peg_threshold - self.book.stable_price)
        im_factor = params.im_factor + peg * params.contingencies.peg_factor
        maintenance, initial = _requirements(self, worst, im_factor)
        mark = sum(part.mark for part in parts) + self.book.cash_usd
        return Margin(
            model=params.id,
            version=params.version,
            params_hash=params_hash(params),
            mark_usd=mark,
            maintenance_usd=sum(maintenance.values()),
            initial_usd=sum(initial.values()),
            lines=self._lines(sum(worst.values()), float(basis), im_factor),
            scenarios=tuple(item.label for item in params.rows),
            scenario_pnl=pnl,
            worst=BASIS_ROW if on_basis else params.rows[row].label,
            maintenance_by_position=maintenance,
            initial_by_position=initial,
        )

    def _lines(self, worst: float, basis: float, im_factor: float) -> Mapping[str, float]:
        parts = self.parts
        return {
            "worst_scenario_usd": -worst,
            "basis_contingency_usd": -basis,
            "mm_factor": self.params.mm_factor,
            "im_factor": im_factor,
            "mm_contingency_usd": sum(part.mm_cont for part in parts),
            "im_contingency_usd": sum(part.im_cont for part in parts),
            "confidence_contingency_usd": sum(part.confidence for part in parts),
        }

    def confidence_charge(self, confidence: float, notional: float) -> float:
        """Charge for a feed below the threshold."""
        rule = self.params.contingencies
        low = confidence < rule.confidence_threshold
        return (1.0 - confidence) * rule.confidence_factor * notional if low else 0.0


def _requirements(
    account: _Account, worst: Mapping[str, float], im_factor: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Maintenance and initial requirement by position."""
    mm_factor = account.params.mm_factor
    maintenance, initial = {}, {}
    for part in account.parts:
        loss = -worst[part.name]
        maintenance[part.name] = mm_factor * loss + part.mm_cont
        if account.pm2:
            initial[part.name] = im_factor * loss + part.mm_cont + part.im_cont + part.confidence
        else:
            initial[part.name] = im_factor * (loss + part.mm_cont) + part.confidence
    return maintenance, initial


def _perp(account: _Account) -> _Part | None:
    market, rule = account.market, account.params.contingencies
    mark = market.unrealised_pnl_usd + market.funding_usd
    if not market.perp_amount and not mark:
        return None
    notional = abs(market.perp_amount) * market.spot
    return _Part(
        name=f"{market.name} perp",
        mark=mark,
        pnl=market.perp_amount * (account.spot - 1.0) * market.perp_price * account.damping,
        basis=0.0,
        mm_cont=notional * rule.mm_perp,
        im_cont=notional * rule.im_perp,
        confidence=account.confidence_charge(market.confidence, notional),
    )


def _base(account: _Account) -> _Part | None:
    market = account.market
    if not market.base_amount:
        return None
    if account.pm2:
        raise RiskInputError("market.base_amount: pm2 takes the underlying as a collateral, give it there")
    notional = market.base_amount * market.spot
    value = notional / account.book.stable_price
    return _Part(
        name=f"{market.name} base",
        mark=value,
        pnl=value * (account.spot - 1.0) * account.damping,
        basis=0.0,
        mm_cont=notional * account.params.contingencies.base,
        im_cont=0.0,
        confidence=account.confidence_charge(market.confidence, notional),
    )


def _collateral(account: _Account, held: Collateral) -> _Part:
    if not account.pm2:
        raise RiskInputError(f"book.collaterals: {held.name!r} given, pmrm knows base_amount only")
    value = held.amount * held.price / account.book.stable_price
    moves = value * (account.spot - 1.0) * account.damping
    # The collateral's own feed and the spot feed count; the perp feed does not.
    confidence = min(held.confidence, account.market.spot_confidence)
    return _Part(
        name=f"collateral {held.name}",
        mark=value,
        pnl=moves if held.is_risk_cancelling else np.zeros_like(moves),
        basis=0.0,
        mm_cont=value * held.mm_haircut,
        im_cont=value * held.im_haircut,
        confidence=account.confidence_charge(confidence, value),
    )


def _options(account: _Account) -> list[_Part]:
    flat, market, rule = flatten(account.market), account.market, account.params.contingencies
    if not len(flat.strike):
        return []
    discount = np.exp(-flat.rate * flat.tau) if account.pm2 else np.ones_like(flat.tau)
    now = flat.values(np.ones(1), flat.vol[:, None], discount)[:, 0]
    pnl = _scenario_pnl(account, flat, discount, now)
    basis = _basis(account, flat, discount, now)
    naked = naked_shorts(flat) * market.spot
    held = np.abs(flat.amount) * market.spot
    charge = np.array([account.confidence_charge(c, 1.0) for c in flat.confidence])[flat.expiry]
    return [
        _Part(
            name=flat.names[i],
            mark=float(now[i]),
            pnl=pnl[i],
            basis=float(basis[i]),
            mm_cont=float(naked[i]) * rule.mm_option,
            im_cont=float(naked[i]) * rule.im_option,
            confidence=float(charge[i] * held[i]),
        )
        for i in range(len(flat.strike))
    ]


def _scenario_pnl(account: _Account, flat: Flat, discount: F64, now: F64) -> F64:
    """(n, S) change of value; the discount and the skew sign follow the whole expiry's sign."""
    vol, spot = _shocked_vols(account, flat)
    shocked = flat.values(spot, vol, discount)
    total = flat.by_expiry(shocked)
    positive, negative = _static_discounts(account, flat, discount)
    factor = np.where(total >= 0.0, positive[:, None], negative[:, None])
    change = shocked * factor[flat.expiry] - now[:, None]
    skewed = (account.direction == LINEAR) | (account.direction == ABS)
    gains = (flat.by_expiry(change) > 0.0) & skewed
    sign = np.where(gains, -1.0, 1.0)[flat.expiry]
    pnl: F64 = change * sign * account.damping
    return pnl


def _shocked_vols(account: _Account, flat: Flat) -> tuple[F64, F64]:
    """(n, S) volatilities and (S,) spot levels that options see: in skew rows the spot stands still."""
    rule, direction = account.params.vol, account.direction
    reach = tenor_reach(flat.seconds, rule.short_power, rule.long_power, rule.floor_days)[flat.expiry, None]
    multiplier = np.ones((len(flat.strike), len(direction)))
    multiplier = np.where(direction == UP, 1.0 + rule.up * reach, multiplier)
    multiplier = np.where(direction == DOWN, np.maximum(0.0, 1.0 - rule.down * reach), multiplier)
    for form in (LINEAR, ABS):
        if (direction == form).any():
            multiplier = np.where(direction == form, _skew(account, flat, form)[:, None], multiplier)
    vol = flat.vol[:, None] * multiplier
    vol = np.where(direction == UP, np.maximum(vol, rule.least_up), vol)
    still = (direction == LINEAR) | (direction == ABS)
    return vol, np.where(still, 1.0, account.spot)


def _skew(account: _Account, flat: Flat, form: int) -> F64:
    """(n,) vol multiplier of a skew row; at least 0."""
    rule, root = account.params.skew, np.sqrt(flat.tau)
    caps = (rule.linear_scale_cap, rule.linear_c_base) if form == LINEAR else (rule.abs_scale_cap, rule.abs_c_base)
    cap = (caps[1] * root + caps[0])[flat.expiry]
    width = root * rule.width_scale * (rule.vol_static + root * rule.vol_scale)
    k_star = np.maximum(rule.least_k_star, width)[flat.expiry]
    k = np.log(flat.strike / (flat.moving + flat.fixed)[flat.expiry])
    k = k if form == LINEAR else np.abs(k)
    slope = k * cap / k_star
    multiplier: F64 = np.maximum(0.0, 1.0 + np.where(k >= 0.0, np.minimum(cap, slope), np.maximum(-cap, slope)))
    return multiplier


def _static_discounts(account: _Account, flat: Flat, discount: F64) -> tuple[F64, F64]:
    """(E,) factors on positive and negative expiry values after the shock."""
    rule = account.params.discounts
    positive = rule.positive_base * np.exp(-flat.tau * (flat.rate * rule.long_rate_mult + rule.long_rate_add))
    if not account.pm2:
        return positive, np.ones_like(positive)
    growth = np.exp(flat.tau * (flat.rate * rule.short_rate_mult + rule.short_rate_add))
    return positive, np.minimum(1.0 / discount, rule.negative_base * growth)


def _basis(account: _Account, flat: Flat, discount: F64, now: F64) -> F64:
    """(n,) each option's share of the basis contingency, <= 0 in sum."""
    rule = account.params.contingencies
    levels = np.array([rule.basis_up, rule.basis_down])
    change = flat.values(levels, np.repeat(flat.vol[:, None], 2, axis=1), discount) - now[:, None]
    total = flat.by_expiry(change)
    pick = total.argmin(axis=1)
    loses = total.min(axis=1) < 0.0
    factor = np.where(loses, rule.basis_add + rule.basis_mult * flat.tau, 0.0)
    chosen: F64 = change[np.arange(len(now)), pick[flat.expiry]] * factor[flat.expiry]
    return chosen
