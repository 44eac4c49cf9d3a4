"""SPAN form: sixteen rows per market, spread charges and credits on composite delta.

    rows       price {0, ±1/3, ±2/3, ±3/3} of the scan range, each with vol up and down; then the two extreme moves
               ± m ranges, of which the share c counts
    scan       max(0, largest loss over the rows)                                   per market
    calendar   charge · spreads · price, spreads formed from expiries of opposite composite delta (perps: expiry 0)
    inter      credit · (scan/|delta|) · spreads on both legs, in the order of the list, each delta used once
    requirement = max(scan + calendar - inter, short option minimum · short options)

Composite delta: mean of the Black-76 delta over the seven price points with the given weights. The value of long
and short options stands in the mark, so that net option value is credited there and nowhere else.
Source: CME, "Risk Arrays" and the SPAN components page; L. McMillan, Options as a Strategic Investment, ch. 34.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from risk.black76 import option_greeks
from risk.book import Book, Market
from risk.checks import F64
from risk.errors import ParameterError, RiskInputError
from risk.models.result import Margin
from risk.models.shocked import flatten
from risk.paramfile import Within, check_fields, load, params_hash

THIRDS = (0, 1, -1, 2, -2, 3, -3)
Share = Annotated[float, Within(0.0, 10.0)]


@dataclass(frozen=True, slots=True)
class ScanRule:
    """Figures of one combined commodity."""

    market: str
    price_scan: Annotated[float, Within(1e-6, 0.5)]
    """Range as a share of the price."""
    vol_scan: Share
    """Relative move of every volatility."""
    calendar_charge: Share
    """Share of the price per unit of delta spread between expiries."""
    short_option_minimum_usd: Annotated[float, Within(0.0, 1e9)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class InterSpread:
    """Credit for opposite deltas in two markets; ``legs`` deltas of each make one spread."""

    markets: tuple[str, str]
    legs: tuple[float, float]
    credit: Annotated[float, Within(0.0, 1.0)]

    def __post_init__(self) -> None:
        check_fields(self)
        if self.markets[0] == self.markets[1] or min(self.legs) <= 0.0:
            raise ParameterError(f"inter: {self.markets} {self.legs} must be two markets with legs above 0")


@dataclass(frozen=True, slots=True)
class SpanParams:
    """One parameter set."""

    id: str
    version: str
    provenance: str
    extreme_multiple: Annotated[float, Within(1.0, 10.0)]
    cover_fraction: Annotated[float, Within(0.0, 1.0)]
    im_factor: Annotated[float, Within(1.0, 10.0)]
    delta_weights: Annotated[tuple[float, ...], Within(0.0, 1.0)]
    """Of the price points 0, ±1/3, ±2/3, ±3/3: four figures, each applied to both signs, normalised."""
    markets: tuple[ScanRule, ...]
    inter: tuple[InterSpread, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.delta_weights) != 4 or not sum(self.delta_weights):
            raise ParameterError(f"delta_weights: {self.delta_weights} must be four, not all 0")


class _Scan:
    """One market: risk array by position, its worst row, deltas by expiry."""

    def __init__(self, params: SpanParams, market: Market) -> None:
        rule = next((one for one in params.markets if one.market == market.name), None)
        if rule is None:
            raise RiskInputError(f"book.markets: no figures for {market.name!r} in {params.id} {params.version}")
        self.rule, self.market, self.flat = rule, market, flatten(market)
        price, self.vol, self.cover = scan_rows(params, rule)
        self.names, self.marks, self.array = _positions(self, price)
        total = self.array.sum(axis=0)
        self.row = int(total.argmin())
        self.total = total
        self.scan = max(0.0, float(-total[self.row]))
        self.delta, self.by_expiry = _deltas(params, self)
        self.left = self.delta

    @property
    def calendar(self) -> float:
        """Charge for delta spreads between expiries."""
        longs = float(np.maximum(self.by_expiry, 0.0).sum())
        shorts = float(np.maximum(-self.by_expiry, 0.0).sum())
        return min(longs, shorts) * self.rule.calendar_charge * self.market.spot

    @property
    def minimum(self) -> float:
        """Short option minimum."""
        return float(np.maximum(-self.flat.amount, 0.0).sum()) * self.rule.short_option_minimum_usd


@dataclass(frozen=True, slots=True)
class SpanMargin:
    """The sixteen-row model with its parameters."""

    params: SpanParams

    @property
    def id(self) -> str:
        """Id of the parameter set."""
        return self.params.id

    def margin(self, book: Book) -> Margin:
        """Requirements of a book of perps, base and options in any number of markets."""
        if book.collaterals:
            raise RiskInputError("book.collaterals: given; this model takes base_amount of a market instead")
        scans = [_Scan(self.params, market) for market in book.markets]
        credit = _inter_credits(self.params, scans)
        parts: dict[str, float] = {}
        for scan in scans:
            parts.update(_contributions(scan, credit.get(scan.market.name, 0.0)))
        marks = sum(float(scan.marks.sum()) for scan in scans)
        requirement = sum(parts.values())
        factor = self.params.im_factor
        return Margin(
            model=self.params.id,
            version=self.params.version,
            params_hash=params_hash(self.params),
            mark_usd=marks + book.cash_usd,
            maintenance_usd=requirement,
            initial_usd=requirement * factor,
            lines=_lines(scans, credit),
            scenarios=tuple(f"{s.market.name} {label}" for s in scans for label in LABELS),
            scenario_pnl=np.concatenate([s.total for s in scans] or [np.zeros(0)]),
            worst=", ".join(f"{s.market.name} {LABELS[s.row]}" for s in scans),
            maintenance_by_position=parts,
            initial_by_position={name: value * factor for name, value in parts.items()},
        )


def load_span(name: str = "span16_v1") -> SpanMargin:
    """Model with the parameter file ``risk/data/<name>.toml``."""
    return SpanMargin(load(SpanParams, name))


LABELS = (
    *(f"price {n:+d}/3, vol {v}" for n in THIRDS for v in ("up", "down")),
    "extreme up",
    "extreme down",
)


def scan_rows(params: SpanParams, rule: ScanRule) -> tuple[F64, F64, F64]:
    """(16,) price moves (share), vol moves (share) and covers."""
    price = np.repeat(np.array(THIRDS) / 3.0, 2) * rule.price_scan
    far = params.extreme_multiple * rule.price_scan
    vol = np.tile(np.array([1.0, -1.0]), len(THIRDS)) * rule.vol_scan
    cover = np.append(np.ones(14), [params.cover_fraction] * 2)
    return np.append(price, [far, max(-far, -0.999)]), np.append(vol, [0.0, 0.0]), cover


def _positions(scan: _Scan, price: F64) -> tuple[list[str], F64, F64]:
    """Names, (P,) marks and (P, 16) changes of value."""
    market, flat = scan.market, scan.flat
    names, marks, rows = [], [], []
    pnl = market.unrealised_pnl_usd + market.funding_usd
    if market.perp_amount or pnl:
        names.append(f"{market.name} perp")
        marks.append(pnl)
        rows.append(market.perp_amount * market.perp_price * price * scan.cover)
    if market.base_amount:
        names.append(f"{market.name} base")
        marks.append(market.base_amount * market.spot)
        rows.append(market.base_amount * market.spot * price * scan.cover)
    if len(flat.strike):
        discount = np.exp(-flat.rate * flat.tau)
        now = flat.values(np.ones(1), flat.vol[:, None], discount)
        vols = flat.vol[:, None] * np.maximum(1.0 + scan.vol, 0.0)
        names.extend(flat.names)
        marks.extend(now[:, 0])
        rows.extend((flat.values(1.0 + price, vols, discount) - now) * scan.cover)
    return names, np.array(marks), np.array(rows).reshape(-1, len(price))


def _deltas(params: SpanParams, scan: _Scan) -> tuple[float, F64]:
    """Composite delta of the market and, perps and base first, of each expiry."""
    flat, market = scan.flat, scan.market
    weights = np.array([params.delta_weights[abs(n)] for n in THIRDS])
    levels = 1.0 + np.array(THIRDS) / 3.0 * scan.rule.price_scan
    at = flat.expiry
    forward = (flat.moving + flat.fixed)[at, None] * levels
    tau, rate = flat.tau[at, None], np.zeros((len(at), 1))
    greeks = option_greeks(
        flat.is_call[:, None], forward, flat.strike[:, None], tau, flat.vol[:, None] + 0.0 * levels, rate
    )
    discount = np.exp(-flat.rate * flat.tau)[at]
    each = (greeks.delta @ weights) / weights.sum() * flat.amount * discount
    by_expiry = np.append(market.perp_amount + market.base_amount, flat.by_expiry(each))
    return float(by_expiry.sum()), by_expiry


def _inter_credits(params: SpanParams, scans: list[_Scan]) -> dict[str, float]:
    """Credit by market, USD; deltas are used up in the order of the list."""
    by_name = {scan.market.name: scan for scan in scans}
    credit: dict[str, float] = {}
    for rule in params.inter:
        pair = [by_name.get(name) for name in rule.markets]
        one, other = pair
        if one is None or other is None or one.left * other.left >= 0.0:
            continue
        spreads = min(abs(one.left) / rule.legs[0], abs(other.left) / rule.legs[1])
        for scan, legs in ((one, rule.legs[0]), (other, rule.legs[1])):
            saved = rule.credit * scan.scan / abs(scan.delta) * spreads * legs if scan.delta else 0.0
            credit[scan.market.name] = credit.get(scan.market.name, 0.0) + saved
            scan.left -= np.sign(scan.left) * spreads * legs
    return credit


def _contributions(scan: _Scan, credit: float) -> dict[str, float]:
    """Parts that sum to the market's requirement."""
    name = scan.market.name
    if scan.minimum > scan.scan + scan.calendar - credit:
        shorts = np.maximum(-scan.flat.amount, 0.0) * scan.rule.short_option_minimum_usd
        return dict(zip(scan.flat.names, map(float, shorts), strict=True))
    losses = -scan.array[:, scan.row] if scan.scan > 0.0 else np.zeros(len(scan.names))
    parts = dict(zip(scan.names, map(float, losses), strict=True))
    return parts | {f"{name} calendar spreads": scan.calendar, f"{name} inter-market credit": -credit}


def _lines(scans: list[_Scan], credit: dict[str, float]) -> dict[str, float]:
    lines = {}
    for scan in scans:
        name = scan.market.name
        lines[f"{name} scan_usd"] = scan.scan
        lines[f"{name} calendar_usd"] = scan.calendar
        lines[f"{name} inter_credit_usd"] = -credit.get(name, 0.0)
        lines[f"{name} short_option_minimum_usd"] = scan.minimum
        lines[f"{name} composite_delta"] = scan.delta
    return lines
