"""PM2 and PMRM once more in plain Python, one option at a time: the twin of ``risk.models.pm2``."""

import math

from risk.book import Book, Expiry, Market
from risk.models.pm2params import Pm2Params, Row
from tests.kit.slow_market import black

YEAR = 31_536_000.0


def margins(params: Pm2Params, book: Book) -> tuple[float, float]:
    """(MM excess, IM excess)."""
    market, other = book.markets[0], params.contingencies
    pm2 = params.form == "pm2"
    worst = min([basis(params, market), *(scenario(params, book, row) for row in params.rows)])
    charge_mm, charge_im, confidence = charges(params, book)
    mark = book.cash_usd + market.unrealised_pnl_usd + market.funding_usd
    mark += sum(value(params, end, 1.0, None) for end in market.expiries)
    mark += sum(held.amount * held.price for held in book.collaterals) / book.stable_price
    mark += market.base_amount * market.spot / book.stable_price
    factor = params.im_factor + max(0.0, other.peg_threshold - book.stable_price) * other.peg_factor
    mm = params.mm_factor * worst - charge_mm + mark
    if pm2:
        return mm, factor * worst - charge_im - charge_mm - confidence + mark
    return mm, factor * (worst - charge_mm) - confidence + mark


def discount(params: Pm2Params, end: Expiry) -> float:
    return math.exp(-max(end.rate, 0.0) * end.expiry_s / YEAR) if params.form == "pm2" else 1.0


def value(params: Pm2Params, end: Expiry, spot: float, row: Row | None) -> float:
    tau, total = end.expiry_s / YEAR, 0.0
    moving, fixed = end.forward_parts()
    for strike, is_call, amount, vol in zip(end.strike, end.is_call, end.amount, end.vol, strict=True):
        moved = shocked(params, end, float(strike), float(vol), row.vol if row else "none")
        price = black(bool(is_call), moving * spot + fixed, float(strike), tau, moved, discount(params, end))
        total += float(amount) * price
    return total


def shocked(params: Pm2Params, end: Expiry, strike: float, vol: float, form: str) -> float:
    rule, days = params.vol, max(end.expiry_s / 86_400.0, params.vol.floor_days)
    reach = (30.0 / days) ** (rule.short_power if end.expiry_s <= 30 * 86_400.0 else rule.long_power)
    if form == "up":
        return max(vol * (1.0 + rule.up * reach), rule.least_up)
    if form == "down":
        return vol * max(0.0, 1.0 - rule.down * reach)
    if form == "none":
        return vol
    skew, root = params.skew, math.sqrt(end.expiry_s / YEAR)
    linear = form == "linear"
    cap = (
        skew.linear_c_base * root + skew.linear_scale_cap
        if linear
        else skew.abs_c_base * root + skew.abs_scale_cap
    )
    k_star = max(skew.least_k_star, root * skew.width_scale * (skew.vol_static + root * skew.vol_scale))
    k = math.log(strike / end.forward)
    k = k if linear else abs(k)
    bend = min(cap, k * cap / k_star) if k >= 0 else max(-cap, k * cap / k_star)
    return vol * max(0.0, 1.0 + bend)


def scenario(params: Pm2Params, book: Book, row: Row) -> float:
    market = book.markets[0]
    skewed = row.vol in ("linear", "abs")
    total = market.perp_amount * (row.spot - 1.0) * market.perp_price
    total += market.base_amount * market.spot / book.stable_price * (row.spot - 1.0)
    for held in book.collaterals:
        if held.is_risk_cancelling:
            total += held.amount * held.price / book.stable_price * (row.spot - 1.0)
    total *= row.damping
    for end in market.expiries:
        after = value(params, end, 1.0 if skewed else row.spot, row)
        change = (after * static(params, end, after) - value(params, end, 1.0, None)) * row.damping
        total += -abs(change) if skewed else change
    return total


def static(params: Pm2Params, end: Expiry, after: float) -> float:
    rule, tau, rate = params.discounts, end.expiry_s / YEAR, max(end.rate, 0.0)
    if after >= 0.0:
        return rule.positive_base * math.exp(-tau * (rate * rule.long_rate_mult + rule.long_rate_add))
    if params.form != "pm2":
        return 1.0
    grown = rule.negative_base * math.exp(tau * (rate * rule.short_rate_mult + rule.short_rate_add))
    return min(1.0 / discount(params, end), grown)


def basis(params: Pm2Params, market: Market) -> float:
    rule, total = params.contingencies, 0.0
    for end in market.expiries:
        now = value(params, end, 1.0, None)
        moves = [value(params, end, level, None) - now for level in (rule.basis_up, rule.basis_down)]
        total += min(0.0, *moves) * (rule.basis_add + rule.basis_mult * end.expiry_s / YEAR)
    return total


def charges(params: Pm2Params, book: Book) -> tuple[float, float, float]:
    market, rule = book.markets[0], params.contingencies

    def low(confidence: float, notional: float) -> float:
        return (
            (1.0 - confidence) * rule.confidence_factor * notional
            if confidence < rule.confidence_threshold
            else 0.0
        )

    perps, base = abs(market.perp_amount) * market.spot, market.base_amount * market.spot
    mm, im = perps * rule.mm_perp + base * rule.base, perps * rule.im_perp
    confidence = low(market.confidence, perps + base)
    for end in market.expiries:
        strikes: dict[float, list[float]] = {}
        for strike, amount in zip(end.strike, end.amount, strict=True):
            strikes.setdefault(float(strike), []).append(float(amount))
        naked = 0.0
        for amounts in strikes.values():
            shorts = -sum(a for a in amounts if a < 0.0)
            longs = sum(a for a in amounts if a > 0.0)
            naked += max(0.0, shorts - longs)
        mm += naked * market.spot * rule.mm_option
        im += naked * market.spot * rule.im_option
        held = sum(abs(float(a)) for a in end.amount) * market.spot
        confidence += low(min(market.confidence, end.confidence), held)
    for item in book.collaterals:
        worth = item.amount * item.price / book.stable_price
        mm, im = mm + worth * item.mm_haircut, im + worth * item.im_haircut
        confidence += low(min(item.confidence, market.spot_confidence), worth)
    return mm, im, confidence
